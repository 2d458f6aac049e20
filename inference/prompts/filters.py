"""The filters that templates may use, each bounded in what it reads and makes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from jinja2 import Undefined

from inference.errors import PromptError, gettext_noop
from inference.prompts.meter import TEXT_MOST, meter_current, text_admit

_STOCK: Final = (
    "abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int", "items",
    "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse",
    "select", "selectattr", "sort", "string", "title", "trim", "truncate", "unique", "upper",
    "wordcount",
)  # fmt: skip


def bounded(stock: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """Jinja2's own filters of the list, and ours where Jinja2's have no limit."""
    table = {name: stock[name] for name in _STOCK} | _OWN
    return {name: _bounded(function) for name, function in table.items()}


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    # functools.wraps keeps Jinja2's marks (pass_context, pass_environment) on the wrapper, and
    # with a mark the value is the second argument; all arguments are looked at, so no matter.
    @functools.wraps(function)
    def filtered(*args: Any, **kwargs: Any) -> Any:
        meter = meter_current()
        for argument in (*args, *kwargs.values()):
            if isinstance(argument, (str, list, tuple, dict, range)):
                meter.charge(1 + len(argument))
        result = function(*args, **kwargs)
        if isinstance(result, Iterator):
            result = list(islice(result, TEXT_MOST))
        elif isinstance(result, type({}.items())):
            result = list(result)
        if not isinstance(result, Undefined):
            meter.admit(result)
        return result

    return filtered


def _text(value: object) -> str:
    if isinstance(value, Undefined):
        return str(value)  # raises UndefinedError
    if not isinstance(value, (str, int, float)):
        raise PromptError(gettext_noop("This filter works on texts."))
    return str(value)


def _join(value: Any, separator: object = "", attribute: str | int | None = None) -> str:
    if isinstance(value, Undefined):
        iter(value)  # raises UndefinedError
    between = _text(separator)
    parts = [part[attribute] if attribute is not None else part for part in value]
    texts = [_text(part) for part in parts]
    text_admit(sum(map(len, texts)) + len(between) * len(texts))
    return between.join(texts)


def _replace(value: object, old: object, new: object, count: int = -1) -> str:
    text, before, after = _text(value), _text(old), _text(new)
    text_admit(len(text) + (text.count(before) + 1) * len(after))
    return text.replace(before, after, count)


def _center(value: object, width: int = 80) -> str:
    text_admit(width)
    return _text(value).center(width)


def _indent(value: object, width: int = 4, first: bool = False, blank: bool = False) -> str:
    text = _text(value)
    text_admit(width)
    lines = text.split("\n")
    text_admit(len(text) + len(lines) * max(width, 0))
    margin = " " * width
    return "\n".join(
        margin + line if (first or at) and (blank or line) else line
        for at, line in enumerate(lines)
    )


def _round(value: float, precision: int = 0) -> float:
    if not -9 <= precision <= 9:
        raise PromptError(gettext_noop("A number is rounded to at most 9 places."))
    return round(value, precision)


def _sum(value: Any) -> float:
    return float(sum(value)) if any(isinstance(part, float) for part in value) else int(sum(value))


_OWN: Final[dict[str, Callable[..., Any]]] = {
    "join": _join,
    "replace": _replace,
    "center": _center,
    "indent": _indent,
    "round": _round,
    "sum": _sum,
}
NAMES: Final = frozenset([*_STOCK, *_OWN])
