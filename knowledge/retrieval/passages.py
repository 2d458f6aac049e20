"""What retrieval returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inference.support.passages import SupportPassage


@dataclass(frozen=True, slots=True)
class Passage:
    """A published entry that may answer the question.

    ``score`` is the fused rank score in [0, 1]; ``probability`` is the calibrated probability that
    this entry answers the question. ``id`` is what stands in the prompt and in citations.

    Of a piece of a document ``extract`` are the sentences nearest to the question, and
    ``probability`` is that they answer it; empty while the encoder is away.
    """

    id: str
    entry_id: int
    revision: int
    question: str
    answer: str
    language: str
    score: float
    probability: float
    keyword_score: float
    vector_score: float | None
    phrasings: tuple[str, ...] = ()
    keywords: str = ""
    is_document: bool = False
    extract: str = ""

    def as_support(self) -> SupportPassage:
        """The passage as the support check reads it."""
        return SupportPassage(
            id=self.id,
            question=self.question,
            answer=self.answer,
            probability=self.probability,
            about=" ".join((*self.phrasings, self.keywords)).strip(),
            extract=self.extract,
        )


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Passages, best first. ``method`` is ``keywords`` while the encoder is away.

    ``milliseconds``: all of it; ``encoder_milliseconds``: what of that was waiting for the
    question's vector. ``vector`` is the question's, of length 1; ``None`` without the encoder.
    """

    passages: tuple[Passage, ...]
    method: Literal["hybrid", "keywords"]
    milliseconds: float
    encoder_milliseconds: float = 0.0
    vector: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)

    @property
    def probability(self) -> float:
        """Calibrated probability that the first passage answers the question; 0 for none."""
        return self.passages[0].probability if self.passages else 0.0
