"""Prompts of a given length in the form that the desk sends, from the demo shop's knowledge."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.desk import BASE_DIR

DEFAULTS = BASE_DIR / "knowledge" / "defaults"
LANGUAGES = ("en", "zh-hans")
# What is asked makes a model write on for as long as it may, nearly always.
_WORDS = {
    "en": ("Facts:", "Copy all of the facts above, one after the other, word by word."),
    "zh-hans": ("资料：", "请把上面的资料从头到尾逐字抄写一遍。"),
}

Messages = list[dict[str, str]]
Count = Callable[[Messages], int]


@dataclass(frozen=True, slots=True)
class BenchPrompt:
    """``tokens`` as the model's tokenizer counts them, the template's own included."""

    language: str
    messages: Messages
    tokens: int


def fixed_head(language: str) -> str:
    """The instructions of the answer prompt that ships with the product."""
    path = DEFAULTS / "prompts.toml"
    for prompt in tomllib.loads(path.read_text(encoding="utf-8"))["prompt"]:
        if prompt["role"] == "answer" and prompt["language"] == language:
            return str(prompt["system"]).strip()
    raise LookupError(f"no default answer prompt in {language}")


def prompts_make(count: Count, *, tokens: int, number: int) -> list[BenchPrompt]:
    """``number`` different prompts of at most ``tokens`` tokens, languages by turns.

    The fixed instructions begin each; what follows them differs from the first word on.
    """
    return [
        _prompt_make(count, LANGUAGES[index % len(LANGUAGES)], index, tokens)
        for index in range(number)
    ]


def _prompt_make(count: Count, language: str, index: int, tokens: int) -> BenchPrompt:
    path = DEFAULTS / f"demo_entries.{language}.toml"
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["entry"]
    turned = itertools.islice(itertools.cycle(entries), index, index + 10 * len(entries))
    # Short pieces, so that the length can be met closely.
    pieces = [f"{row['question']} {row['answer']}" for row in turned]
    facts: list[str] = []
    best: BenchPrompt | None = None
    for piece in pieces:
        facts.append(piece)
        messages = _messages(language, index, facts)
        size = count(messages)
        if size > tokens:
            facts[-1] = _cut(piece, tokens - (best.tokens if best else 0), language)
            messages = _messages(language, index, facts)
            size = count(messages)
            return BenchPrompt(language, messages, size) if size <= tokens or not best else best
        best = BenchPrompt(language, messages, size)
    raise ValueError(f"the demo knowledge is too short for {tokens} tokens")


def _cut(piece: str, tokens: int, language: str) -> str:
    """About the first ``tokens`` tokens of a text, at the end of a word."""
    characters = max(tokens - 8, 0) * (4 if language == "en" else 1)
    return piece[:characters].rpartition(" ")[0] if language == "en" else piece[:characters]


def _messages(language: str, index: int, facts: list[str]) -> Messages:
    title, question = _WORDS[language]
    lines = [f"[{number}] {fact}" for number, fact in enumerate(facts, start=1)]
    user = "\n".join([f"{index + 1}. {title}", *lines, "", question])
    return [
        {"role": "system", "content": fixed_head(language)},
        {"role": "user", "content": user},
    ]
