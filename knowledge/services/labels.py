"""Writes to label sets, their labels and examples."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from inference.labels.fitting import EXAMPLES_MOST, is_learnable, revision_of
from inference.labels.labelling import label_prompt
from knowledge.label_sets import label_set_read, label_set_value
from knowledge.label_tasks import label_model_name, label_set_learning
from knowledge.models import Label, LabelExample, LabelFit, LabelSet
from knowledge.services.label_defaults import label_tables

FIELDS: Final = frozenset(["site", "key", "language", "name", "system", "user", "is_enabled"])
TEXT_MOST: Final = 500
FILE_MOST: Final = 5 * 2**20
"""Bytes of a file of examples."""


@dataclass(slots=True)
class ExamplesReport:
    """What an import of examples did; ``errors`` are sentences with the line they are about."""

    created: int = 0
    moved: int = 0
    unchanged: int = 0
    errors: list[str] = field(default_factory=list)


def label_set_check(label_set: LabelSet) -> None:
    """Refuse a prompt that does not render.

    Raises:
        PromptError: why not.
    """
    label_prompt(label_set_value(label_set, labels=(), examples=()), "Text")


@transaction.atomic
def label_set_save(*, label_set: LabelSet) -> LabelSet:
    """Store a set that a form has filled, and have it learnt anew.

    Raises:
        ValidationError, PromptError: a value or the prompt is not usable.
    """
    label_set.full_clean()
    label_set_check(label_set)
    label_set.save()
    label_set_learn(label_set=label_set)
    return label_set


def label_set_learn(*, label_set: LabelSet) -> bool:
    """Have a set learnt in the background, once, however often it changes until then.

    Returns whether there was anything to start; a set with too few examples has nothing, and what
    it had learnt from more goes.
    """
    labels = LabelExample.objects.filter(label_set=label_set).values_list("label", flat=True)
    if not is_learnable(Counter(labels).values()):
        LabelFit.objects.filter(label_set=label_set).delete()
        LabelSet.objects.filter(pk=label_set.pk).update(learning=LabelSet.Learning.NEVER)
        return False
    # Whoever turns the state into "waiting" starts the work: a bulk change starts it once.
    started = (
        LabelSet.objects.filter(pk=label_set.pk)
        .exclude(learning=LabelSet.Learning.WAITING)
        .update(learning=LabelSet.Learning.WAITING, progress="")
    )
    if started:
        set_id = label_set.pk
        transaction.on_commit(lambda: label_set_learning.enqueue(set_id))
    return bool(started)


@transaction.atomic
def label_example_save(*, label_set: LabelSet, label: Label, text: str) -> LabelExample:
    """Add a labelled text, or give one that the set has another label.

    Raises:
        ValidationError: it is empty or too long, or the label is of another set.
    """
    text = text.strip()
    if label.label_set_id != label_set.pk:
        raise ValidationError(_("This label belongs to another set."))
    existing = LabelExample.objects.filter(label_set=label_set, text=text).first()
    example = existing or LabelExample(label_set=label_set, text=text)
    example.label = label
    example.full_clean()
    example.save()
    label_set_learn(label_set=label_set)
    return example


@transaction.atomic
def label_examples_delete(*, examples: Iterable[LabelExample]) -> int:
    """Delete examples; their sets are learnt anew."""
    rows = list(examples)
    LabelExample.objects.filter(pk__in=[row.pk for row in rows]).delete()
    for label_set in LabelSet.objects.filter(pk__in={row.label_set_id for row in rows}):
        label_set_learn(label_set=label_set)
    return len(rows)


@transaction.atomic
def label_examples_import(*, label_set: LabelSet, data: bytes) -> ExamplesReport:
    """Read a CSV file with the columns ``text`` and ``label``; unknown labels are created.

    A text that the set has already gets the label of the file. Rows with errors are left out and
    told.

    Raises:
        ValidationError: the file is too large, no UTF-8, or lacks a column.
    """
    rows = _rows(data)
    report = ExamplesReport()
    labels = {label.name: label for label in label_set.labels.all()}
    known = {row.text: row for row in label_set.examples.select_related("label")}
    if len(known) + len(rows) > EXAMPLES_MOST:
        raise ValidationError(_("A set has at most %(most)d examples.") % {"most": EXAMPLES_MOST})
    for number, (text, name) in enumerate(rows, start=2):
        if not text or not name or len(text) > TEXT_MOST:
            problem = _("Line %(line)d: needs a label and a text of at most %(most)d characters.")
            report.errors.append(problem % {"line": number, "most": TEXT_MOST})
            continue
        try:
            label = labels.get(name) or _label_create(label_set, name, len(labels))
        except ValidationError:
            problem = _("Line %(line)d: “%(name)s” cannot be a label.")
            report.errors.append(problem % {"line": number, "name": name})
            continue
        labels[name] = label
        if (existing := known.get(text)) is None:
            known[text] = LabelExample.objects.create(label_set=label_set, label=label, text=text)
            report.created += 1
        elif existing.label_id != label.pk:
            existing.label = label
            existing.save(update_fields=["label"])
            report.moved += 1
        else:
            report.unchanged += 1
    label_set_learn(label_set=label_set)
    return report


@transaction.atomic
def label_defaults_ensure() -> None:
    """Create the label sets that the product ships with, once; what was deleted stays away."""
    if LabelSet.objects.filter(is_default=True).exists():
        return
    for table in label_tables():
        _default_create(table)


def label_sets_refresh() -> int:
    """Have those sets learnt anew whose fit is of other examples, prompts or models than those of
    now: another model may have been chosen, or a change may have passed by the services.

    Returns how many.
    """
    count = 0
    for fit in LabelFit.objects.select_related("label_set").defer("data"):
        value = label_set_read(fit.label_set).value
        if fit.revision != revision_of(value, label_model_name(), settings.EMBEDDING_MODEL):
            count += label_set_learn(label_set=fit.label_set)
    return count


def _default_create(table: dict[str, Any]) -> None:
    label_set, created = LabelSet.objects.get_or_create(
        site=None,
        key=table["key"],
        language=table["language"],
        defaults={
            **{name: table[name] for name in ("name", "system", "user")},
            "is_default": True,
        },
    )
    if not created:
        return
    for position, row in enumerate(table["labels"]):
        label = Label.objects.create(
            label_set=label_set,
            name=row["name"],
            words=", ".join(row.get("words", ())),
            description=row.get("description", ""),
            threshold=row.get("threshold", 0.5),
            position=position,
        )
        LabelExample.objects.bulk_create(
            LabelExample(label_set=label_set, label=label, text=text, is_default=True)
            for text in row.get("examples", ())
        )
    label_set_learn(label_set=label_set)


def _label_create(label_set: LabelSet, name: str, position: int) -> Label:
    label = Label(label_set=label_set, name=name, position=position)
    label.full_clean()
    label.save()
    return label


def _rows(data: bytes) -> list[tuple[str, str]]:
    if len(data) > FILE_MOST:
        raise ValidationError(_("The file is larger than %(most)d MB.") % {"most": 5})
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValidationError(_("The file is not UTF-8 text.")) from error
    reader = csv.DictReader(io.StringIO(text))
    if not {"text", "label"} <= set(reader.fieldnames or ()):
        raise ValidationError(_("The first line must name the columns text and label."))
    try:
        return [((row["text"] or "").strip(), (row["label"] or "").strip()) for row in reader]
    except csv.Error as error:
        raise ValidationError(_("The file is no CSV that can be read.")) from error
