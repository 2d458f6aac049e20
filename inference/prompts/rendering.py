"""Rendering of the prompts and replies that administrators write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from jinja2 import Template, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.meta import find_undeclared_variables

from inference.chat import ChatMessage
from inference.errors import PromptError, gettext_noop
from inference.prompts.meter import OUTPUT_MOST, OUTPUT_TOO_LONG, metered, plain
from inference.prompts.sandbox import PromptEnvironment

VARIABLES: Final = (
    "passages", "history", "question", "current_time", "user_region", "shop_name", "language",
)  # fmt: skip
"""What a prompt may name.

- ``passages``: list of mappings ``id`` ("E12"), ``question``, ``answer``; best first.
- ``history``: list of mappings ``role`` ("user" or "assistant") and ``text``; oldest first.
- ``question``: the customer's question, made to stand alone.
- ``current_time``: a text such as "2026-05-04 09:30"; an aware datetime is formatted so.
- ``user_region``, ``shop_name``: texts, possibly empty.
- ``language``: "zh-hans" or "en".
"""
REPLY_VARIABLES: Final = ("question", "current_time", "user_region", "shop_name", "language")
"""What a rule's reply may name."""
HEAD_VARIABLES: Final = ("shop_name", "language")
"""What is the same for every question of a site in a language."""
SOURCE_MOST: Final = 16_000
"""Characters of a template."""

# Whatever a template does wrong while it is read or runs; anything else is our bug and is raised.
_TEMPLATE_FAULTS = (
    TemplateError,
    ArithmeticError,
    LookupError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class PromptSource:
    """The two templates of a prompt: fixed instructions, and the message with what changes."""

    system: str
    user: str


def prompt_render(source: PromptSource, variables: Mapping[str, object]) -> list[ChatMessage]:
    """Render a prompt into a system message (unless it is blank) and a user message.

    Raises:
        PromptError: one sentence that says what is wrong with the template.
    """
    system = text_render(source.system, variables).strip()
    user = text_render(source.user, variables).strip()
    if not user:
        raise PromptError(gettext_noop("The message of the prompt is empty."))
    messages = [ChatMessage("system", system)] if system else []
    return [*messages, ChatMessage("user", user)]


def prompt_head(source: PromptSource, variables: Mapping[str, object]) -> ChatMessage | None:
    """The system message of a prompt if it is the same for every question, else ``None``.

    It is when its template names nothing but ``HEAD_VARIABLES``.

    Raises:
        PromptError: as ``prompt_render``.
    """
    if _names(source.system) - set(HEAD_VARIABLES):
        return None
    system = text_render(source.system, variables).strip()
    return ChatMessage("system", system) if system else None


def text_render(template: str, variables: Mapping[str, object]) -> str:
    """Render one template; ``variables`` are plain data and datetimes.

    Ends within some megabytes and about a second of processor time, whatever the template: what
    it runs is counted, and what has to be compiled is bounded by its length and depth.

    Raises:
        PromptError: bad syntax, a variable that is not given, an operation that is not allowed,
            too much work or too long a result.
    """
    data = {name: _variable(name, value) for name, value in variables.items()}
    try:
        with metered():
            result = _compiled(template).render(data)
    except _TEMPLATE_FAULTS as error:
        raise _refusal(error) from error
    if len(result) > OUTPUT_MOST:
        raise PromptError(OUTPUT_TOO_LONG, most=OUTPUT_MOST)
    return result


def prompt_check(source: PromptSource, variables: Mapping[str, object] | None = None) -> None:
    """Refuse a prompt that names unknown variables or does not render with ``variables``
    (default: a sample).

    Raises:
        PromptError: what is wrong, in one sentence.
    """
    for template in (source.system, source.user):
        _names_check(template, VARIABLES)
    samples = [SAMPLE, SAMPLE_BARE] if variables is None else [variables]
    for sample in samples:
        prompt_render(source, sample)


def reply_check(template: str) -> None:
    """The same for the reply of a rule, which knows only ``REPLY_VARIABLES``."""
    _names_check(template, REPLY_VARIABLES)
    text_render(template, {name: SAMPLE[name] for name in REPLY_VARIABLES})


def names_check(template: str, known: tuple[str, ...]) -> None:
    """Refuse a template that cannot be read or that names anything but ``known`` variables.

    Raises:
        PromptError
    """
    _names_check(template, known)


SAMPLE: Final[Mapping[str, object]] = {
    "passages": [
        {"id": "E1", "question": "How long is delivery?", "answer": "Delivery takes 3 days."},
        {"id": "E2", "question": "Which regions?", "answer": "All regions."},
    ],
    "history": [
        {"role": "user", "text": "Hello"},
        {"role": "assistant", "text": "Hello, how can I help?"},
    ],
    "question": "How long is delivery?",
    "current_time": "2026-05-04 09:30",
    "user_region": "Shanghai",
    "shop_name": "Sample shop",
    "language": "en",
}
"""Variables as a conversation has them, for checks and previews."""
SAMPLE_BARE: Final[Mapping[str, object]] = {
    **SAMPLE,
    "passages": [],
    "history": [],
    "user_region": "",
}
"""The same at a conversation's start, with nothing found."""

_environment = PromptEnvironment()


@lru_cache(maxsize=256)
def _compiled(template: str) -> Template:
    if len(template) > SOURCE_MOST:
        raise PromptError(
            gettext_noop("A template has at most %(most)d characters."), most=SOURCE_MOST
        )
    return _environment.from_string(
        _environment.counted(_environment.template_nodes(template)),
    )


def template_names(template: str) -> frozenset[str]:
    """The variables that a template names.

    Raises:
        PromptError: it cannot be read.
    """
    return frozenset(_names(template))


def _names_check(template: str, known: tuple[str, ...]) -> None:
    unknown = _names(template) - set(known)
    if unknown:
        raise PromptError(
            gettext_noop("Unknown variable %(names)s; there are %(known)s."),
            names=", ".join(sorted(unknown)),
            known=", ".join(known),
        )


def _names(template: str) -> set[str]:
    """The variables that a template names."""
    try:
        tree = _environment.template_nodes(template[: SOURCE_MOST + 1])
        return find_undeclared_variables(tree) - set(_environment.globals)
    except _TEMPLATE_FAULTS as error:
        raise _refusal(error) from error


def _variable(name: str, value: object) -> object:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise PromptError(gettext_noop("The variable %(name)s needs a time zone."), name=name)
        return value.strftime("%Y-%m-%d %H:%M")
    return plain(value, name)


def _refusal(error: BaseException) -> PromptError:
    """The error for what a template did wrong; details are in Jinja2's and Python's own words."""
    if isinstance(error, TemplateSyntaxError) and error.message:
        return PromptError(
            gettext_noop("Line %(line)d: %(detail)s."), line=error.lineno, detail=error.message
        )
    if isinstance(error, TemplateSyntaxError):
        return PromptError(
            gettext_noop("Line %(line)d: the template cannot be read."), line=error.lineno
        )
    if isinstance(error, UndefinedError):
        return PromptError(gettext_noop("A variable is missing: %(detail)s."), detail=error.message)
    if isinstance(error, (RecursionError, MemoryError)):
        return PromptError(gettext_noop("The template is nested too deeply."))
    return PromptError(gettext_noop("The template does not work: %(detail)s."), detail=error)
