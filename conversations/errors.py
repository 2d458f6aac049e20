"""The errors of a conversation; ``code`` is the word that protocol ``support.v1`` has for each."""

from __future__ import annotations

from uuid import UUID


class ConversationError(Exception):
    """Base of every refusal that a client is told about. ``retry_ms`` says when to come back,
    ``action_id`` which change was refused."""

    code = "bad_frame"

    def __init__(self, *, client_message_id: UUID | None = None, retry_ms: int | None = None):
        super().__init__(self.code)
        self.client_message_id = client_message_id
        self.action_id: UUID | None = None
        self.retry_ms = retry_ms


class BadFrame(ConversationError):
    """A field is missing, has the wrong type, or a value out of its range."""


class BadJson(ConversationError):
    """The text is not the JSON that the protocol allows."""

    code = "bad_json"


class UnknownType(ConversationError):
    """The frame is well formed, but nobody knows its type."""

    code = "unknown_type"


class TextTooLong(ConversationError):
    """The text has more code points than allowed."""

    code = "text_too_long"


class TextEmpty(ConversationError):
    """Nothing visible is in the text."""

    code = "empty_text"


class IdempotencyConflict(ConversationError):
    """The id was used before with another text; nothing was stored."""

    code = "idempotency_conflict"


class RateLimited(ConversationError):
    """Too many messages in a short time."""

    code = "rate_limited"


class Overloaded(ConversationError):
    """Too much work is waiting already."""

    code = "overloaded"


class Unavailable(ConversationError):
    """The database cannot take the change now; the client keeps it and tries again."""

    code = "unavailable"


class ConversationClosed(ConversationError):
    """The conversation takes no more messages."""

    code = "closed_conversation"


class Forbidden(ConversationError):
    """The caller may not do this: a wrong origin, token or identity."""

    code = "forbidden"


class NotFound(ConversationError):
    """There is no such thing, or it belongs to somebody else."""

    code = "not_found"
