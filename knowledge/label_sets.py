"""Reads of label sets: which ones a site's messages get, as values, with what was learnt."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from django.db.models import F, Q

from inference.chat import ChatMessage
from inference.errors import PromptError
from inference.labels.classifier import LabelClassifier
from inference.labels.labelling import label_head
from inference.labels.storage import classifier_load
from inference.labels.values import Label as LabelValue
from inference.labels.values import LabelExample as LabelExampleValue
from inference.labels.values import LabelSet as LabelSetValue
from knowledge.models import Label, LabelExample, LabelFit, LabelSet

_CLASSIFIERS_MOST: Final = 16


@dataclass(frozen=True, slots=True)
class SiteLabelSet:
    """A set that labels a site's messages; ``classifier`` is what was learnt, if anything was."""

    set_id: int
    key: str
    name: str
    value: LabelSetValue
    classifier: LabelClassifier | None


def label_sets_enabled(
    *, site_id: int, language: str, keys: Iterable[str] | None = None
) -> list[SiteLabelSet]:
    """The sets for messages of this language, one a key: the site's own before the general one, one
    of the language before one of any. ``keys`` narrows them."""
    rows = LabelSet.objects.filter(
        Q(site=None) | Q(site=site_id), language__in=("", language), is_enabled=True
    ).order_by("key", F("site").asc(nulls_last=True), "-language")
    if keys is not None:
        rows = rows.filter(key__in=list(keys))
    chosen: dict[str, LabelSet] = {}
    for row in rows:
        chosen.setdefault(row.key, row)
    return [label_set_read(row) for row in chosen.values()]


def label_heads() -> list[list[ChatMessage]]:
    """The fixed instructions of the enabled sets that the chat model is asked for, each once.

    A set whose labels words and meaning tell as well without it is not asked, so it has none.
    """
    rows = (
        LabelSet.objects.filter(Q(site=None) | Q(site__is_active=True), is_enabled=True)
        .annotate(asks_model=F("fit__asks_model"))
        .prefetch_related("labels")
        .order_by("key", "pk")
    )
    heads: dict[ChatMessage, None] = {}
    for row in rows:
        value = label_set_value(row, labels=row.labels.all(), examples=())
        by_words = all(label.words for label in value.labels)
        asked = row.asks_model if row.asks_model is not None else by_words
        if not asked or not value.labels:
            continue
        with suppress(PromptError):  # told where the set is edited
            head = label_head(value)
            if head is not None:
                heads[head] = None
    return [[head] for head in heads]


def label_set_read(label_set: LabelSet) -> SiteLabelSet:
    """A set as a value, with its classifier if that knows the set's labels of now."""
    labels = list(label_set.labels.all())
    examples = LabelExample.objects.filter(label_set=label_set).select_related("label")
    value = label_set_value(label_set, labels=labels, examples=examples.order_by("pk"))
    revision = (
        LabelFit.objects.filter(label_set=label_set).values_list("revision", flat=True).first()
    )
    classifier = None if revision is None else _classifier(label_set.pk, revision)
    if classifier is not None and classifier.names != value.names:
        classifier = None  # labels came or went; it is being learnt anew
    return SiteLabelSet(label_set.pk, label_set.key, label_set.name, value, classifier)


def label_set_value(
    label_set: LabelSet, *, labels: Iterable[Label], examples: Iterable[LabelExample]
) -> LabelSetValue:
    """A stored set as the labeller takes it."""
    return LabelSetValue(
        name=label_set.key,
        labels=tuple(
            LabelValue(label.name, words_of(label.words), label.description, label.threshold)
            for label in labels
        ),
        system=label_set.system,
        user=label_set.user,
        examples=tuple(LabelExampleValue(row.text, row.label.name) for row in examples),
    )


def words_of(text: str) -> tuple[str, ...]:
    """Words separated by commas of either kind, each once."""
    words = (word.strip() for word in text.replace("，", ",").split(","))
    return tuple(dict.fromkeys(word for word in words if word))


@lru_cache(maxsize=_CLASSIFIERS_MOST)
def _classifier(set_id: int, revision: str) -> LabelClassifier | None:
    data = (
        LabelFit.objects.filter(label_set=set_id, revision=revision)
        .values_list("data", flat=True)
        .first()
    )
    return None if data is None else classifier_load(bytes(data))
