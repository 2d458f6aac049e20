"""The few sentences that the ladder says itself, in the customer's language."""

from __future__ import annotations

from django.utils import translation
from django.utils.translation import gettext

from conversations.enums import Reason


def cannot_confirm(language: str) -> str:
    """The knowledge is silent: say so, and offer a person."""
    with translation.override(language):
        return gettext(
            "I am sorry, I cannot confirm this at the moment. "
            "If you like, I can connect you with a person."
        )


def apology(language: str, reason: Reason | None) -> str:
    """Nothing could answer: say so, and offer a person."""
    with translation.override(language):
        if reason == Reason.STARTING:
            return gettext(
                "I am just starting up and will be with you in a moment. "
                "Please ask again shortly, or ask for a person."
            )
        return gettext(
            "I am sorry, I cannot answer right now. "
            "Please try again in a moment, or ask for a person."
        )


def question_wanted(language: str) -> str:
    """The message holds no words."""
    with translation.override(language):
        return gettext("Please put your question in words, and I will gladly help.")


def person_called(language: str) -> str:
    """The customer is handed to a person."""
    with translation.override(language):
        return gettext("You are in the queue for a person. Somebody will answer here soon.")
