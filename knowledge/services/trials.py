"""Writes to question sets and trials."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inference.prompts.rendering import PromptSource, prompt_check
from inference.text.language import language_of
from knowledge.models import (
    Entry,
    Expectation,
    PromptVersion,
    QuestionSet,
    SetQuestion,
    Site,
    Trial,
    TrialQuestion,
)
from knowledge.models.trials import QUESTIONS_MOST

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

COLUMNS: Final = ("question", "language", "expectation", "entries", "facts", "forbidden")
FILE_MOST: Final = 2 * 2**20
"""Bytes of a file of questions."""
_LINES: Final = "\n"


@dataclass(slots=True)
class QuestionsReport:
    """What an import of questions did; ``errors`` are sentences with the line they are about."""

    created: int = 0
    unchanged: int = 0
    errors: list[str] = field(default_factory=list)


@transaction.atomic
def question_add(
    *,
    question_set: QuestionSet,
    text: str,
    language: str = "",
    expectation: str = Expectation.ANSWERED,
    entries: Iterable[Entry] = (),
    facts: str = "",
    forbidden: str = "",
    source: str = SetQuestion.Source.TYPED,
) -> SetQuestion | None:
    """Add a question to a set; ``None`` when the set has it already.

    Raises:
        ValidationError: a value is not usable, or the set is full.
    """
    text = " ".join(text.split())
    language = language or language_of(text, question_set.site.language)
    if question_set.questions.filter(text=text, language=language).exists():
        return None
    if question_set.questions.count() >= QUESTIONS_MOST:
        raise ValidationError(_("A set has at most %(most)d questions.") % {"most": QUESTIONS_MOST})
    question = SetQuestion(
        question_set=question_set,
        text=text,
        language=language,
        expectation=expectation,
        facts=facts,
        forbidden=forbidden,
        source=source,
    )
    question.full_clean()
    question.save()
    question.entries.set(entries)
    return question


@transaction.atomic
def questions_import(*, question_set: QuestionSet, data: bytes) -> QuestionsReport:
    """Read a CSV file with the column ``question`` and any of the other ``COLUMNS``.

    ``entries`` are questions of the site's entries, as they stand there, separated by ``|``; in
    ``facts`` and ``forbidden`` lines are separated by ``;``. Rows with errors are left out and told.

    Raises:
        ValidationError: the file is too large, no UTF-8, or lacks the column.
    """
    report = QuestionsReport()
    for number, row in enumerate(_rows(data), start=2):
        try:
            added = question_add(
                question_set=question_set,
                source=SetQuestion.Source.FILE,
                **_values(question_set.site, row),
            )
        except ValidationError as error:
            told = _("Line %(line)d: %(problem)s")
            report.errors.append(told % {"line": number, "problem": " ".join(error.messages)})
            continue
        if added is None:
            report.unchanged += 1
        else:
            report.created += 1
    return report


def questions_export(*, question_set: QuestionSet) -> str:
    """The set as CSV, as :func:`questions_import` reads it.

    Cells that a spreadsheet would take for a formula begin with a quote.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for question in question_set.questions.prefetch_related("entries"):
        cells = (
            question.text,
            question.language,
            question.expectation,
            " | ".join(entry.question for entry in question.entries.all()),
            "; ".join(question.facts.splitlines()),
            "; ".join(question.forbidden.splitlines()),
        )
        writer.writerow([f"'{cell}" if cell[:1] in "=+-@\t\r" and cell else cell for cell in cells])
    return buffer.getvalue()


