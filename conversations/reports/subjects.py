"""What customers ask most, by subject.

The subject of a question is what its answer came from: the entry that was cited first, the tool that
was called, the gap that the question was sorted into, or the rule that fired. So questions in many
words and languages count as one, without anything being computed for the report. What has none of
these (the model was late, small talk that no rule knows) is counted as being without a subject.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from django.db.models import Count, Max, OuterRef, Q, Subquery
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from conversations.enums import Outcome, Tier
from conversations.models import Gap, GapQuestion, PassageUse, Provenance
from conversations.reports.intervals import Share, share_of
from conversations.reports.periods import Period
from conversations.reports.selectors import SATISFIED, outcomes_in
from knowledge.models import Entry, Rule, Tool

SUBJECTS_MOST: Final = 500
"""How many subjects a download has; the page shows fewer."""
WORDINGS_MOST: Final = 3


class SubjectKind(StrEnum):
    """What a subject is known by."""

    ENTRY = "entry"
    TOOL = "tool"
    GAP = "gap"
    RULE = "rule"

    @property
    def label(self) -> str | Promise:
        return _LABELS[self]


_LABELS: Final[dict[SubjectKind, str | Promise]] = {
    SubjectKind.ENTRY: _("Entry"),
    SubjectKind.TOOL: _("Tool"),
    SubjectKind.GAP: _("Gap"),
    SubjectKind.RULE: _("Rule"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject with what became of its questions.

    Attributes:
        key: id of the entry, gap or rule; the key of the tool.
        title: empty for what was deleted since.
        share: of all questions of the period.
        satisfied: of the rated answers.
        unanswered: how many got a fallback or an apology.
        wordings: what customers wrote most often, with the number of times.
    """

    kind: SubjectKind
    key: str
    asked: int
    last_asked_at: datetime
    unanswered: int
    handoffs: int
    share: Share
    satisfied: Share
    title: str = ""
    language: str = ""
    link: str = ""
    wordings: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class TopQuestions:
    """Subjects by how often they were asked; ``without`` questions have none."""

    subjects: tuple[Subject, ...]
    total: int
    without: int


def questions_top(period: Period, *, limit: int = 20) -> TopQuestions:
    """The subjects that were asked most in a period, with what customers wrote."""
    counted: dict[tuple[SubjectKind, str], dict[str, Any]] = {}
    total = without = 0
    for row in _rows(period):
        total += row["asked"]
        subject = _subject_of(row)
        if subject is None:
            without += row["asked"]
            continue
        sums = counted.setdefault(subject, dict.fromkeys(_SUMS, 0) | {"last": row["last"]})
        for name in _SUMS:
            sums[name] += row[name]
        sums["last"] = max(sums["last"], row["last"])
    ordered = sorted(
        counted.items(), key=lambda item: (-item[1]["asked"], -item[1]["last"].timestamp())
    )
    subjects = [
        Subject(
            kind=kind,
            key=key,
            asked=sums["asked"],
            last_asked_at=sums["last"],
            unanswered=sums["unanswered"],
            handoffs=sums["handoffs"],
            share=share_of(sums["asked"], total),
            satisfied=share_of(sums["satisfied"], sums["rated"]),
        )
        for (kind, key), sums in ordered[:limit]
    ]
    return TopQuestions(tuple(_named(subjects, period)), total, without)


_SUMS: Final = ("asked", "unanswered", "handoffs", "rated", "satisfied")


