"""What one rendering may use: steps, characters and processor time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from jinja2 import Undefined
from jinja2.utils import Namespace

from inference.errors import PromptError, gettext_noop

STEPS_MOST: Final = 100_000
"""Steps of one rendering: template nodes evaluated, elements and 64-character pieces handled."""
TEXT_MOST: Final = 64_000
"""Characters of any one value while rendering."""
OUTPUT_MOST: Final = 64_000
"""Characters of the result."""
SECONDS_MOST: Final = 0.4
"""Processor time of the rendering thread; a busy machine does not shorten it."""
OUTPUT_TOO_LONG: Final = gettext_noop("The template yields more than %(most)d characters.")
"""The sentence of the error for a result longer than ``OUTPUT_MOST``."""

Scalar = str | int | float | bool | None


class Meter:
    """Counts what a rendering uses and stops it."""

    def __init__(self) -> None:
        self._steps = STEPS_MOST
        self._output = OUTPUT_MOST
        self._until = time.thread_time() + SECONDS_MOST

    def charge(self, steps: int) -> None:
        """Use up steps; a negative number counts as one.

        Raises:
            PromptError: none are left, or the time is up.
        """
        self._steps -= max(1, steps)
        if self._steps < 0 or time.thread_time() > self._until:
            raise PromptError(gettext_noop("The template does too much work; loop less."))

    def output(self, characters: int) -> None:
        """Use up characters of the result."""
        self._output -= characters
        if self._output < 0:
            raise PromptError(OUTPUT_TOO_LONG, most=OUTPUT_MOST)

    def admit(self, value: object) -> None:
        """Charge for a value that an operation made, and refuse one that is too large."""
        self.charge(weight_of(value))


_METER: ContextVar[Meter] = ContextVar("prompt_meter")


@contextmanager
def metered() -> Iterator[Meter]:
    """Count everything inside against one new meter."""
    meter = Meter()
    token = _METER.set(meter)
    try:
        yield meter
    finally:
        _METER.reset(token)


def meter_current() -> Meter:
    """The meter of the rendering under way."""
    return _METER.get()


def weight_of(value: object, room: int = TEXT_MOST // 4) -> int:
    """How much a value holds when its nesting is unfolded: one for each element and one for each
    64 characters.

    A list that holds itself twice, forty times over, is small in memory and endless to compare or
    print, so shared elements count each time.

    Raises:
        PromptError: more than ``room``, or a text longer than ``TEXT_MOST``.
    """
    if isinstance(value, str):
        text_admit(len(value))
        return 1 + len(value) // 64
    if isinstance(value, Mapping):
        parts: Iterator[object] = (part for item in value.items() for part in item)
    elif isinstance(value, (list, tuple)):
        parts = iter(value)
    else:
        return 1
    weight = 1
    for part in parts:
        weight += weight_of(part, room - weight)
        if weight > room:
            raise PromptError(gettext_noop("The template makes a list that is too long."))
    return weight


def text_admit(length: int) -> None:
    """Refuse a text of that many characters before it is made."""
    if length > TEXT_MOST:
        raise PromptError(
            gettext_noop("The template makes a text of more than %(most)d characters."),
            most=TEXT_MOST,
        )


def plain(value: object, name: str) -> object:
    """A copy of a variable as plain data: texts, numbers, truth values, lists and mappings.

    Raises:
        PromptError: it holds anything else, whose methods a template could call.
    """
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(part, name) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [plain(part, name) for part in value]
    raise PromptError(gettext_noop("The variable %(name)s is no plain data."), name=name)


def is_template_value(value: object) -> bool:
    """Whether templates may handle a value at all."""
    return value is None or isinstance(
        value, (str, bool, int, float, list, tuple, dict, range, Namespace, Undefined)
    )