@transaction.atomic
def trial_create(
    *,
    question_set: QuestionSet,
    candidate: PromptVersion | None = None,
    model: str = "",
    direct_probability: float | None = None,
    relevant_probability: float | None = None,
    asks_model: bool = True,
    by: AbstractBaseUser | AnonymousUser | None = None,
) -> Trial:
    """Copy the questions that are to be asked; ``conversations.trials`` asks them.

    With a candidate prompt, the questions of its language are asked; else all.

    Raises:
        ValidationError: nothing would be different, or there is nothing to ask.
        PromptError: the draft cannot be rendered, so no question of it would be answered.
    """
    nothing = candidate is None and not model
    if nothing and direct_probability is None and relevant_probability is None:
        raise ValidationError(_("Choose a draft, another model or another threshold to try."))
    if direct_probability is not None and asks_model:
        raise ValidationError(
            _("The model cannot write every answer while you try when entries are sent.")
        )
    questions = question_set.questions.prefetch_related("entries")
    baseline = None
    if candidate is not None:
        prompt_check(PromptSource(candidate.system, candidate.user))
        questions = questions.filter(language=candidate.template.language)
        baseline = candidate.template.versions.filter(status=PromptVersion.Status.PUBLISHED).first()
        if baseline is None:
            raise ValidationError(_("Nothing is published yet that the draft could be tried with."))
    rows = list(questions)
    if not rows:
        raise ValidationError(_("The set has no questions in the language of this prompt."))
    trial = Trial.objects.create(
        question_set=question_set,
        candidate=candidate,
        candidate_hash=candidate.content_hash() if candidate is not None else "",
        baseline=baseline,
        model=model,
        direct_probability=direct_probability,
        relevant_probability=relevant_probability,
        asks_model=asks_model,
        created_by_id=by.pk if by is not None and by.is_authenticated else None,
    )
    TrialQuestion.objects.bulk_create(
        TrialQuestion(
            trial=trial,
            position=position,
            text=row.text,
            language=row.language,
            expectation=row.expectation,
            entries=sorted(entry.pk for entry in row.entries.all()),
            facts=row.facts,
            forbidden=row.forbidden,
        )
        for position, row in enumerate(rows, start=1)
    )
    return trial


def trial_cancel(*, trial: Trial) -> bool:
    """Stop a trial; what was answered stays. Returns whether there was anything to stop."""
    open_states = (Trial.State.WAITING, Trial.State.RUNNING)
    stopped = Trial.objects.filter(pk=trial.pk, state__in=open_states).update(
        state=Trial.State.CANCELLED, finished_at=timezone.now()
    )
    return bool(stopped)


def trial_resume(*, trial: Trial) -> bool:
    """Have a trial that was broken off or cancelled go on where it stopped.

    Returns whether it may: not one that is over, and not one whose draft was changed since.
    """
    if trial.candidate is not None and trial.candidate.content_hash() != trial.candidate_hash:
        return False
    stopped = (Trial.State.CANCELLED, Trial.State.FAILED)
    resumed = Trial.objects.filter(pk=trial.pk, state__in=stopped).update(
        state=Trial.State.WAITING, problem="", finished_at=None
    )
    return bool(resumed)


def trial_finish(*, trial: Trial, state: str, problem: str = "") -> None:
    """A running trial is over, unless somebody cancelled it meanwhile."""
    Trial.objects.filter(pk=trial.pk, state=Trial.State.RUNNING).update(
        state=state, problem=problem[:300], finished_at=timezone.now()
    )


def _values(site: Site, row: dict[str, str]) -> dict[str, Any]:
    expectation = row.get("expectation") or Expectation.ANSWERED
    if expectation not in Expectation.values:
        raise ValidationError(
            _("“%(value)s” is none of %(known)s.")
            % {"value": expectation, "known": ", ".join(Expectation.values)}
        )
    names = [name.strip() for name in row.get("entries", "").split("|") if name.strip()]
    known = {entry.question: entry for entry in Entry.objects.filter(site=site, question__in=names)}
    if missing := [name for name in names if name not in known]:
        raise ValidationError(
            _("There is no entry “%(name)s” in the knowledge of this site.") % {"name": missing[0]}
        )
    return {
        "text": row.get("question", ""),
        "language": row.get("language", ""),
        "expectation": expectation,
        "entries": [known[name] for name in names],
        "facts": _lines(row.get("facts", "")),
        "forbidden": _lines(row.get("forbidden", "")),
    }


def _lines(cell: str) -> str:
    parts: Sequence[str] = cell.replace("；", ";").split(";")
    return _LINES.join(part.strip() for part in parts if part.strip())


def _rows(data: bytes) -> list[dict[str, str]]:
    if len(data) > FILE_MOST:
        raise ValidationError(_("The file is larger than %(most)d MB.") % {"most": 2})
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValidationError(_("The file is not UTF-8 text.")) from error
    reader = csv.DictReader(io.StringIO(text))
    if "question" not in (reader.fieldnames or ()):
        raise ValidationError(_("The first line must name the column question."))
    try:
        return [
            {name: (row.get(name) or "").strip().removeprefix("'") for name in COLUMNS}
            for row in reader
        ]
    except csv.Error as error:
        raise ValidationError(_("The file is no CSV that can be read.")) from error
