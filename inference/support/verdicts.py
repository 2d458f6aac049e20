"""What the support check says of a clause or an answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ProblemCode(StrEnum):
    """Why text may not be shown."""

    TEMPLATE = "template"
    LEAK = "leak"
    LOOP = "loop"
    LANGUAGE = "language"
    EMPTY = "empty"
    ECHO = "echo"
    OFF_TOPIC = "off_topic"
    NO_ANSWER = "no_answer"
    IDENTIFIER = "identifier"
    NUMBER = "number"
    SUBJECT = "subject"
    NAME = "name"
    STEP = "step"
    WORDS = "words"
    NEGATION = "negation"


class ClauseKind(StrEnum):
    """What a clause does."""

    FACT = "fact"
    COURTESY = "courtesy"
    REQUEST = "request"
    OFFER = "offer"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason, with the piece of text that it is about."""

    code: ProblemCode
    detail: str

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``supported``: may be shown. ``citations``: ids of the passages that support it.

    ``kind`` is what the text does; an answer that only says "I cannot confirm" is a supported
    ``REFUSAL``, so a caller can tell it from an answer.
    """

    supported: bool
    problems: tuple[Problem, ...] = ()
    citations: tuple[str, ...] = ()
    kind: ClauseKind = ClauseKind.FACT

    @property
    def refusal(self) -> bool:
        """An honest "I cannot confirm" without any claim."""
        return self.kind is ClauseKind.REFUSAL
