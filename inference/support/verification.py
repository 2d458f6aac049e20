"""Has the chat model name the answer in the extracts of documents.

Words and vectors find what is near; whether it answers is a matter of reading. Asked whether a text
answers, a small model says yes to nearly everything. Asked for the answer itself, in the words of
the text, it seldom finds one where there is none. So the likeliest extracts are read together, once
and for a few words: an extract that holds these words is likelier to answer, the others are less.

How much that counts depends on how well the model reads. That is measured once for each model and
language, beside the customers' questions, by short texts whose questions are known to be answered
or not (``reading_pairs.toml``).
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
import tomllib
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from inference.chat import (
    ChatClient,
    ChatMessage,
    EngineIdentity,
    GenerationParameters,
    Priority,
)
from inference.errors import EngineError
from inference.support.passages import SupportPassage
from inference.support.questions import Wanted, question_of
from inference.text.normalisation import text_normalise

logger = logging.getLogger(__name__)

# Extracts that are read; the others keep their probability.
VERIFIED_MOST: Final = 3
# Tokens of the answer: enough for a name, a date or a price.
_ANSWER: Final = GenerationParameters(max_tokens=16)
# How long a text of the measure may take; nobody waits for it.
_MEASURE_SECONDS: Final = 30.0
# The texts of the measure are easier than a customer's: what they tell is too much.
_SHARE: Final = 0.5
_PAIRS: Final = Path(__file__).with_name("reading_pairs.toml")
# "Yes" or a list of steps does not stand in the text in these words.
_NOT_IN_WORDS: Final = frozenset({Wanted.YES_NO, Wanted.PROCEDURE})
# A comma or a point within a number is part of it.
_SIGNS: Final = re.compile(r"(?<!\d)[\W_]+|[\W_]+(?!\d)")


@dataclass(frozen=True, slots=True)
class _Wording:
    """``nothing`` are the words by which a model says that there is no answer."""

    system: str
    user: str
    nothing: frozenset[str]


_WORDINGS: Final = {
    "zh-hans": _Wording(
        "只根据资料回答问题。只写答案本身，照抄资料里的词，不超过十个字。资料里没有写出答案时，只写：无。",
        "资料：\n{text}\n\n问题：{question}\n答案：",
        frozenset({"无", "没有"}),
    ),
    "en": _Wording(
        "Answer the question from the text only. Write the answer itself, in the words of the text, "
        "at most five words. If the text does not state the answer, write only: none.",
        "Text:\n{text}\n\nQuestion: {question}\nAnswer:",
        frozenset({"none", "no"}),
    ),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What it tells that a model finds an answer in a text (``found``), and that it does not
    (``missed``): logarithms of likelihood ratios, at least and at most 0."""

    found: float
    missed: float

    @classmethod
    def measured(cls, answered: Sequence[bool], unanswered: Sequence[bool]) -> Reading:
        """From whether something was found for questions that are answered and that are not.

        Shares are smoothed by one of each (Laplace), so that a few texts never tell everything.
        """
        right = (sum(answered) + 1) / (len(answered) + 2)
        wrong = (sum(unanswered) + 1) / (len(unanswered) + 2)
        return cls(
            found=max(0.0, _SHARE * math.log(right / wrong)),
            missed=min(0.0, _SHARE * math.log((1 - right) / (1 - wrong))),
        )


UNMEASURED: Final = Reading(found=0.35, missed=-0.46)
"""Until it is measured: as the default model reads English, which it reads worse than Chinese."""


@dataclass(frozen=True, slots=True)
class _Look:
    """The places of the texts that hold what the model named, and whose word it is."""

    places: frozenset[int]
    engine: EngineIdentity | None