def _rows(period: Period) -> Iterable[Mapping[str, Any]]:
    cited = PassageUse.objects.filter(
        provenance__message=OuterRef("pk"), cited=True, entry__isnull=False
    ).order_by("position")
    gaps = GapQuestion.objects.filter(message=OuterRef("reply_to"))
    rated = Q(outcome=Outcome.ANSWER, rating__isnull=False)
    return (
        outcomes_in(period)
        .filter(reply_to__isnull=False)
        .annotate(
            entry=Subquery(cited.values("entry")[:1]),
            gap=Subquery(gaps.values("gap")[:1]),
            # KT() takes the wrong column behind a relation.
            tool=KeyTextTransform("key", KeyTransform("tool", "provenance__details")),
        )
        .values("entry", "gap", "tool", "provenance__rule")
        .annotate(
            asked=Count("pk"),
            last=Max("created_at"),
            unanswered=Count("pk", filter=Q(tier__in=(Tier.FALLBACK, Tier.APOLOGY))),
            handoffs=Count("pk", filter=Q(outcome=Outcome.HANDOFF)),
            rated=Count("pk", filter=rated),
            satisfied=Count("pk", filter=rated & SATISFIED),
        )
    )


def _subject_of(row: Mapping[str, Any]) -> tuple[SubjectKind, str] | None:
    for kind, column in (
        (SubjectKind.ENTRY, "entry"),
        (SubjectKind.TOOL, "tool"),
        (SubjectKind.GAP, "gap"),
        (SubjectKind.RULE, "provenance__rule"),
    ):
        if row[column]:
            return kind, str(row[column])
    return None


def _named(subjects: Sequence[Subject], period: Period) -> list[Subject]:
    """The subjects with their titles, the pages that they lead to, and what customers wrote."""
    keys: dict[SubjectKind, list[str]] = {kind: [] for kind in SubjectKind}
    for subject in subjects:
        keys[subject.kind].append(subject.key)
    entries = Entry.objects.in_bulk([int(key) for key in keys[SubjectKind.ENTRY]])
    gaps = Gap.objects.in_bulk([int(key) for key in keys[SubjectKind.GAP]])
    rules = Rule.objects.in_bulk([int(key) for key in keys[SubjectKind.RULE]])
    tools = {tool.key: tool for tool in Tool.objects.filter(key__in=keys[SubjectKind.TOOL])}
    named = []
    for subject in subjects:
        title = language = link = ""
        match subject.kind:
            case SubjectKind.ENTRY:
                if entry := entries.get(int(subject.key)):
                    title, language = entry.question, entry.get_language_display()
                    link = reverse("admin:knowledge_entry_change", args=[entry.pk])
            case SubjectKind.GAP:
                if gap := gaps.get(int(subject.key)):
                    title, language = gap.title, gap.get_language_display()
                    link = reverse("admin:conversations_gap_change", args=[gap.pk])
            case SubjectKind.RULE:
                if rule := rules.get(int(subject.key)):
                    title = rule.name
                    link = reverse("admin:knowledge_rule_change", args=[rule.pk])
            case SubjectKind.TOOL:
                title = subject.key
                if tool := tools.get(subject.key):
                    title = tool.title
                    link = reverse("admin:knowledge_tool_change", args=[tool.pk])
        named.append(
            replace(
                subject,
                title=title,
                language=language,
                link=link,
                wordings=_wordings(subject, period),
            )
        )
    return named


def _wordings(subject: Subject, period: Period) -> tuple[tuple[str, int], ...]:
    made = Provenance.objects.filter(
        message__created_at__gte=period.start, message__created_at__lt=period.end
    )
    if period.site_id:
        made = made.filter(message__conversation__site_id=period.site_id)
    match subject.kind:
        case SubjectKind.ENTRY:
            uses = PassageUse.objects.filter(entry=int(subject.key), cited=True)
            made = made.filter(pk__in=uses.values("provenance"))
        case SubjectKind.GAP:
            questions = GapQuestion.objects.filter(gap=int(subject.key))
            made = made.filter(message__reply_to__in=questions.values("message"))
        case SubjectKind.RULE:
            made = made.filter(rule=int(subject.key))
        case SubjectKind.TOOL:
            made = made.filter(message__tier=Tier.TOOL, details__tool__key=subject.key)
    rows = (
        made.order_by()
        .values_list("message__reply_to__text")
        .annotate(times=Count("pk"))
        .order_by("-times", "message__reply_to__text")[:WORDINGS_MOST]
    )
    return tuple((" ".join((text or "").split()), times) for text, times in rows)
