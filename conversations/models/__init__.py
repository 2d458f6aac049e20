"""Customers, their conversations, and what was promised to them."""

from conversations.models.actions import ToolAction
from conversations.models.answers import CachedAnswer
from conversations.models.conversations import Conversation, Message, Turn
from conversations.models.gaps import Gap, GapQuestion, GapSearch
from conversations.models.labels import MessageLabel
from conversations.models.provenance import PassageUse, Provenance
from conversations.models.ratings import Rating
from conversations.models.replays import Replay
from conversations.models.summaries import ConversationSummary
from conversations.models.visitors import IdentityUse, ResumeToken, Visitor

__all__ = [
    "CachedAnswer",
    "Conversation",
    "ConversationSummary",
    "Gap",
    "GapQuestion",
    "GapSearch",
    "IdentityUse",
    "Message",
    "MessageLabel",
    "PassageUse",
    "Provenance",
    "Rating",
    "Replay",
    "ResumeToken",
    "ToolAction",
    "Turn",
    "Visitor",
]
