"""What a tool is, who it is called for, and what came of it; plain values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal

RESULT_DEPTH = 6
RESULT_ITEMS = 30
RESULT_TEXT = 600
RESULT_CHARACTERS = 8000
"""Bounds of a result: nesting, members of a list or object, characters of a text, and of all."""


@dataclass(frozen=True, slots=True)
class Actor:
    """The customer for whom a tool is called: the shop's own id, from a signed identity.

    It never comes from a message or from a model's arguments.
    """

    id: str
    name: str = ""


class CallOutcome(StrEnum):
    """What came of a call."""

    OK = "ok"
    MISSING = "missing"
    """There is no such thing, or it is not this customer's."""
    REFUSED = "refused"
    """The other system will not do it; the result says why."""
    FAILED = "failed"
    """Nothing was done: it could not be asked, or its answer cannot be used."""
    UNCERTAIN = "uncertain"
    """It was asked and did not answer: it may or may not have done it."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """The outcome of one call.

    ``result`` is bounded plain data (``results.result_bound``); ``problem`` is a sentence for
    staff; ``status`` the HTTP status, 0 where there is none; ``milliseconds`` how long it took.
    """

    outcome: CallOutcome
    result: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    status: int = 0
    milliseconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ToolWords:
    """What customers read of a tool in one language; templates but for ``status`` and ``login``."""

    status: str = ""
    reply: str = ""
    reply_missing: str = ""
    reply_refused: str = ""
    confirm: str = ""
    login: str = ""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the desk runs it; the fields are those of ``knowledge.models.Tool``.

    ``headers`` are pairs of name and template; ``check`` is the key of the reading tool that is
    asked before a change is offered, ``check_flag`` the name in its result that must be true.
    """

    id: int
    key: str
    title: str
    description: str = ""
    kind: Literal["http", "python"] = "http"
    changes: bool = False
    needs_identity: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)
    method: str = "GET"
    url: str = ""
    headers: Sequence[tuple[str, str]] = ()
    allowed_hosts: Sequence[str] = ()
    private_hosts: Sequence[str] = ()
    function: str = ""
    timeout_seconds: float = 5.0
    response_bytes: int = 65536
    mapping: Mapping[str, str] = field(default_factory=dict)
    is_repeatable: bool = False
    confirm_seconds: int = 600
    check: str = ""
    check_flag: str = ""
    model_may_call: bool = False
    model_words: bool = False
    words: Mapping[str, ToolWords] = field(default_factory=dict)

    @property
    def revision(self) -> str:
        """A hash of everything that decides what a call does; words do not."""
        decisive = asdict(self)
        for name in ("words", "title", "description", "model_may_call", "model_words"):
            decisive.pop(name)
        return digest_of(decisive)

    def words_in(self, language: str) -> ToolWords:
        """The words for a language; another language's rather than none."""
        own = self.words.get(language)
        return own or next(iter(self.words.values()), ToolWords())


def digest_of(value: object) -> str:
    """A short hash of plain data, the same whatever the order of keys."""
    text = json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
