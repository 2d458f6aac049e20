"""Session tokens: who may speak for which visitor, from which page."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.core import signing

from conversations.errors import Forbidden

SESSION_SECONDS = 600
_SALT = "supportdesk.widget.session"


@dataclass(frozen=True, slots=True)
class Session:
    """What a session token says; bound to a site, an origin and a visitor."""

    site_id: int
    origin: str
    visitor_id: UUID
    conversation_id: UUID


def session_token_make(session: Session) -> str:
    """A signed token that is good for ``SESSION_SECONDS``."""
    return signing.dumps(
        [session.site_id, session.origin, session.visitor_id.hex, session.conversation_id.hex],
        salt=_SALT,
    )


def session_token_read(token: str) -> Session:
    """The session of a token.

    Raises:
        Forbidden: forged, damaged or expired.
    """
    try:
        site_id, origin, visitor, conversation = signing.loads(
            token, salt=_SALT, max_age=SESSION_SECONDS
        )
        return Session(site_id, origin, UUID(visitor), UUID(conversation))
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise Forbidden from error
