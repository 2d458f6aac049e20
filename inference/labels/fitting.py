"""Fits a label set's classifier on its examples."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from inference.errors import LabelsError, gettext_noop
from inference.labels.cascade import ALWAYS, LeftOut, cascade_fit, cascade_logits
from inference.labels.classifier import Fit, LabelClassifier, LabelReport, Score, views_key
from inference.labels.combination import Combination, combination_fit, gain_of
from inference.labels.confidence import EXAMPLES_LEAST
from inference.labels.ridge import (
    Floats,
    Ints,
    Ridge,
    accuracy,
    log_loss,
    macro_f1,
    ridge_fit,
    softmax,
    spread,
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
ASKED_LEAST: Final = 400
ASKED_A_LABEL: Final = 12
"""The chat model is asked of so many examples, or so many a label, if that is more."""
CASCADE: Final = " (cascade)"
"""Ends the name of the views in use where the model is asked of the less sure messages only."""
# Part of a fit's name; raised when fits come out otherwise, so that stored ones are made anew.
_METHOD = "4"


@dataclass(frozen=True, slots=True)
class FitRows:
    """What is known of the examples.

    ``vectors`` (examples, dimensions) have length 1. ``logprobs`` (asked, candidates) are how the chat
    model might begin its answer for the examples whose numbers are ``asked``: asking it takes much
    longer than all the rest, so a part must do. Either may be missing.
    """

    examples: tuple[LabelExample, ...]
    vectors: Vectors | None = None
    logprobs: Vectors | None = None
    candidates: tuple[str, ...] = ()
    asked: Ints | None = None


def revision_of(label_set: LabelSet, *models: str) -> str:
    """A name for the examples, labels, prompt and models of a fit: a change gives another one, as does
    another way of fitting."""
    digest = hashlib.sha256()
    for part in (
        _METHOD, *models, label_set.system, label_set.user, *label_set.names, "", *label_set.candidates,
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
    if not is_learnable(Counter(example.label for example in examples).values()):
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


def is_learnable(counts: Iterable[int]) -> bool:
    """Whether labels with so many examples each are enough to learn from."""
    return sum(count >= EXAMPLES_LEAST for count in counts) >= 2


def classifier_fit(label_set: LabelSet, rows: FitRows, *, revision: str = "") -> LabelClassifier:
    """Fit on the rows; takes seconds for a thousand examples, a minute for five.

    Raises:
        LabelsError: see :func:`examples_check`, or an example has a label that the set has not.
    """
    examples_check(rows.examples)
    names = label_set.names
    labels = _numbers(names, rows.examples)
    asked = np.arange(len(labels)) if rows.asked is None else rows.asked
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
        ridges[MODEL] = ridge_fit(gram, labels[asked], len(names))
        model = ModelView(middle, scale, standard, ridges[MODEL].dual)
    return LabelClassifier(
        names=names,
        revision=revision,
        candidates=rows.candidates,
        examples=labels,
        words=WordsView(table, sparse, ridges[WORDS].dual),
        meaning=meaning,
        model=model,
        fit=_fit({v: ridge.scores for v, ridge in ridges.items()}, labels, asked, label_set),
    )


def _numbers(names: Sequence[str], examples: Sequence[LabelExample]) -> Ints:
    number = {name: i for i, name in enumerate(names)}
    unknown = sorted({example.label for example in examples} - number.keys())
    if unknown:
        raise LabelsError(gettext_noop("There is no label %(names)s."), names=", ".join(unknown))
    return np.array([number[example.label] for example in examples], dtype=np.int64)


def _fit(scores: dict[str, Floats], labels: Ints, asked: Ints, label_set: LabelSet) -> Fit:
    """A combination for every set of views that may be at hand; the words always are.

    Combinations with the model are fitted and judged on the examples that it was asked of.
    """
    names = label_set.names
    combined: dict[str, Combination] = {}
    achieved: dict[str, Score] = {}
    logits: dict[str, Floats] = {}
    for views in _combinations([view for view in scores if view != WORDS]):
        rows = asked if MODEL in views else np.arange(len(labels))
        parts = [scores[v] if v == MODEL else scores[v][rows] for v in views]
        fitted = combination_fit(parts, labels[rows])
        key = views_key(views)
        logits[key] = fitted.logits(parts)
        achieved[key] = score_of(logits[key], labels[rows], names)
        if WORDS in views:
            combined[key] = fitted
    without = views_key([view for view in scores if view != MODEL])
    used = logits[without]
    if MODEL not in scores:
        return Fit(combined, achieved, labels=reports_of(used, labels, label_set))
    key = views_key(list(scores))
    counts = np.bincount(labels, minlength=len(names))
    thresholds = np.array([label.threshold for label in label_set.labels])
    gain = gain_of(used[asked], logits[key], labels[asked], counts, thresholds)
    achieved[f"{without} (asked)"] = score_of(used[asked], labels[asked], names)
    if not gain.is_real:
        return Fit(combined, achieved, gain, reports_of(used, labels, label_set))
    left_out = LeftOut(used, logits[key], asked, labels)
    cascade = cascade_fit(left_out, thresholds)
    used = cascade_logits(cascade, left_out)
    if cascade.cut < ALWAYS.cut:
        achieved[f"{key}{CASCADE}"] = score_of(used, labels[asked], names)
    return Fit(combined, achieved, gain, reports_of(used, labels[asked], label_set), cascade)


def _combinations(others: Sequence[str]) -> list[list[str]]:
    """Every combination with the words, and each other view alone."""
    with_words = [
        [WORDS, *chosen]
        for count in range(len(others) + 1)
        for chosen in combinations(others, count)
    ]
    return [*with_words, *([view] for view in others)]


def asked_choose(examples: Sequence[LabelExample], names: Sequence[str]) -> Ints:
    """The numbers of the examples that the chat model is asked of, labels in proportion."""
    labels = _numbers(names, examples)
    return spread(labels, max(ASKED_LEAST, ASKED_A_LABEL * len(names)))


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
