"""Keywords of a message: named by the chat model, kept only where they stand in the message."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from inference.chat import ChatClient, ChatMessage, GenerationParameters, Priority
from inference.errors import EngineError
from inference.text.normalisation import text_normalise
from inference.text.segmentation import STOP_WORDS, words_of

KEYWORDS_MOST: Final = 5
_LENGTH_MOST: Final = 30
_SEPARATOR = re.compile(r"[,，、;；\n|/]+|\s{2,}")
_EDGES = " \t\r\"'“”‘’「」.。:：-*#0123456789)）(（"


async def keywords_name(
    chat: ChatClient | None,
    messages: Sequence[ChatMessage],
    text: str,
    *,
    parameters: GenerationParameters,
    timeout: float,  # noqa: ASYNC109  the request carries it to the engine
) -> list[str]:
    """At most five keywords of a text, in the order in which they stand there.

    ``messages`` is the prompt. Where the model is away, or names nothing that the text has, the
    text's own telling words are taken.
    """
    if chat is not None:
        try:
            stream = chat.stream(messages, parameters, timeout=timeout, priority=Priority.LABEL)
            answer = "".join([chunk.text async for chunk in stream])
        except EngineError:
            answer = ""
        if found := keywords_validate(answer, text):
            return found
    return keywords_of(text)


def keywords_validate(answer: str, text: str) -> list[str]:
    """The keywords of an answer that occur in the text; others the model made up."""
    folded = text_normalise(text)
    places: dict[str, int] = {}
    for piece in _SEPARATOR.split(answer):
        word = text_normalise(piece.strip(_EDGES)).strip()
        if not word or len(word) > _LENGTH_MOST or word in STOP_WORDS or word in places:
            continue
        if (place := _place(word, folded)) >= 0:
            places[word] = place
    return sorted(places, key=places.__getitem__)[:KEYWORDS_MOST]


def keywords_of(text: str) -> list[str]:
    """The words of a text that say most: not glue, longer and repeated ones first."""
    words = [word for word in words_of(text) if len(word) > 1 and word not in STOP_WORDS]
    counts = Counter(words)
    best = sorted(counts, key=lambda word: (-counts[word], -len(word), words.index(word)))
    return sorted(best[:KEYWORDS_MOST], key=words.index)


def _place(word: str, folded: str) -> int:
    """Where a word stands in the text as a whole word; -1 for nowhere."""
    if not word.isascii():
        return folded.find(word)
    found = re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", folded)
    return found.start() if found else -1
