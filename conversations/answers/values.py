"""An answer that is given again, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from conversations.answers.basis import AnswerBasis


@dataclass(frozen=True, slots=True)
class PassageKept:
    """A passage that the kept answer was made from."""

    entry_id: int
    revision: int
    score: float
    cited: bool
    text: str


@dataclass(frozen=True, slots=True)
class AnswerKept:
    """An answer that may be given again, with what it was made from.

    ``similarity`` is the cosine of the two questions, 1 for the same words.
    """

    cached_id: int
    message_id: int
    conversation_id: UUID
    seq: int
    question: str
    text: str
    citations: Sequence[dict[str, str]]
    similarity: float
    passages: Sequence[PassageKept]
    model: str
    model_hash: str
    prompt_version_id: int | None


@dataclass(frozen=True, slots=True)
class AnswerToKeep:
    """What is kept of an answer besides its text; ``vector`` as ``vector_bytes`` makes it."""

    basis: AnswerBasis
    question: str
    passages: str
    vector: bytes | None
