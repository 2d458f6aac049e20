"""A label set's fitted classifier: views, their weights, and what it was fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.labels.combination import Gain
from inference.labels.confidence import EXAMPLES_LEAST, probabilities_bounded
from inference.labels.ridge import Floats, softmax
from inference.labels.values import Labelling, LabelSet, NearExample, labelling_make
from inference.labels.views import (
    MEANING,
    MODEL,
    WORDS,
    MeaningView,
    ModelView,
    Vectors,
    WordsView,
)

_NEAR_MOST: Final = 3


@dataclass(frozen=True, slots=True)
class Score:
    """How good a combination of views is on examples that were left out, one at a time."""

    accuracy: float
    macro_f1: float
    log_loss: float


@dataclass(frozen=True, slots=True)
class LabelReport:
    """One label on examples that were left out; rates are 0 to 1, 0 where nothing was counted.

    ``precision`` and ``recall`` count the likeliest labels that reached the threshold; ``unsure`` is
    the share of the label's examples for which none did.
    """

    name: str
    examples: int
    precision: float
    recall: float
    unsure: float


@dataclass(frozen=True, slots=True)
class Fit:
    """Weights of the views that a classifier may have at hand, and what they achieve.

    ``weights`` maps the names of the views that are there, joined by "+", to one weight each: a
    message must get its label also while the encoder or the chat model is away.
    """

    weights: dict[str, tuple[float, ...]]
    scores: dict[str, Score]
    gain: Gain | None = None
    labels: tuple[LabelReport, ...] = ()

    @property
    def model_adds(self) -> bool:
        """Whether the chat model makes the labels better than words and meaning do."""
        return self.gain is not None and self.gain.is_real


def views_key(views: list[str]) -> str:
    """The name of a combination of views."""
    return "+".join(views)


@dataclass(frozen=True, slots=True)
class LabelClassifier:
    """Everything that is needed to label a text by examples; see :mod:`inference.labels`.

    ``candidates`` are the words that the chat model is asked for, ``examples`` (rows,) numbers of labels, in the order of ``names``. ``revision`` names the
    examples, the prompt and the models that it was fitted on; what has changed since needs another.
    """

    names: tuple[str, ...]
    revision: str
    candidates: tuple[str, ...]
    examples: NDArray[np.int64]
    words: WordsView
    meaning: MeaningView | None
    model: ModelView | None
    fit: Fit

    @property
    def wants_model(self) -> bool:
        """Whether asking the chat model is worth its time."""
        return self.model is not None and self.fit.model_adds

    def logits(
        self, text: str, vector: Vectors | None, logprobs: Vectors | None
    ) -> tuple[Floats, list[str]]:
        """Calibrated logits of the labels, and the views that took part."""
        scores: dict[str, Floats] = {WORDS: self.words.scores(text)}
        if self.meaning is not None and vector is not None:
            scores[MEANING] = self.meaning.scores(vector)
        if self.model is not None and logprobs is not None:
            scores[MODEL] = self.model.scores(logprobs)
        views = list(scores)
        weights = self.fit.weights[views_key(views)]
        total = np.sum([w * scores[view] for w, view in zip(weights, views, strict=True)], axis=0)
        return total, views

    def label(
        self,
        label_set: LabelSet,
        text: str,
        vector: Vectors | None = None,
        logprobs: Vectors | None = None,
    ) -> Labelling:
        """Label one text; the same text gets the same label alone and among others.

        ``vector`` is its sentence vector, ``logprobs`` one value for each candidate of the set;
        without them the other views decide.
        """
        logits, views = self.logits(text, vector, logprobs)
        best = int(np.argmax(logits))
        examples = int((self.examples == best).sum())
        bounded = probabilities_bounded(softmax(logits), examples)
        probabilities = dict(zip(self.names, bounded, strict=True))
        row = [float(probabilities.get(name, 0.0)) for name in label_set.names]
        near = self._near(label_set, text, vector, best)
        is_weak = examples < EXAMPLES_LEAST
        return labelling_make(label_set, row, views, near, is_weak=is_weak)

    def _near(
        self, label_set: LabelSet, text: str, vector: Vectors | None, label: int
    ) -> list[NearExample]:
        """The examples that spoke most for a label."""
        spoke = np.zeros(len(self.examples))
        if self.meaning is not None and vector is not None:
            spoke += self.meaning.kernel(vector) * self.meaning.dual[:, label]
        else:
            spoke += self.words.kernel(text) * self.words.dual[:, label]
        if len(label_set.examples) != len(self.examples):
            return []
        order = [int(i) for i in np.argsort(-spoke)[:_NEAR_MOST] if spoke[i] > 0]
        return [
            NearExample(label_set.examples[i].text, label_set.examples[i].label, float(spoke[i]))
            for i in order
        ]