class ExtractReader:
    """Has a model read extracts; how well it reads is measured once for each model and language.

    ``seconds``: how long one look of the model may take.
    """

    def __init__(self, client: ChatClient, *, seconds: float) -> None:
        self._client = client
        self._seconds = seconds
        # The model may be another one from one answer to the next: who said it comes with the answer.
        self._last: EngineIdentity | None = None
        self._readings: dict[tuple[EngineIdentity | None, str], Reading] = {}
        self._tried: dict[tuple[EngineIdentity | None, str], dict[tuple[str, str], bool]] = {}
        self._measuring: dict[str, asyncio.Task[None]] = {}

    async def reading(self, language: str) -> Reading:
        """How the word of the model that answered last counts; a dozen looks at the first call.

        Raises:
            EngineError: as ``ChatClient.stream``. What was measured until then stays known.
        """
        language = _known(language)
        while (reading := self._readings.get((self._last, language))) is None:
            await self._measure(language)
        return reading

    async def verified(
        self, question: str, passages: Sequence[SupportPassage], language: str
    ) -> tuple[SupportPassage, ...]:
        """The passages, extracts with what the model found in them, the likeliest first.

        Passages without an extract keep their probability; all of them do where the question
        wants no few words of the text.

        Raises:
            EngineError: as ``ChatClient.stream``.
        """
        read = [p for p in passages if p.extract and p.probability is not None][:VERIFIED_MOST]
        if not read or question_of(question, language).wanted in _NOT_IN_WORDS:
            return tuple(passages)
        texts = [passage.extract for passage in read]
        look = await self._look(question, texts, language, Priority.ANSWER)
        reading = self._readings.get((look.engine, _known(language)))
        if reading is None:
            reading = UNMEASURED
            self._measure_beside(_known(language))
        moved = {
            passage.id: _moved(passage, reading.found if place in look.places else reading.missed)
            for place, passage in enumerate(read)
        }
        return tuple(
            sorted(
                (moved.get(passage.id, passage) for passage in passages),
                key=lambda passage: -(passage.probability or 0.0),
            )
        )

    def _measure_beside(self, language: str) -> None:
        running = self._measuring.get(language)
        if running is None or running.done():
            self._measuring[language] = asyncio.create_task(self._measure_or_leave(language))

    async def _measure_or_leave(self, language: str) -> None:
        try:
            await self._measure(language)
        except EngineError as error:
            logger.info("How the model reads was not measured; the next question tries: %s", error)

    async def _measure(self, language: str) -> None:
        """Ask of the texts that the model was not asked of; then its reading is known, unless
        another model took its place meanwhile."""
        pairs = tomllib.loads(_PAIRS.read_text(encoding="utf-8"))["pair"]
        wanted = [
            (kind, pair)
            for pair in pairs
            if pair["language"] == language
            for kind in ("answered", "unanswered")
        ]
        for kind, pair in wanted:
            key = (kind, pair["text"])
            if key not in self._tried.get((self._last, language), ()):
                look = await self._look(pair[kind], [pair["text"]], language, Priority.BACKGROUND)
                tried = self._tried.setdefault((look.engine, language), {})
                tried[key] = bool(look.places)
        tried = self._tried.get((self._last, language), {})
        if len(tried) == len(wanted):
            self._readings[self._last, language] = Reading.measured(
                *([found for (kind, _), found in tried.items() if kind == one]
                  for one in ("answered", "unanswered"))
            )  # fmt: skip

    async def _look(
        self, question: str, texts: Sequence[str], language: str, priority: Priority
    ) -> _Look:
        """Has the model name the answer in the texts."""
        wording = _WORDINGS[_known(language)]
        messages = [
            ChatMessage("system", wording.system),
            ChatMessage("user", wording.user.format(text="\n".join(texts), question=question)),
        ]
        named, engine = "", None
        seconds = self._seconds if priority is Priority.ANSWER else _MEASURE_SECONDS
        chunks = self._client.stream(messages, _ANSWER, timeout=seconds, priority=priority)
        async with aclosing(chunks):
            async for chunk in chunks:
                named += chunk.text
                engine = chunk.engine or engine
        self._last = engine
        words = _bare(named, language)
        # What the question says itself is no answer to it.
        if not words or words in wording.nothing or words in _bare(question, language):
            return _Look(frozenset(), engine)
        stands = re.compile(rf"(?<![0-9a-z]){re.escape(words)}(?![0-9a-z])")
        places = [place for place, text in enumerate(texts) if stands.search(_bare(text, language))]
        return _Look(frozenset(places), engine)


def _moved(passage: SupportPassage, by: float) -> SupportPassage:
    probability = passage.probability or 0.0
    odds = probability / (1 - probability) * math.exp(by)
    return replace(passage, probability=odds / (1 + odds))


def _bare(text: str, language: str) -> str:
    """Words and numbers alone; Chinese without spaces."""
    return _SIGNS.sub(" " if language == "en" else "", text_normalise(text)).strip()


def _known(language: str) -> str:
    return "en" if language == "en" else "zh-hans"
