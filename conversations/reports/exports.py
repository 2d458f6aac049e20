"""Reports as CSV for a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from conversations.models import Rating
from conversations.reports.entry_use import RatedEntry, UnusedEntry
from conversations.reports.intervals import Share
from conversations.reports.subjects import Subject
from conversations.spreadsheets import BYTE_ORDER_MARK, LineWriter, cell_escape


def ratings_csv(ratings: Iterable[Rating]) -> Iterator[str]:
    """Lines of a CSV file, with a byte order mark so that Excel reads it as UTF-8."""
    header = [
        _("Time"),
        _("Site"),
        _("Conversation"),
        _("Question"),
        _("Answer"),
        _("Answered by"),
        _("Reason"),
        _("Stars"),
        _("Thumb"),
        _("Reasons of the customer"),
        _("Comment"),
    ]
    return _lines(header, map(_rating_cells, ratings))


def subjects_csv(subjects: Iterable[Subject]) -> Iterator[str]:
    """What customers ask most, a line each."""
    header = [
        _("Kind"),
        _("Number"),
        _("Subject"),
        _("Asked"),
        _("Share"),
        _("No answer found"),
        _("Handed to a person"),
        _("Ratings"),
        _("Satisfied"),
        _("At least"),
        _("At most"),
        _("Last asked"),
        _("In customers' words"),
    ]
    return _lines(
        header,
        (
            [
                subject.kind.label,
                subject.key,
                subject.title,
                subject.asked,
                _fraction(subject.share.value),
                subject.unanswered,
                subject.handoffs,
                *_share_cells(subject.satisfied),
                _time(subject.last_asked_at),
                " | ".join(text for text, _times in subject.wordings),
            ]
            for subject in subjects
        ),
    )


def unused_csv(entries: Iterable[UnusedEntry]) -> Iterator[str]:
    """Entries that no answer used, a line each."""
    header = [
        _("Site"),
        _("Number"),
        _("Entry"),
        _("Language"),
        _("Document"),
        _("Created"),
        _("Last used"),
        _("Found beside others"),
        _("Questions in its language"),
    ]
    return _lines(
        header,
        (
            [
                unused.entry.site.name,
                unused.entry.pk,
                unused.entry.question,
                unused.entry.get_language_display(),
                unused.entry.document.name if unused.entry.document else "",
                _time(unused.entry.created_at),
                _time(unused.last_used_at) if unused.last_used_at else "",
                unused.found,
                unused.asked,
            ]
            for unused in entries
        ),
    )


def entries_csv(entries: Iterable[RatedEntry]) -> Iterator[str]:
    """Entries with bad ratings, a line each."""
    header = [
        _("Site"),
        _("Number"),
        _("Entry"),
        _("Status"),
        _("Answers"),
        _("Ratings"),
        _("Satisfied"),
        _("At least"),
        _("At most"),
        _("Ratings of today's text"),
        _("Satisfied with today's text"),
    ]
    return _lines(
        header,
        (
            [
                rated.entry.site.name,
                rated.entry.pk,
                rated.entry.question,
                rated.entry.get_status_display(),
                rated.used,
                *_share_cells(rated.satisfied),
                rated.satisfied_now.total,
                _fraction(rated.satisfied_now.value),
            ]
            for rated in entries
        ),
    )


def _rating_cells(rating: Rating) -> list[object]:
    answer = rating.message
    return [
        _time(rating.created_at),
        answer.conversation.site.name,
        answer.conversation_id,
        answer.reply_to.text if answer.reply_to else "",
        answer.text,
        answer.get_tier_display(),
        answer.get_reason_display(),
        rating.stars,
        "" if rating.thumb is None else int(rating.thumb),
        "; ".join(str(reason) for reason in rating.reasons),
        rating.comment,
    ]


def _lines(header: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    writer = csv.writer(LineWriter())
    yield BYTE_ORDER_MARK + writer.writerow([cell_escape(title) for title in header])
    for cells in rows:
        yield writer.writerow([cell_escape(cell) for cell in cells])


def _share_cells(share: Share) -> list[str | int]:
    """How many there are, the share, and its 95 % interval."""
    return [share.total, _fraction(share.value), _fraction(share.low), _fraction(share.high)]


def _fraction(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _time(moment: datetime) -> str:
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S")
