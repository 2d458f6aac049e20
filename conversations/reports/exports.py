"""Ratings as CSV for a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from django.utils import timezone
from django.utils.translation import gettext as _

from conversations.models import Rating
from conversations.spreadsheets import BYTE_ORDER_MARK, LineWriter, cell_escape


def ratings_csv(ratings: Iterable[Rating]) -> Iterator[str]:
    """Lines of a CSV file, with a byte order mark so that Excel reads it as UTF-8."""
    writer = csv.writer(LineWriter())
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
    yield BYTE_ORDER_MARK + writer.writerow([cell_escape(title) for title in header])
    for rating in ratings:
        answer = rating.message
        cells = [
            timezone.localtime(rating.created_at).strftime("%Y-%m-%d %H:%M:%S"),
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
        yield writer.writerow([cell_escape(cell) for cell in cells])
