"""Customers, their conversations, and what was promised to them."""

from conversations.models.conversations import Conversation, Message, Turn
from conversations.models.provenance import PassageUse, Provenance
from conversations.models.ratings import Rating
from conversations.models.visitors import ResumeToken, Visitor

__all__ = [
    "Conversation",
    "Message",
    "PassageUse",
    "Provenance",
    "Rating",
    "ResumeToken",
    "Turn",
    "Visitor",
]
