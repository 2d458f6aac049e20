"""A label set's fitted classifier: views, their weights, and what it was fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.labels.cascade import ALWAYS, Cascade, confidence_of
from inference.labels.combination import Combination, Gain
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
    """How the views that a classifier may have at hand are combined, and what that achieves.

    ``combinations`` has a key for the names of the views that are there, joined by "+": a
    message must get its label also while the encoder or the chat model is away. ``cascade`` says of
    which messages the model is asked, if it is asked at all.
    """

    combinations: dict[str, Combination]
    scores: dict[str, Score]
    gain: Gain | None = None
    labels: tuple[LabelReport, ...] = ()
    cascade: Cascade = ALWAYS

    @property
    def model_adds(self) -> bool:
        """Whether the chat model makes the labels better than words and meaning do."""
        return self.gain is not None and self.gain.is_real


def views_key(views: list[str]) -> str:
    """The name of a combination of views."""
    return "+".join(views)


@dataclass(frozen=True, slots=True)
class Look:
    """What the views without the chat model say of a text.

    ``logits`` are of the labels; ``is_enough``: the model need not be asked.
    """

    text: str
    vector: Vectors | None
    scores: dict[str, Floats]
    logits: Floats
    is_enough: bool


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

    def look(self, text: str, vector: Vectors | None = None) -> Look:
        """What words and meaning say; decides whether the model is asked.

        It depends on the text alone, so the same text takes the same way alone and among others.
        ``vector`` is the text's sentence vector; while the encoder is away the model is asked of
        every text, because how sure the words may be alone was not learnt.
        """
        scores: dict[str, Floats] = {WORDS: self.words.scores(text)}
        if self.meaning is not None and vector is not None:
            scores[MEANING] = self.meaning.scores(vector)
        logits = self._combined(scores)
        is_whole = (MEANING in scores) == (self.meaning is not None)
        is_sure = is_whole and float(confidence_of(logits)) >= self.fit.cascade.cut
        return Look(text, vector, scores, logits, not self.wants_model or is_sure)

    def _combined(self, scores: dict[str, Floats]) -> Floats:
        return self.fit.combinations[views_key(list(scores))].logits(list(scores.values()))

    def _logits(self, look: Look, logprobs: Vectors | None) -> tuple[Floats, list[str]]:
        """Calibrated logits of the labels, and the views that took part."""
        cascade = self.fit.cascade
        scores = look.scores
        scale = 1.0
        is_whole = (MEANING in scores) == (self.meaning is not None)
        if self.model is not None and logprobs is not None and not look.is_enough:
            scores = {**scores, MODEL: self.model.scores(logprobs)}
            scale = cascade.told
        elif self.wants_model:
            scale = cascade.sure if look.is_enough else cascade.untold
        logits = self._combined(scores) if scores is not look.scores else look.logits
        return logits * (scale if is_whole else 1.0), list(scores)

    def label(
        self,
        label_set: LabelSet,
        text: str,
        vector: Vectors | None = None,
        logprobs: Vectors | None = None,
    ) -> Labelling:
        """Label one text; the same text gets the same label alone and among others.

        ``vector`` is its sentence vector, ``logprobs`` one value for each candidate of the set;
        without them the other views decide. Log-probabilities that need not have been asked for
        change nothing.
        """
        return self.look_label(label_set, self.look(text, vector), logprobs)

    def look_label(
        self, label_set: LabelSet, look: Look, logprobs: Vectors | None = None
    ) -> Labelling:
        """See :meth:`label`; takes what :meth:`look` has seen."""
        logits, views = self._logits(look, logprobs)
        best = int(np.argmax(logits))
        examples = int((self.examples == best).sum())
        bounded = probabilities_bounded(softmax(logits), examples)
        probabilities = dict(zip(self.names, bounded, strict=True))
        row = [float(probabilities.get(name, 0.0)) for name in label_set.names]
        near = self._near(label_set, look, best)
        is_weak = examples < EXAMPLES_LEAST
        return labelling_make(label_set, row, views, near, is_weak=is_weak)

    def _near(self, label_set: LabelSet, look: Look, label: int) -> list[NearExample]:
        """The examples that spoke most for a label."""
        spoke = np.zeros(len(self.examples))
        if self.meaning is not None and look.vector is not None:
            spoke += self.meaning.kernel(look.vector) * self.meaning.dual[:, label]
        else:
            spoke += self.words.kernel(look.text) * self.words.dual[:, label]
        if len(label_set.examples) != len(self.examples):
            return []
        order = [int(i) for i in np.argsort(-spoke)[:_NEAR_MOST] if spoke[i] > 0]
        return [
            NearExample(label_set.examples[i].text, label_set.examples[i].label, float(spoke[i]))
            for i in order
        ]
