"""Fits a label set's classifier on its examples."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from inference.errors import LabelsError, gettext_noop
from inference.labels.classifier import Fit, LabelClassifier, LabelReport, Score, views_key
from inference.labels.combination import Gain, gain_of, weights_fit
from inference.labels.ridge import (
    Floats,
    Ints,
    Ridge,
    accuracy,
    log_loss,
    macro_f1,
    ridge_fit,
    softmax,
)
from inference.labels.values import LabelExample, LabelSet
from inference.labels.views import (
    MEANING,
    MODEL,
    WORDS,
    MeaningView,
    ModelView,
    Vectors,
    WordsView,
    meaning_gram,
    model_gram,
    words_gram,
)

EXAMPLES_MOST: Final = 6000
"""Examples of one set: the fit takes memory with the square and time with the cube of them."""
EXAMPLES_LEAST: Final = 2
"""Examples of each of at least two labels, so that each can be judged by another."""


@dataclass(frozen=True, slots=True)
class FitRows:
    """What is known of the examples: ``vectors`` (rows, dimensions) of length 1, and ``logprobs``
    (rows, candidates) of how the model might begin its answer; either may be missing."""

    examples: tuple[LabelExample, ...]
    vectors: Vectors | None = None
    logprobs: Vectors | None = None
    candidates: tuple[str, ...] = ()


def revision_of(label_set: LabelSet, *models: str) -> str:
    """A name for the examples, labels, prompt and models of a fit: a change gives another one."""
    digest = hashlib.sha256()
    for part in (
        *models, label_set.system, label_set.user, *label_set.names, "", *label_set.candidates,
        *(field for example in label_set.examples for field in (example.label, example.text)),
    ):  # fmt: skip
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.hexdigest()


def examples_check(examples: Sequence[LabelExample]) -> None:
    """Refuse examples that nothing can be learnt from.

    Raises:
        LabelsError: there are too few or too many.
    """
    counts: dict[str, int] = {}
    for example in examples:
        counts[example.label] = counts.get(example.label, 0) + 1
    if sum(count >= EXAMPLES_LEAST for count in counts.values()) < 2:
        raise LabelsError(
            gettext_noop("Learning needs %(least)d examples of each of two labels."),
            least=EXAMPLES_LEAST,
        )
    if len(examples) > EXAMPLES_MOST:
        raise LabelsError(
            gettext_noop("There are %(count)d examples; at most %(most)d can be learnt from."),
            count=len(examples),
            most=EXAMPLES_MOST,
        )


def classifier_fit(label_set: LabelSet, rows: FitRows, *, revision: str = "") -> LabelClassifier:
    """Fit on the rows; takes seconds for a thousand examples, a minute for five.

    Raises:
        LabelsError: see :func:`examples_check`, or an example has a label that the set has not.
    """
    examples_check(rows.examples)
    names = label_set.names
    labels = _numbers(names, rows.examples)
    table, sparse, gram = words_gram([example.text for example in rows.examples])
    ridges: dict[str, Ridge] = {WORDS: ridge_fit(gram, labels, len(names))}
    meaning: MeaningView | None = None
    model: ModelView | None = None
    if rows.vectors is not None:
        centre, about, gram = meaning_gram(rows.vectors)
        ridges[MEANING] = ridge_fit(gram, labels, len(names))
        meaning = MeaningView(centre, about, ridges[MEANING].dual)
    if rows.logprobs is not None and rows.logprobs.shape[1]:
        middle, scale, standard, gram = model_gram(rows.logprobs)
        ridges[MODEL] = ridge_fit(gram, labels, len(names))
        model = ModelView(middle, scale, standard, ridges[MODEL].dual)
    return LabelClassifier(
        names=names,
        revision=revision,
        candidates=rows.candidates,
        examples=labels,
        words=WordsView(table, sparse, ridges[WORDS].dual),
        meaning=meaning,
        model=model,
        fit=_fit({view: ridge.scores for view, ridge in ridges.items()}, labels, label_set),
    )


def _numbers(names: Sequence[str], examples: Sequence[LabelExample]) -> Ints:
    number = {name: i for i, name in enumerate(names)}
    unknown = sorted({example.label for example in examples} - number.keys())
    if unknown:
        raise LabelsError(gettext_noop("There is no label %(names)s."), names=", ".join(unknown))
    return np.array([number[example.label] for example in examples], dtype=np.int64)


def _fit(scores: dict[str, Floats], labels: Ints, label_set: LabelSet) -> Fit:
    """Weights for every combination of views that may be at hand; the words always are."""
    names = label_set.names
    weights: dict[str, tuple[float, ...]] = {}
    achieved: dict[str, Score] = {}
    logits: dict[str, Floats] = {}
    others = [view for view in scores if view != WORDS]
    for count in range(len(others) + 1):
        for chosen in combinations(others, count):
            views = [WORDS, *chosen]
            parts = [scores[view] for view in views]
            fitted = weights_fit(parts, labels)
            key = views_key(views)
            weights[key] = tuple(map(float, fitted))
            logits[key] = np.tensordot(fitted, np.stack(parts), 1)
            achieved[key] = score_of(logits[key], labels, names)
    for view in others:
        fitted = weights_fit([scores[view]], labels)
        achieved[view] = score_of(fitted[0] * scores[view], labels, names)
    gain: Gain | None = None
    if MODEL in scores:
        rest = views_key([view for view in scores if view != MODEL])
        gain = gain_of(logits[rest], logits[views_key(list(scores))], labels)
    used = views_key([v for v in scores if v != MODEL or (gain is not None and gain.is_real)])
    return Fit(weights, achieved, gain, reports_of(logits[used], labels, label_set))


def reports_of(logits: Floats, labels: Ints, label_set: LabelSet) -> tuple[LabelReport, ...]:
    """How each label does with its threshold, on rows that the logits were not fitted on."""
    probabilities = softmax(logits)
    best = probabilities.argmax(axis=1)
    thresholds = np.array([label.threshold for label in label_set.labels])
    sure = probabilities.max(axis=1) >= thresholds[best]
    reports = []
    for number, name in enumerate(label_set.names):
        own, said = labels == number, (best == number) & sure
        hits = float((own & said).sum())
        reports.append(
            LabelReport(
                name=name,
                examples=int(own.sum()),
                precision=hits / max(float(said.sum()), 1.0),
                recall=hits / max(float(own.sum()), 1.0),
                unsure=float((own & ~sure).sum()) / max(float(own.sum()), 1.0),
            )
        )
    return tuple(reports)


def score_of(logits: Floats, labels: Ints, names: Sequence[str]) -> Score:
    """Accuracy, macro-F1 and log-loss of logits on rows that they were not fitted on."""
    return Score(
        accuracy=accuracy(logits, labels),
        macro_f1=macro_f1([names[i] for i in logits.argmax(axis=1)], [names[i] for i in labels]),
        log_loss=log_loss(logits, labels),
    )
