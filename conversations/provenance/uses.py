"""Every answer that used an entry, so that a wrong entry can be recalled."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from conversations.answers.keeping import answer_refuse
from conversations.models import PassageUse, Provenance
from conversations.spreadsheets import BYTE_ORDER_MARK, LineWriter, cell_escape


def uses_listed() -> QuerySet[PassageUse]:
    """Uses of entries in answers, the newest first, with all that a list of them shows."""
    return (
        PassageUse.objects.filter(entry__isnull=False)
        .select_related(
            "entry",
            "provenance__message__reply_to",
            "provenance__message__conversation__site",
            "provenance__message__rating",
            "provenance__recalled_by",
        )
        .order_by("-pk")
    )


@transaction.atomic
def answers_recall(*, provenance_ids: Sequence[int], by: User) -> int:
    """Mark answers as made from something wrong, and never give them again; returns how many."""
    marked = Provenance.objects.filter(pk__in=provenance_ids, recalled_at__isnull=True)
    messages = list(marked.values_list("message_id", flat=True))
    count = marked.update(recalled_at=timezone.now(), recalled_by=by)
    for message_id in messages:
        answer_refuse(message_id=message_id)
    return count


def answers_recall_undo(*, provenance_ids: Sequence[int]) -> int:
    """Take the mark back; what was kept to be given again stays dropped."""
    marked = Provenance.objects.filter(pk__in=provenance_ids, recalled_at__isnull=False)
    return marked.update(recalled_at=None, recalled_by=None)


def uses_csv(uses: Iterable[PassageUse]) -> Iterator[str]:
    """Lines of a CSV file, with a byte order mark so that Excel reads it as UTF-8."""
    writer = csv.writer(LineWriter())
    header = [
        _("Time"),
        _("Site"),
        _("Conversation"),
        _("Number"),
        _("Question"),
        _("Answer"),
        _("Answered by"),
        _("Entry"),
        _("Revision"),
        _("Cited"),
        _("Confidence"),
        _("Recalled"),
    ]
    yield BYTE_ORDER_MARK + writer.writerow([cell_escape(title) for title in header])
    for use in uses:
        made = use.provenance
        answer = made.message
        cells = [
            timezone.localtime(answer.created_at).strftime("%Y-%m-%d %H:%M:%S"),
            answer.conversation.site.name,
            answer.conversation_id,
            answer.seq,
            answer.reply_to.text if answer.reply_to else "",
            answer.text,
            answer.get_tier_display(),
            use.entry.question if use.entry else "",
            use.entry_revision,
            int(use.cited),
            f"{use.score:.4f}",
            timezone.localtime(made.recalled_at).strftime("%Y-%m-%d %H:%M:%S")
            if made.recalled_at
            else "",
        ]
        yield writer.writerow([cell_escape(cell) for cell in cells])
