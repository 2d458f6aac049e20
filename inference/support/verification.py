"""Asks the chat model whether an extract of a document answers the question.

Words and vectors find what is near; whether it answers is a matter of reading. One prefill for each
extract, no decoding: the log-odds of "yes" against "no" move the extract's probability.

How much they move it depends on how well the model reads. That is measured once for each model and
language by short texts whose questions are known to be answered or not (``reading_pairs.toml``): a
logistic regression with a ridge, whose slope is near 0 for a model that says yes to everything.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from inference.chat import ChatClient, ChatMessage, Priority
from inference.support.passages import SupportPassage

# Extracts that are read; the others keep their probability.
VERIFIED_MOST: Final = 2
# The texts of the measure are easier than a customer's: the slope that they give is too steep.
_SLOPE_SHARE: Final = 0.5
_SLOPE_MOST: Final = 1.0
_RIDGE: Final = 2.0
_PAIRS: Final = Path(__file__).with_name("reading_pairs.toml")


@dataclass(frozen=True, slots=True)
class _Wording:
    system: str
    user: str
    yes: str
    no: str


_WORDINGS: Final = {
    "zh-hans": _Wording(
        "判断资料里有没有写出问题的答案。有就只回答“有”，没有就只回答“无”。",
        "资料：{text}\n问题：{question}\n资料里写出这个问题的答案了吗？",
        "有",
        "无",
    ),
    "en": _Wording(
        "Tell whether the text states the answer to the question. Reply only yes or no.",
        "Text: {text}\nQuestion: {question}\nDoes the text state the answer to this question?",
        "yes",
        "no",
    ),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How a model's log-odds count: ``slope`` times their distance from ``neutral``."""

    slope: float
    neutral: float

    @classmethod
    def fitted(cls, answered: Sequence[float], unanswered: Sequence[float]) -> Reading:
        """From log-odds of questions that are answered and that are not."""
        odds = np.array([*answered, *unanswered], dtype=np.float64)
        truth = np.array([1.0] * len(answered) + [0.0] * len(unanswered))
        neutral = (np.mean(answered) + np.mean(unanswered)) / 2
        moved = odds - neutral
        slope = 0.0
        for _ in range(50):  # Newton's method, one parameter
            said = 1 / (1 + np.exp(-slope * moved))
            gradient = float(moved @ (truth - said)) - _RIDGE * slope
            slope += gradient / (float(moved**2 @ (said * (1 - said))) + _RIDGE)
        return cls(min(_SLOPE_MOST, max(0.0, _SLOPE_SHARE * slope)), float(neutral))


class ExtractReader:
    """Has a model read extracts; how well it reads is measured once for each language.

    ``seconds``: how long one look of the model may take.
    """

    def __init__(self, client: ChatClient, *, seconds: float) -> None:
        self._client = client
        self._seconds = seconds
        self._readings: dict[str, Reading] = {}
        self._said: dict[str, dict[tuple[str, str], float]] = {}

    async def reading(self, language: str) -> Reading:
        """How the model's word counts in a language; a dozen looks at the first call.

        Raises:
            EngineError: as ``ChatClient.next_logprobs``.
        """
        language = _known(language)
        if language not in self._readings:
            pairs = tomllib.loads(_PAIRS.read_text(encoding="utf-8"))["pair"]
            said = self._said.setdefault(language, {})
            for pair in pairs:
                for kind in ("answered", "unanswered"):
                    key = (kind, pair["text"])
                    # What is known stays known: a caller with little time breaks off and comes back.
                    if pair["language"] == language and key not in said:
                        said[key] = await self._log_odds(pair[kind], pair["text"], language)
            self._readings[language] = Reading.fitted(
                *([odds for (kind, _), odds in said.items() if kind == one]
                  for one in ("answered", "unanswered"))
            )  # fmt: skip
        return self._readings[language]

    async def verified(
        self, question: str, passages: Sequence[SupportPassage], language: str
    ) -> tuple[SupportPassage, ...]:
        """The passages, extracts with what the model says of them, the likeliest first.

        Passages without an extract keep their probability.

        Raises:
            EngineError: as ``ChatClient.next_logprobs``.
        """
        reading = await self.reading(language)
        if reading.slope == 0.0:
            return tuple(passages)
        read: list[SupportPassage] = []
        asked = 0
        for passage in passages:
            if not passage.extract or passage.probability is None or asked == VERIFIED_MOST:
                read.append(passage)
                continue
            asked += 1
            odds = await self._log_odds(question, passage.extract, language)
            logit = math.log(passage.probability / (1 - passage.probability))
            logit += reading.slope * (odds - reading.neutral)
            read.append(replace(passage, probability=1 / (1 + math.exp(-logit))))
        return tuple(sorted(read, key=lambda passage: -(passage.probability or 0.0)))

    async def _log_odds(self, question: str, text: str, language: str) -> float:
        """The model's log-odds of yes; 0 where a server names neither word."""
        wording = _WORDINGS[_known(language)]
        messages = [
            ChatMessage("system", wording.system),
            ChatMessage("user", wording.user.format(text=text, question=question)),
        ]
        found = await self._client.next_logprobs(
            messages, (wording.yes, wording.no), timeout=self._seconds, priority=Priority.ANSWER
        )
        if wording.yes not in found and wording.no not in found:
            return 0.0
        # A word that is not among the most probable ones is less probable than those.
        least = min(found.values()) - 1.0
        return found.get(wording.yes, least) - found.get(wording.no, least)


def _known(language: str) -> str:
    return "en" if language == "en" else "zh-hans"
