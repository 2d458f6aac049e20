"""Finds the end of a JSON value in text that arrives in pieces."""

from __future__ import annotations

from enum import Enum

_CLOSER = {"{": "}", "[": "]"}


class Scan(Enum):
    OPEN = "open"
    """The value goes on."""
    WHOLE = "whole"
    """The last character fed ended the value."""
    BROKEN = "broken"
    """No JSON value goes on like this."""


class ValueScanner:
    """Follows the brackets and strings of one object or array, character by character.

    ``closers`` are the brackets that are still missing, innermost last.
    """

    def __init__(self) -> None:
        self.closers: list[str] = []
        self.in_string = False
        self._escaped = False

    def feed(self, character: str) -> Scan:
        """Take the next character; the first must open the value."""
        if self.in_string:
            self._string_feed(character)
        elif character == '"':
            self.in_string = True
        elif character in _CLOSER:
            self.closers.append(_CLOSER[character])
        elif character in "}]":
            if not self.closers or self.closers[-1] != character:
                return Scan.BROKEN
            self.closers.pop()
        elif character == "<":  # of a tag: it has no place in JSON outside a string
            return Scan.BROKEN
        return Scan.OPEN if self.closers else Scan.WHOLE

    def _string_feed(self, character: str) -> None:
        if self._escaped:
            self._escaped = False
        elif character == "\\":
            self._escaped = True
        elif character == '"':
            self.in_string = False
