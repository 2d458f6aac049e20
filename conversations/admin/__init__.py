"""The staff's view of conversations, ratings and gaps; what was said cannot be changed."""

from conversations.admin.conversations import ConversationAdmin
from conversations.admin.gaps import GapAdmin
from conversations.admin.ratings import RatingAdmin

__all__ = ["ConversationAdmin", "GapAdmin", "RatingAdmin"]
