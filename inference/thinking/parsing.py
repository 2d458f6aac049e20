"""Separates the reasoning of a model that thinks aloud from its answer while it arrives."""

from __future__ import annotations

from dataclasses import dataclass

THINK_START, THINK_END = "<think>", "</think>"


@dataclass(frozen=True, slots=True)
class Thought:
    """New text of an answer, and of the reasoning before it."""

    reasoning: str = ""
    text: str = ""


class ThoughtParser:
    """Takes an answer in pieces; it may begin with ``<think>``, reasoning and ``</think>``.

    Only a tag at the very beginning counts (blanks may stand before it), so a text that mentions
    it comes through. The blanks around the reasoning and before the answer belong to neither.
    """

    def __init__(self, *, thinking: bool = False) -> None:
        """``thinking`` means that the tag that opens the reasoning has been written already."""
        self._state = "thinking" if thinking else "start"
        self._held = ""
        self._begun = False  # whether any of the reasoning, or of the answer after it, was given

    def feed(self, piece: str) -> Thought:
        """Take the next piece; return what is certain."""
        self._held += piece
        reasoning = text = ""
        if self._state == "start":
            self._start_take()
        if self._state == "thinking":
            reasoning = self._reasoning_take()
        if self._state == "behind":
            self._held = self._held.lstrip()
            self._state = "text" if self._held else "behind"
        if self._state == "text":
            text, self._held = self._held, ""
        return Thought(reasoning, text)

    def finish(self) -> Thought:
        """The answer has ended: return what was held back."""
        held, self._held = self._held, ""
        if self._state == "start":
            return Thought(text=held)
        return Thought(reasoning=held.rstrip()) if self._state == "thinking" else Thought()

    def _start_take(self) -> None:
        rest = self._held.lstrip()
        if rest.startswith(THINK_START):
            self._state, self._held = "thinking", rest[len(THINK_START) :]
        elif not THINK_START.startswith(rest):
            self._state = "text"

    def _reasoning_take(self) -> str:
        if not self._begun:
            self._held = self._held.lstrip()
        reasoning, end, rest = self._held.partition(THINK_END)
        if end:
            self._state, self._held = "behind", rest
            return reasoning.rstrip()
        given = self._held.rstrip()
        for length in range(min(len(THINK_END) - 1, len(given)), 0, -1):
            if THINK_END.startswith(given[-length:]):
                given = given[:-length].rstrip()
                break
        self._held = self._held[len(given) :]
        self._begun = self._begun or bool(given)
        return given
