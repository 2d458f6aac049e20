"""What a label set says of sentences, and how good its labels are, for people."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inference.labels.cascade import ALWAYS
from inference.labels.classifier import Fit, LabelClassifier
from inference.labels.confidence import EXAMPLES_LEAST, probability_most
from inference.labels.fitting import CASCADE
from inference.labels.values import Labelling
from knowledge.label_sets import SiteLabelSet
from knowledge.label_tasks import labeller_open
from knowledge.label_words import label_words

_TRY_SECONDS = 20.0
VIEW_NAMES = {
    "words": gettext_lazy("words"),
    "meaning": gettext_lazy("meaning"),
    "model": gettext_lazy("model"),
}


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One sentence and what the set says of it; percentages are whole numbers.

    ``near`` are the examples that spoke for it, with their labels.
    """

    text: str
    label: str
    is_sure: bool
    why: str
    bars: list[tuple[str, int]]
    near: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """How good one combination of views is."""

    views: str
    accuracy: int
    macro_f1: int
    is_used: bool


def trial_make(known: SiteLabelSet, texts: list[str]) -> list[TrialRow]:
    """Label some texts with the engines of the settings.

    Raises:
        InferenceError: the set cannot label them, with a sentence.
    """

    async def ask() -> list[Labelling]:
        async with labeller_open() as labeller:
            return await labeller.label(
                known.value, texts, classifier=known.classifier, timeout=_TRY_SECONDS
            )

    return [
        TrialRow(
            text=text,
            label=label_words(known.key, labelling.best),
            is_sure=labelling.label is not None,
            why=labelling_words(known.key, labelling),
            bars=[
                (label_words(known.key, name), round(100 * p))
                for name, p in labelling.probabilities[:5]
            ],
            near=[(near.text, label_words(known.key, near.label)) for near in labelling.near],
        )
        for text, labelling in zip(texts, asyncio.run(ask()), strict=True)
    ]


def labelling_words(key: str, labelling: Labelling) -> str:
    """Who said so, and why it is unsure."""
    views = ", ".join(str(VIEW_NAMES[view]) for view in labelling.views)
    told = _("By %(views)s.") % {"views": views}
    if labelling.is_weak:
        weak = _("Unsure: “%(label)s” has fewer than %(least)d examples.") % {
            "label": label_words(key, labelling.best),
            "least": EXAMPLES_LEAST,
        }
        return f"{weak} {told}"
    if labelling.label is None:
        unsure = _(
            "Unsure: “%(label)s” is the likeliest with %(percent)d %%, and needs %(least)d %%."
        ) % {
            "label": label_words(key, labelling.best),
            "percent": round(100 * labelling.probability),
            "least": round(100 * labelling.threshold),
        }
        return f"{unsure} {told}"
    return told


def measure_rows(classifier: LabelClassifier | None) -> list[MeasureRow]:
    """The scores of every combination of views, the one in use marked."""
    if classifier is None:
        return []
    used = "words+meaning" if classifier.meaning else "words"
    if classifier.wants_model:
        used += "+model" + (CASCADE if classifier.fit.cascade.cut < ALWAYS.cut else "")
    return [
        MeasureRow(
            views=views_words(key),
            accuracy=round(100 * score.accuracy),
            macro_f1=round(100 * score.macro_f1),
            is_used=key == used,
        )
        for key, score in classifier.fit.scores.items()
    ]


def views_words(key: str) -> str:
    """The name of a combination of views in words."""
    name, _blank, kind = key.partition(" ")
    words = " + ".join(str(VIEW_NAMES[view]) for view in name.split("+"))
    told = {
        "": "%(views)s",
        "(asked)": _("%(views)s, on the examples the model was asked of"),
        CASCADE.strip(): _("%(views)s, the model only where the others are not sure"),
    }
    return told[kind] % {"views": words}


def cascade_words(classifier: LabelClassifier | None) -> str:
    """When the model is asked, and why, in a sentence or two; "" for a set that learnt nothing."""
    if classifier is None:
        return ""
    fit, cascade = classifier.fit, classifier.fit.cascade
    if fit.gain is None:
        return _("The model was not asked, because it was away or the set has no words for it.")
    if not fit.model_adds:
        return _("That the model decides better could not be told from chance, so it is not asked.")
    if cascade.cut >= ALWAYS.cut:
        return _(
            "The model makes the labels better, so it is asked of every message: how sure words and "
            "meaning must be to do without it cannot be told from these examples."
        )
    return _(
        "The model makes the labels better, so it is asked where words and meaning are less than "
        "%(cut)d %% sure: of %(asked)d %% of the examples. Because it is not asked of the others, fewer than "
        "%(most).1f messages in a hundred get a worse label."
    ) % {
        "cut": round(100 * cascade.cut),
        "asked": round(100 * cascade.asked),
        "most": 100 * cascade.spoilt_most,
    }


def weak_labels(known: SiteLabelSet) -> list[tuple[str, int, int]]:
    """Labels with so few examples that they are never told for sure: name, how many, and the
    highest probability in per cent that they may get."""
    counts = Counter(example.label for example in known.value.examples)
    return [
        (
            label_words(known.key, name),
            counts[name],
            round(100 * probability_most(counts[name])),
        )
        for name in known.value.names
        if counts[name] < EXAMPLES_LEAST
    ]


def report_rows(key: str, fit: Fit | None) -> list[tuple[str, int, int, int, int]]:
    """Label, examples, and precision, recall and share of unsure ones in percent."""
    return [
        (
            label_words(key, row.name),
            row.examples,
            round(100 * row.precision),
            round(100 * row.recall),
            round(100 * row.unsure),
        )
        for row in (fit.labels if fit else ())
    ]
