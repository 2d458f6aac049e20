"""The staff's view of conversations, ratings and gaps; what was said cannot be changed."""

from conversations.admin.changes import ToolActionAdmin
from conversations.admin.conversations import ConversationAdmin
from conversations.admin.gaps import GapAdmin
from conversations.admin.question_sets import QuestionSetAdmin, SetQuestionAdmin
from conversations.admin.ratings import RatingAdmin
from conversations.admin.replays import ReplayAdmin
from conversations.admin.trials import TrialAdmin
from conversations.admin.uses import PassageUseAdmin

__all__ = [
    "ConversationAdmin",
    "GapAdmin",
    "PassageUseAdmin",
    "QuestionSetAdmin",
    "RatingAdmin",
    "ReplayAdmin",
    "SetQuestionAdmin",
    "ToolActionAdmin",
    "TrialAdmin",
]
