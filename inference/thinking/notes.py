"""Reasoning with models whose template knows none: first notes, then the answer with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inference.chat import ChatMessage
from inference.text.language import EN, ZH_HANS, language_of


@dataclass(frozen=True, slots=True)
class _Wording:
    """``given`` has a place for the notes. Small models answer in the language of the last words
    that they read, so there is one wording for each."""

    asked: str
    given: str


_WORDINGS = {
    EN: _Wording(
        asked=(
            "Do not answer yet. First think it through in short notes for yourself: which of the"
            " facts above matter, what follows from each, and what you conclude. Call no function"
            " yet."
        ),
        given=(
            "Your notes, which nobody else sees:\n\n{notes}\n\nNow answer my message, in English."
            " Rely on the facts above, use your notes, and do not mention them."
        ),
    ),
    ZH_HANS: _Wording(
        asked=(
            "先不要回答。请先为自己写下简短的思考笔记：上面哪些事实相关，由此能得出什么，结论是什么。"
            "暂时不要调用函数。"
        ),
        given=(
            "你的笔记（别人看不到）：\n\n{notes}\n\n现在请用中文回答我的问题。以上面的事实为准，参考"
            "笔记，但不要提到笔记。"
        ),
    ),
}


def notes_ask(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """The prompt that makes a model write down what it thinks about the last message."""
    return [*messages, ChatMessage("user", _wording(messages).asked)]


def notes_give(messages: Sequence[ChatMessage], notes: str) -> list[ChatMessage]:
    """The prompt for the answer, with what the model has thought."""
    given = _wording(messages).given.format(notes=notes)
    return [*messages, ChatMessage("user", given)]


def _wording(messages: Sequence[ChatMessage]) -> _Wording:
    asked = [message.content for message in messages if message.role == "user"]
    return _WORDINGS[language_of(asked[-1] if asked else "", default=EN)]
