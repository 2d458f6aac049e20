"""Has the chat model name the answer in the extracts of documents.

Words and vectors find what is near; whether it answers is a matter of reading. Asked whether a text
answers, a small model says yes to nearly everything. Asked for the answer itself, in the words of
the text, it seldom finds one where there is none. So the likeliest extracts are read together, once
and for a few words: an extract that holds these words is likelier to answer, the others are less.

How much that counts depends on how well the model reads. That is measured once for each model and
language by short texts whose questions are known to be answered or not (``reading_pairs.toml``).
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from inference.chat import ChatClient, ChatMessage, GenerationParameters, Priority
from inference.support.passages import SupportPassage
from inference.support.questions import Wanted, question_of
from inference.text.normalisation import text_normalise

# Extracts that are read; the others keep their probability.
VERIFIED_MOST: Final = 3
# Tokens of the answer: enough for a name, a date or a price.
_ANSWER: Final = GenerationParameters(max_tokens=16)
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


class ExtractReader:
    """Has a model read extracts; how well it reads is measured once for each language.

    ``seconds``: how long one look of the model may take.
    """

    def __init__(self, client: ChatClient, *, seconds: float) -> None:
        self._client = client
        self._seconds = seconds
        self._readings: dict[str, Reading] = {}
        self._tried: dict[str, dict[tuple[str, str], bool]] = {}

    async def reading(self, language: str) -> Reading:
        """How the model's word counts in a language; a dozen looks at the first call.

        Raises:
            EngineError: as ``ChatClient.stream``.
        """
        language = _known(language)
        if language not in self._readings:
            pairs = tomllib.loads(_PAIRS.read_text(encoding="utf-8"))["pair"]
            tried = self._tried.setdefault(language, {})
            for pair in pairs:
                for kind in ("answered", "unanswered"):
                    key = (kind, pair["text"])
                    # What is known stays known: a caller with little time breaks off and comes back.
                    if pair["language"] == language and key not in tried:
                        tried[key] = 0 in await self._holding(pair[kind], [pair["text"]], language)
            self._readings[language] = Reading.measured(
                *([found for (kind, _), found in tried.items() if kind == one]
                  for one in ("answered", "unanswered"))
            )  # fmt: skip
        return self._readings[language]

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
        reading = await self.reading(language)
        holding = await self._holding(question, [passage.extract for passage in read], language)
        moved = {
            passage.id: _moved(passage, reading.found if place in holding else reading.missed)
            for place, passage in enumerate(read)
        }
        return tuple(
            sorted(
                (moved.get(passage.id, passage) for passage in passages),
                key=lambda passage: -(passage.probability or 0.0),
            )
        )

    async def _holding(self, question: str, texts: Sequence[str], language: str) -> set[int]:
        """The places of the texts that hold what the model names as the answer."""
        wording = _WORDINGS[_known(language)]
        messages = [
            ChatMessage("system", wording.system),
            ChatMessage("user", wording.user.format(text="\n".join(texts), question=question)),
        ]
        named = ""
        chunks = self._client.stream(
            messages, _ANSWER, timeout=self._seconds, priority=Priority.ANSWER
        )
        async with aclosing(chunks):
            async for chunk in chunks:
                named += chunk.text
        words = _bare(named, language)
        # What the question says itself is no answer to it.
        if not words or words in wording.nothing or words in _bare(question, language):
            return set()
        stands = re.compile(rf"(?<![0-9a-z]){re.escape(words)}(?![0-9a-z])")
        return {place for place, text in enumerate(texts) if stands.search(_bare(text, language))}


def _moved(passage: SupportPassage, by: float) -> SupportPassage:
    probability = passage.probability or 0.0
    odds = probability / (1 - probability) * math.exp(by)
    return replace(passage, probability=odds / (1 + odds))


def _bare(text: str, language: str) -> str:
    """Words and numbers alone; Chinese without spaces."""
    return _SIGNS.sub(" " if language == "en" else "", text_normalise(text)).strip()


def _known(language: str) -> str:
    return "en" if language == "en" else "zh-hans"
