"""Separates the calls of tools from the text of an answer while it arrives.

Qwen's models write ``<tool_call>{"name": ..., "arguments": {...}}</tool_call>``. Those trained on
code leave the tags out more often than not, so an answer that begins with such an object for a
tool that exists, bare, in a list, in a code fence or between ``<tools>`` tags, is a call as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from inference.toolcalls.scanning import Scan, ValueScanner

CALL_START, CALL_END = "<tool_call>", "</tool_call>"
_TOOLS_START, _TOOLS_END = "<tools>", "</tools>"
_STARTS = (CALL_START, _TOOLS_START)
_ENDS = (CALL_END, _TOOLS_END, "```")
_FENCE_PATTERN = re.compile(r"```[a-z_]*\s+|```(?=[{\[])")
_FENCE_BEGUN_PATTERN = re.compile(r"`{1,2}\Z|```[a-z_]*\Z")
# What may follow a call: brackets too many, the end of a fence, the closing tag.
_AFTER_PATTERN = re.compile(rf"[\s}}\]]*(?:```)?\s*(?:{CALL_END}|{_TOOLS_END})?")
_BLANK_PATTERN = re.compile(r"\s+")
# So much of a text's beginning is looked at to see whether it is a call.
_HEAD_CHARACTERS = 256
# A shorter end of a text that looks like the beginning of a tag may be anything.
_HALF_TAG = 3


@dataclass(frozen=True, slots=True)
class FoundCall:
    """What looks like a call: its JSON (an object or a list of them), perhaps malformed.

    ``whole`` is False when the answer was cut off in the middle of it.
    """

    text: str
    whole: bool = True


Part = str | FoundCall


class _Mode(Enum):
    TEXT = "text"
    VALUE = "value"
    """Inside the JSON of a call."""
    BROKEN = "broken"
    """Inside a call whose JSON is malformed; its end is the closing tag."""
    AFTER = "after"
    """Behind a call, where its closing tag may come."""


class _Verdict(Enum):
    CALL = "call"
    TEXT = "text"
    UNDECIDED = "undecided"


class CallParser:
    """Takes an answer in pieces and gives back text and calls, in order.

    No part of a tag that turns out to begin a call is ever given back as text; a text that only
    mentions a tag is given back as it is.
    """

    def __init__(self, tool_names: Sequence[str]) -> None:
        """``tool_names`` are the tools that exist; only their names make a bare object a call."""
        heads = [f'{{"name":"{name}"' for name in tool_names]
        self._heads = (*heads, *(f"[{head}" for head in heads))
        self._mode = _Mode.TEXT
        self._buffer = ""
        self._source = ""  # what was written from the tag on, should it turn out to be text
        self._value: list[str] = []
        self._scanner = ValueScanner()
        self._fresh = True  # nothing but blanks since the beginning, or since the last call
        self._called = False

    def feed(self, text: str) -> list[Part]:
        """Take the next piece; return what is certain."""
        self._buffer += text
        return list(self._parts())

    def finish(self, *, cut: bool) -> list[Part]:
        """The answer has ended; ``cut`` means in the middle, by a limit. Return what is left."""
        parts: list[Part] = []
        held, self._buffer = self._buffer, ""
        if self._mode is _Mode.TEXT:
            parts = self._text_finish(held, cut=cut)
        elif self._mode is not _Mode.AFTER:
            value = "".join(self._value) + held
            parts = [FoundCall(value.partition(CALL_END)[0], whole=not cut)]
        self._mode = _Mode.TEXT
        return parts

    def _text_finish(self, held: str, *, cut: bool) -> list[Part]:
        if cut and self._fresh and self._verdict(held)[0] is _Verdict.UNDECIDED and held.strip():
            return [FoundCall(held, whole=False)]
        half = _begun_length(held, _STARTS)
        if half >= _HALF_TAG:
            held = held[: len(held) - half]
        elif cut and held.rstrip().endswith(CALL_START):
            held = held.rstrip().removesuffix(CALL_START)
        if self._called and self._fresh:
            held = held.lstrip()
        return [held] if held else []

    def _parts(self) -> Iterator[Part]:
        step = {
            _Mode.TEXT: self._text_take,
            _Mode.VALUE: self._value_take,
            _Mode.BROKEN: self._broken_take,
            _Mode.AFTER: self._after_take,
        }
        while self._buffer:
            before = (self._mode, self._fresh, self._buffer)
            yield from step[self._mode]()
            if (self._mode, self._fresh, self._buffer) == before:
                return

    def _text_take(self) -> Iterator[Part]:
        if not self._fresh:
            yield from filter(None, [self._buffer_take(self._tag_position())])
        verdict, start = self._verdict(self._buffer)
        if not self._buffer or verdict is _Verdict.UNDECIDED:
            return
        if verdict is _Verdict.CALL:
            self._source = self._buffer_take(start)
            self._value, self._scanner = [], ValueScanner()
            self._mode = _Mode.VALUE
            return
        # A tag that opens no call is text, and so is everything before the next one.
        if self._called and self._fresh:
            self._buffer = self._buffer.lstrip()
        self._fresh = False
        skipped = next((len(tag) for tag in _STARTS if self._buffer.startswith(tag)), 0)
        yield from filter(None, [self._buffer_take(skipped)])

    def _tag_position(self) -> int:
        """Where the next tag is, or may be once more has come."""
        found = [at for tag in _STARTS if (at := self._buffer.find(tag)) >= 0]
        return min(found, default=len(self._buffer) - _begun_length(self._buffer, _STARTS))

    def _verdict(self, text: str) -> tuple[_Verdict, int]:
        """Whether ``text`` begins a call, and where its JSON starts."""
        rest = text.lstrip()
        tag = next((tag for tag in _STARTS if rest.startswith(tag)), "")
        if not tag and any(start.startswith(rest) for start in _STARTS):
            return _Verdict.UNDECIDED, 0
        rest = rest[len(tag) :].lstrip()
        if tag or self._fresh:
            fence = _FENCE_PATTERN.match(rest)
            if fence is None and _FENCE_BEGUN_PATTERN.match(rest):
                return _Verdict.UNDECIDED, 0
            rest = rest[fence.end() :] if fence is not None else rest
        if not rest:
            return _Verdict.UNDECIDED, 0
        start = len(text) - len(rest)
        if rest[0] not in "{[" or not (tag or self._fresh):
            return _Verdict.TEXT, start
        return (_Verdict.CALL if tag == CALL_START else self._head_verdict(rest)), start

    def _head_verdict(self, text: str) -> _Verdict:
        """Whether a value without Qwen's tag begins as a call of a tool that exists."""
        head = _BLANK_PATTERN.sub("", text[:_HEAD_CHARACTERS]).replace("'", '"')
        if any(head.startswith(known) for known in self._heads):
            return _Verdict.CALL
        if any(known.startswith(head) for known in self._heads):
            return _Verdict.UNDECIDED
        return _Verdict.TEXT

    def _value_take(self) -> Iterator[Part]:
        for position, character in enumerate(self._buffer):
            state = self._scanner.feed(character)
            if state is Scan.OPEN:
                self._value.append(character)
                continue
            if state is Scan.BROKEN:
                self._buffer_take(position)
                self._mode = _Mode.BROKEN
            else:
                self._value.append(character)
                self._buffer_take(position + 1)
                yield from self._call_end()
            return
        self._buffer = ""

    def _broken_take(self) -> Iterator[Part]:
        end = self._buffer.find(CALL_END)
        keep = _begun_length(self._buffer, (CALL_END,))
        self._value.append(self._buffer_take(end if end >= 0 else len(self._buffer) - keep))
        if end >= 0:
            yield from self._call_end()

    def _call_end(self) -> Iterator[Part]:
        value = "".join(self._value)
        self._value = []
        if "name" in value:
            self._mode, self._called, self._fresh = _Mode.AFTER, True, True
            yield FoundCall(value)
        else:  # an example of the format, such as <tool_call>{...}</tool_call>
            self._mode, self._fresh = _Mode.TEXT, False
            yield self._source + value

    def _after_take(self) -> Iterator[Part]:
        found = _AFTER_PATTERN.match(self._buffer)
        rest = self._buffer[found.end() :] if found is not None else self._buffer
        if not rest and not self._buffer.endswith((CALL_END, _TOOLS_END)):
            return
        if rest and any(end.startswith(rest) for end in _ENDS):
            return
        self._buffer = rest
        self._mode = _Mode.TEXT
        yield from ()

    def _buffer_take(self, length: int) -> str:
        taken, self._buffer = self._buffer[:length], self._buffer[length:]
        return taken


def _begun_length(text: str, tags: Sequence[str]) -> int:
    """Length of the longest end of ``text`` that begins one of ``tags`` without being whole."""
    longest = max(map(len, tags)) - 1
    for length in range(min(longest, len(text)), 0, -1):
        if any(len(tag) > length and tag.startswith(text[-length:]) for tag in tags):
            return length
    return 0
