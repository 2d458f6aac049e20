"""The few sentences that the ladder says itself, in the customer's language."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import translation
from django.utils.translation import gettext

from conversations.enums import Reason


def cannot_confirm(language: str, titles: Sequence[str] = ()) -> str:
    """The knowledge is silent: say so, offer what is near, by number, and a person."""
    with translation.override(language):
        if not titles:
            return gettext(
                "I am sorry, I cannot confirm this at the moment. "
                "If you like, I can connect you with a person."
            )
        lines = [
            gettext("I am sorry, I cannot confirm this at the moment. Do you mean one of these?"),
            *(f"{number}. {title}" for number, title in enumerate(titles, start=1)),
            gettext("Send me its number, or ask for a person."),
        ]
        return "\n".join(lines)


def reply_with_titles(language: str, reply: str, titles: Sequence[str]) -> str:
    """A rule's reply to a question that the knowledge almost answers, and what is near."""
    with translation.override(language):
        lines = [
            reply,
            gettext("Do you mean one of these?"),
            *(f"{number}. {title}" for number, title in enumerate(titles, start=1)),
        ]
    return "\n".join(lines)


def which_one(language: str, titles: Sequence[str]) -> str:
    """Several entries fit: ask which, by number."""
    with translation.override(language):
        lines = [
            gettext("I want to be sure that I answer the right thing. Which of these do you mean?"),
            *(f"{number}. {title}" for number, title in enumerate(titles, start=1)),
            gettext("Choose one or send me its number, or ask for a person."),
        ]
    return "\n".join(lines)


def own_words(language: str, title: str, text: str) -> str:
    """An entry's text with its title, so that the customer sees what it speaks of."""
    with translation.override(language):
        return gettext("On “%(title)s” we say:\n%(text)s") % {"title": title, "text": text}


def other_language(language: str, entry_language: str, title: str, text: str) -> str:
    """An entry's text in another language than the customer's, with a line that says so."""
    with translation.override(language):
        if entry_language == "en":
            lead = gettext("I have this in English only:")
        else:
            lead = gettext("I have this in Chinese only:")
    return f"{lead}\n{title}\n{text}"


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


def login_wanted(language: str) -> str:
    """A tool needs to know who the customer is."""
    with translation.override(language):
        return gettext(
            "To look after your orders I need to know that they are yours. Please log in on the "
            "shop's page, then ask me here again."
        )


def value_wanted(language: str, label: str) -> str:
    """A tool needs a value that the customer has not given."""
    with translation.override(language):
        return gettext("Please tell me: %(label)s") % {"label": label}


def tool_failed(language: str) -> str:
    """A tool could not be asked."""
    with translation.override(language):
        return gettext(
            "I am sorry, I cannot look that up at the moment. "
            "Please try again in a little while, or ask for a person."
        )


def tool_missing(language: str) -> str:
    """There is no such thing among what is the customer's."""
    with translation.override(language):
        return gettext(
            "I found nothing like that in your account. Please check the number, or ask for a person."
        )


def tool_refused(language: str) -> str:
    """The other system will not do it."""
    with translation.override(language):
        return gettext("That cannot be changed any more. If you like, ask for a person.")


def change_done(language: str) -> str:
    """A confirmed change was made."""
    with translation.override(language):
        return gettext("Done: it was changed as you confirmed.")


def change_failed(language: str) -> str:
    """A confirmed change was not made."""
    with translation.override(language):
        return gettext(
            "I am sorry, that did not work; nothing was changed. "
            "Please try again later, or ask for a person."
        )


def change_uncertain(language: str) -> str:
    """Nobody can tell whether a confirmed change was made."""
    with translation.override(language):
        return gettext(
            "I cannot tell whether the change was made: the shop's system did not answer. "
            "Please look in your account before you try again, or ask for a person."
        )


def change_cancelled(language: str) -> str:
    """The customer did not want the change."""
    with translation.override(language):
        return gettext("Cancelled. Nothing was changed.")


def person_called(language: str) -> str:
    """The customer is handed to a person."""
    with translation.override(language):
        return gettext("You are in the queue for a person. Somebody will answer here soon.")
