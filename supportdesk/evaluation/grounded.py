"""``evaluate grounded``: questions with documents, by the path that a customer's question takes.

The extracts of the documents, by words and vectors, read by the model; then the one that answers, word
for word, or "cannot confirm".
"""

from __future__ import annotations

import math
import random
import re
import statistics
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from inference.chat import GenerationParameters
from inference.engines.encoder import EncoderEngine
from inference.prompts.rendering import PromptSource
from inference.support.extracts import (
    EXTRACT_MOST,
    passages_extracted,
    quotation_of,
    text_length,
    texts_compared,
)
from inference.support.passages import SupportPassage
from inference.support.verification import ExtractReader
from supportdesk.evaluation.judge import is_refusal, is_unsupported, plain
from supportdesk.evaluation.rows import Row, Score, text_list

_NEGATIVES = 4
# Marks of sources are links on the page, no words of the answer.
_MARKS = re.compile(r" ?\[\d\]")
_SEED = 20240601


@dataclass(frozen=True, slots=True)
class GroundedAnswer:
    """``text``, without marks of sources, is None for "cannot confirm"; ``step`` tells what decided.

    ``probability`` is that of the likeliest extract.
    """

    text: str | None
    step: str
    probability: float


@dataclass(frozen=True, slots=True)
class GroundedOutcome:
    """What came of one question; ``row`` is its place among the rows that were asked, from 0.

    ``positive``: the answer was among the documents. Of the rows' own words nothing is kept.
    """

    set: str
    row: int
    positive: bool
    given: bool
    right: bool
    unsupported: bool
    probability: float
    milliseconds: float


class GroundedTools:
    """The encoder, and the reading of extracts (None: words and vectors decide alone).

    Vectors are kept: most documents are asked about twice. ``model`` names the reader's model.
    """

    def __init__(
        self, encoder: EncoderEngine, reader: ExtractReader | None, model: str = ""
    ) -> None:
        self._encoder = encoder
        self.reader = reader
        self.model = model
        self._vectors: dict[str, NDArray[np.float32]] = {}

    async def cosines(self, question: str, texts: Sequence[str]) -> dict[str, float]:
        """Of the question with each text."""
        new = [text for text in texts if text not in self._vectors]
        if new:
            vectors = await self._encoder.embed(new, "passage")
            self._vectors.update(zip(new, vectors, strict=True))
        [asked] = await self._encoder.embed([question], "query")
        return {text: float(self._vectors[text] @ asked) for text in texts}


@dataclass(frozen=True, slots=True)
class DefaultPrompt:
    """A prompt with the way to decode its answer."""

    source: PromptSource
    parameters: GenerationParameters


def default_prompt(language: str) -> DefaultPrompt:
    """The answer prompt that ships with the product."""
    path = Path(settings.BASE_DIR) / "knowledge" / "defaults" / "prompts.toml"
    for prompt in tomllib.loads(path.read_text(encoding="utf-8"))["prompt"]:
        if prompt["role"] == "answer" and prompt["language"] == language:
            parameters = GenerationParameters(
                max_tokens=prompt["max_tokens"],
                temperature=prompt["temperature"],
                top_p=prompt["top_p"],
                repetition_penalty=prompt["repetition_penalty"],
            )
            return DefaultPrompt(PromptSource(prompt["system"], prompt["user"]), parameters)
    raise LookupError(f"no default answer prompt in {language}")


async def grounded_answer(
    question: str,
    documents: Sequence[SupportPassage],
    language: str,
    tools: GroundedTools,
) -> GroundedAnswer:
    """Answer from documents, or say that it cannot be confirmed."""
    cosines = await tools.cosines(question, texts_compared(documents))
    passages = passages_extracted(question, documents, language, cosines)
    if tools.reader is not None:
        await tools.reader.reading(language)
        passages = await tools.reader.verified(question, passages, language)
    likeliest = max((p.probability or 0.0 for p in passages if p.extract), default=0.0)
    quotation = quotation_of(passages, language)
    if quotation is None:
        return GroundedAnswer(None, "not_in_knowledge", likeliest)
    return GroundedAnswer(_MARKS.sub("", quotation.text), "quoted", likeliest)


def is_right(answer: str, groups: Sequence[Sequence[str]]) -> bool:
    """Whether one alternative of every group stands in the answer."""
    said = plain(answer).replace(" ", "")
    return all(any(plain(a).replace(" ", "") in said for a in group) for group in groups)


async def grounded_score(
    name: str,
    rows: Sequence[Row],
    tools: GroundedTools,
    tell: Callable[[GroundedOutcome], None] = lambda outcome: None,
) -> Score:
    """Accuracy with one positive and four negative documents, refusals with negatives only.

    ``unsupported_rate`` is over all answers that were given, judged by ``judge.is_unsupported``
    against the documents, ``too_long_rate`` the share longer than an answer may be. ``_low`` and
    ``_high`` are a 95 % interval (Wilson). The order of the documents is shuffled with a fixed seed.
    ``tell`` hears of each question when it is done.
    """
    shuffle = random.Random(_SEED)  # noqa: S311 no secret
    outcomes: list[GroundedOutcome] = []
    too_long: list[bool] = []
    steps: Counter[str] = Counter()
    for number, row in enumerate(rows):
        language = "en" if row["lang"] == "en" else "zh-hans"
        negatives = list(text_list(row, "negative"))
        for positive in (True, False):
            texts = negatives[:_NEGATIVES] if positive else negatives[: _NEGATIVES + 1]
            if positive:
                texts = [*text_list(row, "positive")[:1], *texts]
            elif not texts:
                continue
            shuffle.shuffle(texts)
            documents = [SupportPassage(f"D{i}", "", text) for i, text in enumerate(texts)]
            started = time.perf_counter()
            answer = await grounded_answer(row["question"], documents, language, tools)
            took = (time.perf_counter() - started) * 1000
            said = answer.text or ""
            given = bool(said) and not is_refusal(said)
            if given:
                too_long.append(text_length(said, language) > EXTRACT_MOST[language])
            steps[f"{'positive' if positive else 'negative'}_{answer.step}"] += 1
            outcomes.append(
                GroundedOutcome(
                    name,
                    number,
                    positive,
                    given,
                    right=positive and given and is_right(said, row["answers"]),
                    unsupported=given and is_unsupported(said, texts, row["question"]),
                    probability=round(answer.probability, 4),
                    milliseconds=round(took, 1),
                )
            )
            tell(outcomes[-1])
    right = [each.right for each in outcomes if each.positive]
    refused = [not each.given for each in outcomes if not each.positive]
    metrics = {
        "accuracy": _mean(right),
        "refusal_rate": _mean(refused),
        "unsupported_rate": _mean([each.unsupported for each in outcomes if each.given]),
        "too_long_rate": _mean(too_long),
        **_interval("accuracy", right),
        **_interval("refusal_rate", refused),
    }
    metrics |= {f"share_{step}": count / len(outcomes) for step, count in sorted(steps.items())}
    middle = statistics.median(each.milliseconds for each in outcomes) if outcomes else 0.0
    return Score("grounded", name, len(rows), metrics, middle, tools.model)


def _interval(name: str, values: Sequence[bool]) -> dict[str, float]:
    """Wilson's 95 % interval of a share (Wilson 1927)."""
    n, z = len(values), 1.96
    if not n:
        return {}
    share = sum(values) / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return {f"{name}_low": middle - half, f"{name}_high": middle + half}


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 0.0
