"""The staff's view of conversations and ratings; nothing here can be changed."""

from conversations.admin.conversations import ConversationAdmin
from conversations.admin.ratings import RatingAdmin

__all__ = ["ConversationAdmin", "RatingAdmin"]
