"""Tells owners by e-mail which of their entries they should look at again."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from knowledge.models import Entry
from knowledge.selectors import entries_due

LISTED_MOST = 30


def reminders_send(*, on: date) -> int:
    """Send each owner with an address one message about what is due; returns how many were sent.

    Nothing is sent while no mail server is set (``EMAIL_URL``). The overview shows the same.
    """
    if not settings.EMAIL_HOST:
        return 0
    due = entries_due(Entry.objects.select_related("owner", "site"), on=on)
    by_owner: defaultdict[User, list[Entry]] = defaultdict(list)
    for entry in due.filter(owner__is_active=True).exclude(owner__email="").order_by("review_by"):
        if entry.owner is not None:
            by_owner[entry.owner].append(entry)
    with get_connection() as connection:
        for owner, entries in by_owner.items():
            _message(owner, entries, connection).send()
    return len(by_owner)


def _message(owner: User, entries: list[Entry], connection: BaseEmailBackend) -> EmailMessage:
    count = len(entries)
    subject = ngettext(
        "%(count)d knowledge entry to look at again",
        "%(count)d knowledge entries to look at again",
        count,
    ) % {"count": count}
    lines = [f"- {entry.review_by:%Y-%m-%d}  {entry.question}" for entry in entries[:LISTED_MOST]]
    if count > LISTED_MOST:
        lines.append("…")
    body = "\n".join(
        [
            _("You own these entries. Please see whether their answers are still right:"),
            "",
            *lines,
            "",
            _("The list is in the desk under Knowledge, filter “Due, mine”."),
        ]
    )
    return EmailMessage(subject, body, to=[owner.email], connection=connection)
