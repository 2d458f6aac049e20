"""``evaluate grounded``: questions with documents, by the path that a customer's question takes.

Passages that speak of what is asked, trimmed; the default prompt; the engine, greedy; the support
check; then the answer, the passage's own words, or "cannot confirm".
"""

from __future__ import annotations

import random
import statistics
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from inference.chat import GenerationParameters
from inference.prompts.rendering import PromptSource, prompt_render
from inference.support.check import SupportCheck, SupportPassage
from inference.support.fallback import own_words
from inference.support.trimming import passages_prepared
from supportdesk.evaluation.engines import Generate
from supportdesk.evaluation.judge import is_refusal, is_unsupported, plain
from supportdesk.evaluation.rows import Row, Score, text_list

_NEGATIVES = 4
# Documents, not curated entries: more of them, each cut to what matters.
_PASSAGES = 5
_PASSAGE_CHARACTERS = {"zh-hans": 120, "en": 240}
_SEED = 20240601


@dataclass(frozen=True, slots=True)
class GroundedAnswer:
    """``text`` is None for "cannot confirm"; ``step`` tells what decided."""

    text: str | None
    step: str


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
    prompt: DefaultPrompt,
    generate: Generate,
) -> GroundedAnswer:
    """Answer from documents, or say that it cannot be confirmed."""
    passages = passages_prepared(
        question,
        documents,
        language,
        limit=_PASSAGES,
        max_characters=_PASSAGE_CHARACTERS[language],
    )
    if not passages:
        return GroundedAnswer(None, "not_in_knowledge")
    variables = {
        "passages": [{"id": p.id, "question": p.question, "answer": p.answer} for p in passages],
        "history": [],
        "question": question,
        "current_time": time.strftime("%Y-%m-%d %H:%M"),
        "user_region": "",
        "shop_name": "",
        "language": language,
    }
    messages = prompt_render(prompt.source, variables)
    text = (await generate(messages, prompt.parameters)).strip()
    verdict = SupportCheck(question=question, passages=documents, language=language).answer(text)
    if verdict.supported and not verdict.refusal:
        return GroundedAnswer(text, "generated")
    own = None if verdict.refusal else own_words(question, documents, language)
    if own is not None:
        return GroundedAnswer(own.text, "own_words")
    return GroundedAnswer(None, "refused" if verdict.refusal else "unsupported")


def is_right(answer: str, groups: Sequence[Sequence[str]]) -> bool:
    """Whether one alternative of every group stands in the answer."""
    said = plain(answer).replace(" ", "")
    return all(any(plain(a).replace(" ", "") in said for a in group) for group in groups)


async def grounded_score(name: str, rows: Sequence[Row], generate: Generate) -> Score:
    """Accuracy with one positive and four negative documents, refusals with negatives only.

    ``unsupported_rate`` is over all answers that were given, judged by ``judge.is_unsupported``
    against the documents. The order of the documents is shuffled with a fixed seed.
    """
    shuffle = random.Random(_SEED)  # noqa: S311 no secret
    right: list[bool] = []
    refused: list[bool] = []
    unsupported: list[bool] = []
    steps: dict[str, int] = {}
    times: list[float] = []
    for row in rows:
        language = "en" if row["lang"] == "en" else "zh-hans"
        prompt = default_prompt(language)
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
            answer = await grounded_answer(row["question"], documents, language, prompt, generate)
            times.append((time.perf_counter() - started) * 1000)
            given = answer.text is not None and not is_refusal(answer.text)
            key = f"{'positive' if positive else 'negative'}_{answer.step}"
            steps[key] = steps.get(key, 0) + 1
            if positive:
                right.append(given and is_right(answer.text or "", row["answers"]))
            else:
                refused.append(not given)
            if given:
                unsupported.append(is_unsupported(answer.text or "", texts, row["question"]))
    metrics = {
        "accuracy": _mean(right),
        "refusal_rate": _mean(refused),
        "unsupported_rate": _mean(unsupported),
    }
    metrics |= {f"share_{step}": count / len(times) for step, count in sorted(steps.items())}
    return Score("grounded", name, len(rows), metrics, statistics.median(times) if times else 0.0)


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 0.0
