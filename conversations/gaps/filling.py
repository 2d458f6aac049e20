"""Fills gaps: drafts an entry, publishes it, and asks the questions again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.db import transaction
from django.db.models.functions import Coalesce

from conversations.gaps.selectors import operator_answer
from conversations.models import Gap, GapQuestion
from knowledge.models import Entry
from knowledge.services.entries import Cause, entry_create

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

PHRASINGS_MOST: Final = 8
ASKED_AGAIN_MOST: Final = 20
"""Questions of one gap that are asked again, the newest first: each may take seconds."""


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """What an entry that fills a gap could say; the answer is empty when nobody has given one."""

    question: str
    phrasings: tuple[str, ...]
    answer: str


class GapStateWrong(Exception):
    """The gap is not open (any more)."""


def gap_draft(*, gap: Gap) -> EntryDraft:
    """The group's central question, other ways it was asked, and an operator's reply if there is.

    The answer is never made up: where no person has answered, the shop has to.
    """
    questions = list(gap.questions.select_related("message").order_by("-asked_at", "-pk"))
    others = dict.fromkeys(question.text for question in questions if question.text != gap.title)
    return EntryDraft(
        question=gap.title,
        phrasings=tuple(others)[:PHRASINGS_MOST],
        answer=operator_answer(questions=questions),
    )


@transaction.atomic
def gap_fill(
    *,
    gap: Gap,
    question: str,
    answer: str,
    phrasings: Sequence[str] = (),
    by: AbstractBaseUser | AnonymousUser | None = None,
) -> Entry:
    """Publish an entry for a gap; :func:`gap_check` then tells whether it answers the questions.

    Raises:
        GapStateWrong: somebody else was quicker.
        ValidationError: a text is empty or too long.
    """
    gap = Gap.objects.select_for_update(of=("self",)).select_related("site").get(pk=gap.pk)
    if gap.state != Gap.State.OPEN:
        raise GapStateWrong
    entry = entry_create(
        site=gap.site,
        question=question,
        answer=answer,
        phrasings=phrasings,
        language=gap.language,
        status=Entry.Status.PUBLISHED,
        by=by,
        cause=Cause.GAP,
    )
    # What the knowledge answered without the entry, as far as that was tried, is not its merit.
    gap.questions.update(covered_before=Coalesce("covered", False))
    gap.questions.update(covered=None)
    gap.entry, gap.state = entry, Gap.State.CHECKING
    gap.save(update_fields=["entry", "state"])
    return entry


def gap_dismiss(*, gap: Gap) -> None:
    """Say that the knowledge is not to answer this; what is asked like it stays out of the list."""
    Gap.objects.filter(pk=gap.pk, state=Gap.State.OPEN).update(state=Gap.State.DISMISSED)


def gap_reopen(*, gap: Gap) -> None:
    """Put a gap back into the list."""
    Gap.objects.filter(pk=gap.pk).update(state=Gap.State.OPEN)


@transaction.atomic
def gap_question_remove(*, question: GapQuestion) -> Gap:
    """Take a question out of its gap; it becomes a gap of its own."""
    old = question.gap
    new = Gap.objects.create(
        site=old.site,
        language=old.language,
        title=question.text,
        last_asked_at=question.asked_at,
    )
    question.gap = new
    question.save(update_fields=["gap"])
    if not old.questions.exists():
        old.delete()
    return new


def gap_check(*, gap: Gap, is_answered: Callable[[GapQuestion], bool]) -> tuple[int, int]:
    """Ask a gap's newest questions again; returns how many are answered now, and of how many.

    Args:
        is_answered: whether the desk, asked this question, now answers it from the knowledge, and
            otherwise than the customer was answered if they disliked that.
    """
    questions = questions_to_ask(gap=gap)
    for question in questions:
        question.covered = is_answered(question)
        question.save(update_fields=["covered"])
    if gap.state == Gap.State.CHECKING:
        gap.state = Gap.State.FILLED
        gap.save(update_fields=["state"])
    return sum(1 for question in questions if question.covered), len(questions)


def questions_to_ask(*, gap: Gap) -> list[GapQuestion]:
    """The questions that stand for a gap when it is asked again, the newest first."""
    return list(gap.questions.order_by("-asked_at", "-pk")[:ASKED_AGAIN_MOST])
