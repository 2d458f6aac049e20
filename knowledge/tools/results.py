"""Turns what another system answered into bounded plain data.

A result is data: it is kept small, its texts lose control and invisible characters, and nothing
in it is ever read as an instruction or a template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from knowledge.tools.values import (
    RESULT_CHARACTERS,
    RESULT_DEPTH,
    RESULT_ITEMS,
    RESULT_TEXT,
)

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
    "\U000e0000-\U000e0fff]"
)
_DIGITS_MOST = 19


class ResultUnusable(Exception):
    """The answer cannot be used; the text says why, for staff."""


def result_read(body: bytes, mapping: Mapping[str, str]) -> dict[str, Any]:
    """The result in a JSON body: all of it, or what ``mapping`` names.

    ``mapping`` gives names and JSON pointers (RFC 6901) into the body; what a pointer does not
    find is ``None``.

    Raises:
        ResultUnusable: not UTF-8, not JSON, no object, or larger than a result may be.
    """
    value = _json_read(body)
    if mapping:
        value = {name: pointer_get(value, pointer) for name, pointer in mapping.items()}
    return result_bound(value)


def result_bound(value: object) -> dict[str, Any]:
    """Plain data within the bounds of ``values``; long texts and lists are cut.

    Raises:
        ResultUnusable: it is no object, too deep, too large in all, or holds what JSON has not.
    """
    if not isinstance(value, Mapping):
        raise ResultUnusable("The answer is no JSON object.")
    bounded: dict[str, Any] = _bounded(value, RESULT_DEPTH)
    if len(json.dumps(bounded, ensure_ascii=False)) > RESULT_CHARACTERS:
        raise ResultUnusable(
            f"The answer holds more than {RESULT_CHARACTERS} characters; map only what is needed."
        )
    return bounded


def pointer_get(value: object, pointer: str) -> Any:
    """What a JSON pointer leads to; ``None`` where it leads nowhere."""
    if pointer == "":
        return value
    for step in pointer.lstrip("/").split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list) and name.isascii() and name.isdigit():
            value = value[int(name)] if len(name) < 6 and int(name) < len(value) else None
        else:
            return None
    return value


def pointer_check(pointer: str) -> bool:
    """Whether a text is a JSON pointer."""
    return pointer == "" or bool(re.fullmatch(r"(/([^~/]|~[01])*)+", pointer))


def _json_read(body: bytes) -> Any:
    try:
        return json.loads(
            body.decode("utf-8"), parse_constant=_constant_refuse, parse_int=_integer_read
        )
    except UnicodeDecodeError as error:
        raise ResultUnusable("The answer is not text in UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise ResultUnusable("The answer is not valid JSON.") from error


def _bounded(value: object, depth: int) -> Any:
    if isinstance(value, str):
        return _UNSEEN.sub("", value)[:RESULT_TEXT]
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth == 0:
        raise ResultUnusable("The answer is nested too deeply.")
    if isinstance(value, Mapping):
        parts = list(value.items())[:RESULT_ITEMS]
        return {_UNSEEN.sub("", str(name))[:80]: _bounded(part, depth - 1) for name, part in parts}
    if isinstance(value, list | tuple):
        return [_bounded(part, depth - 1) for part in value[:RESULT_ITEMS]]
    raise ResultUnusable(f"The answer holds a value of the type {type(value).__name__}.")


def _constant_refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _integer_read(digits: str) -> int:
    if len(digits.lstrip("-")) > _DIGITS_MOST:
        raise ValueError("an integer is out of range")
    return int(digits)
