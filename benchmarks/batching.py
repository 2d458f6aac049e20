"""``python -m benchmarks.batching``: what batches and kept prefixes bring, side by side in one run.

The engine runs in this process, without HTTP. The same questions go, in turn, through a scheduler
that runs one request at a time, one that runs batches, and one that runs batches and keeps the
instructions read; closed-loop clients ask the next question as soon as the last is answered.
The share of texts that are not what the same prompt gets alone (one by one) is counted as well: in int8, reading
a prompt in other pieces rounds differently.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engine import FILLER
from benchmarks.tables import table_print
from inference.chat import ChatMessage, GenerationParameters
from inference.engines.generator import GeneratorEngine
from inference.engines.protocol import Prompt
from inference.scheduler import BatchLimits, Scheduler
from inference.weights.manifest import manifest_read
from inference.weights.store import model_find

RULES = ChatMessage(
    "system",
    "You are the polite support assistant of an online shop. Copy from the facts the sentence that"
    " answers the customer's question, at most 100 words. Change nothing and add nothing; what the"
    " facts do not say you cannot confirm. If an order number is missing, ask for it.",
)
MODES = ("one by one", "batches", "batches and prefix")


@dataclass(frozen=True, slots=True)
class Taken:
    """One answer: its text, and seconds to the first token and to the end."""

    prompt: Prompt
    text: str
    first: float
    total: float


def prompts_make(engine: GeneratorEngine, tokens: int, count: int) -> list[Prompt]:
    """Different prompts of about ``tokens`` tokens, give or take a tenth."""
    made = []
    for number in range(count):
        text, wanted = f"Order {number}. ", tokens * (90 + 20 * (number % 5) // 4) // 100
        while True:
            question = ChatMessage("user", f"{text}Retell this in many words.")
            prompt = engine.prompt_encode([RULES, question])
            if len(prompt.token_ids) >= wanted:
                made.append(prompt)
                break
            text += f"Shelf {len(text)}: {FILLER[: 30 + 7 * (number % 5)]} "
    return made


async def clients_run(
    engine: GeneratorEngine,
    mode: str,
    prompts: Sequence[Prompt],
    clients: int,
    *,
    answer_tokens: int,
) -> tuple[float, list[Taken]]:
    """Seconds for all prompts, and the answers."""
    limits = BatchLimits(answers=1) if mode == "one by one" else None
    engine.prefixes_set([[RULES]] if mode == "batches and prefix" else [])
    while await engine.prefixes_settle():
        pass
    scheduler = Scheduler(engine, limits=limits)
    waiting, taken = list(reversed(prompts)), []

    async def client() -> None:
        while waiting:
            taken.append(await _ask(scheduler, waiting.pop(), answer_tokens))

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    seconds = time.perf_counter() - began
    await scheduler.aclose()
    return seconds, taken


async def _ask(scheduler: Scheduler, prompt: Prompt, answer_tokens: int) -> Taken:
    began, first, text = time.perf_counter(), 0.0, ""
    parameters = GenerationParameters(max_tokens=answer_tokens)
    job = scheduler.job_submit(prompt, parameters, seconds=600)
    async for chunk in scheduler.job_chunks(job):
        first = first or time.perf_counter() - began
        text += chunk.text
    return Taken(prompt, text, first, time.perf_counter() - began)


async def batching_measure(
    engine: GeneratorEngine,
    *,
    lengths: Sequence[int],
    clients: Sequence[int],
    runs: int,
    rounds: int,
    answer_tokens: int,
) -> list[dict[str, object]]:
    """A row for each prompt length, number of clients and mode."""
    rows: list[dict[str, object]] = []
    for tokens in lengths:
        for count in clients:
            prompts = prompts_make(engine, tokens, rounds * count)
            rates: dict[str, list[float]] = {mode: [] for mode in MODES}
            answers: dict[str, list[Taken]] = {mode: [] for mode in MODES}
            for _ in range(runs):
                for mode in MODES:
                    seconds, taken = await clients_run(
                        engine, mode, prompts, count, answer_tokens=answer_tokens
                    )
                    rates[mode].append(len(taken) / seconds)
                    print(f"{tokens} tokens, {count} clients, {mode}: {seconds:.1f} s", flush=True)
                    answers[mode] += taken
            alone = {one.prompt: one.text for one in answers[MODES[0]]}
            for mode in MODES:
                rows.append(
                    {
                        "prompt_tokens": tokens,
                        "clients": count,
                        "scheduler": mode,
                        "requests_per_second": round(statistics.median(rates[mode]), 3),
                        "times_one_by_one": round(
                            statistics.median(rates[mode]) / statistics.median(rates[MODES[0]]), 2
                        ),
                        "first_token_ms": _median_ms([one.first for one in answers[mode]]),
                        "answer_ms": _median_ms([one.total for one in answers[mode]]),
                        "other_text": _share(answers[mode], alone),
                    }
                )
    return rows


def _median_ms(seconds: Sequence[float]) -> int:
    return round(1000 * statistics.median(seconds))


def _share(answers: Sequence[Taken], alone: dict[Prompt, str]) -> str:
    return f"{sum(one.text != alone[one.prompt] for one in answers)} of {len(answers)}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batching", description=__doc__)
    parser.add_argument("--model", default="Qwen2.5-Coder-0.5B-Instruct")
    parser.add_argument("--lengths", type=int, nargs="+", default=[250, 600], help="prompt tokens")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--runs", type=int, default=3, help="medians count")
    parser.add_argument("--rounds", type=int, default=2, help="questions of each client")
    parser.add_argument("--answer-tokens", type=int, default=48)
    options = parser.parse_args()
    cache = Path(os.environ.get("SUPPORTDESK_CACHE") or "~/.cache/supportdesk").expanduser()
    path = model_find(options.model, cache)
    engine = GeneratorEngine.load(path, manifest_read(path))
    rows = asyncio.run(
        batching_measure(
            engine,
            lengths=options.lengths,
            clients=options.clients,
            runs=options.runs,
            rounds=options.rounds,
            answer_tokens=options.answer_tokens,
        )
    )
    table_print("Batches", rows)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
