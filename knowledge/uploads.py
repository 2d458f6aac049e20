"""Who may send a file that is larger than other requests.

The server refuses long bodies before anybody has read them (``supportdesk/web/requests.py``), when it
knows no session yet. So whoever opens the form for an import gets a ticket as a cookie: signed, so
that it is judged without the database, and of no use for anything else.
"""

from __future__ import annotations

from typing import Final

from django.core.signing import BadSignature, TimestampSigner

from knowledge.documents.files import FILE_MOST

TICKET_COOKIE: Final = "supportdesk_upload"
TICKET_SECONDS: Final = 12 * 3600
UPLOAD_BYTES: Final = FILE_MOST + 1024 * 1024
"""The largest file with the other fields of its form."""

_SALT: Final = "knowledge.uploads"


def ticket_make() -> str:
    """A ticket for somebody who may import; ends after :data:`TICKET_SECONDS`."""
    return TimestampSigner(salt=_SALT).sign("upload")


def ticket_is_good(ticket: str) -> bool:
    """Whether the desk gave this ticket, and not too long ago."""
    try:
        TimestampSigner(salt=_SALT).unsign(ticket, max_age=TICKET_SECONDS)
    except BadSignature:
        return False
    return True
