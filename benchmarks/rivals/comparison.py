"""The product's engine beside other programs with the same weights, in one run.

All are started before the first figure is taken and stay up until the last; each round asks every
one of them the same questions, so that what the machine does meanwhile hits all alike. The product
is asked first, and the others have to write as many tokens as it wrote; their order changes. While
one is asked, the others are idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx2

from benchmarks.memory import tree_pss
from benchmarks.rivals.prompts import LANGUAGES, BenchPrompt, Count, fixed_head, prompts_make
from benchmarks.rivals.requests import Timed, answer_time, client_make, clients_time
from benchmarks.rivals.servers import EngineServer
from benchmarks.rivals.torch_process import TorchProcess, TwoPassTimed

PROMPT_TOKENS = (250, 600)
OUTPUT_TOKENS = 40
CLIENTS = (1, 4, 8)
# Requests of one measurement with that many clients.
_REQUESTS = {1: 2, 4: 4, 8: 16}

Row = dict[str, object]
Case = tuple[int, BenchPrompt, int]
"""The prompt's length that was aimed at, the prompt, the most tokens of its answer."""


@dataclass(slots=True)
class Samples:
    """What was measured of one engine; seconds, requests a second."""

    answers: dict[int, list[Timed]] = field(default_factory=lambda: defaultdict(list))
    two_pass: dict[int, list[TwoPassTimed]] = field(default_factory=lambda: defaultdict(list))
    rates: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))


def spread(values: Sequence[float], digits: int) -> Row:
    """Median, least and most."""
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


def servers_compare(
    servers: Sequence[EngineServer], torch: TorchProcess | None, *, count: Count, runs: int
) -> Iterator[dict[str, Any]]:
    """After each round, all figures so far: the number of ``runs``, and rows ``latency``,
    ``throughput`` and ``memory``, one per engine and case.

    The first of ``servers`` is the product's; ``count`` tells how many tokens messages have.
    """
    prefixes_register(servers[0])
    source = _PromptSource(count, runs)
    samples = {server.name: Samples() for server in servers}
    warm_up = source.one_client()
    for server in servers:
        asyncio.run(_answers_take(server, warm_up, Samples()))
    for turn in range(runs):
        print(f"Round {turn + 1} of {runs} ...", flush=True)
        one_client = source.one_client()
        for server in _turned(servers, turn):
            lengths = asyncio.run(_answers_take(server, one_client, samples[server.name]))
            one_client = [
                (aim, prompt, length)
                for (aim, prompt, _), length in zip(one_client, lengths, strict=True)
            ]
        for clients in CLIENTS:
            prompts = source.clients(clients)
            for server in _turned(servers, turn):
                rate, lengths = asyncio.run(clients_time(server, prompts, clients=clients))
                samples[server.name].rates[clients].append(rate)
                prompts = [(p, n) for (p, _), n in zip(prompts, lengths, strict=True)]
        if torch is not None:
            taken = samples.setdefault("transformers float32", Samples())
            for aim, prompt, length in one_client[:1]:  # the short one alone: it is slow
                taken.two_pass[aim].append(torch.answer_time(prompt, length))
        yield {
            "runs": turn + 1,
            "latency": [row for name, all_ in samples.items() for row in _latency_rows(name, all_)],
            "throughput": [
                {"system": name, "clients": clients, "requests_per_second": spread(rates, 3)}
                for name, taken in samples.items()
                for clients, rates in taken.rates.items()
            ],
            "memory": _memory_rows(servers, torch),
        }


def prefixes_register(server: EngineServer) -> None:
    """Have the product's server keep the fixed instructions; the others keep what they saw."""
    heads = [[{"role": "system", "content": fixed_head(language)}] for language in LANGUAGES]
    answer = httpx2.put(f"{server.url}/prefixes", json={"prefixes": heads}, timeout=60)
    answer.raise_for_status()


class _PromptSource:
    """Prompts of which no two are equal, so that nothing beyond the fixed instructions is cached."""

    def __init__(self, count: Count, runs: int) -> None:
        short, long = PROMPT_TOKENS
        number = (runs + 1) * (1 + sum(_REQUESTS.values()))
        self._short: Iterator[BenchPrompt] = iter(prompts_make(count, tokens=short, number=number))
        self._long: Iterator[BenchPrompt] = iter(prompts_make(count, tokens=long, number=runs + 1))

    def one_client(self) -> list[Case]:
        """One prompt of each length, with the length aimed at; languages change with the rounds."""
        short, long = PROMPT_TOKENS
        return [
            (short, next(self._short), OUTPUT_TOKENS),
            (long, next(self._long), OUTPUT_TOKENS),
        ]

    def clients(self, clients: int) -> list[tuple[BenchPrompt, int]]:
        return [(next(self._short), OUTPUT_TOKENS) for _ in range(_REQUESTS[clients])]


async def _answers_take(server: EngineServer, cases: Sequence[Case], samples: Samples) -> list[int]:
    """Returns how many tokens each answer had."""
    lengths = []
    async with client_make() as client:
        for aim, prompt, output_tokens in cases:
            timed = await answer_time(client, server, prompt, output_tokens)
            samples.answers[aim].append(timed)
            lengths.append(timed.completion_tokens)
    return lengths


def _turned(servers: Sequence[EngineServer], turn: int) -> list[EngineServer]:
    """The product's first, because its answers decide how long all are; the others by turns."""
    own, *others = servers
    start = turn % max(1, len(others))
    return [own, *others[start:], *others[:start]]


def _latency_rows(name: str, samples: Samples) -> Iterator[Row]:
    for aim, answers in samples.answers.items():
        yield {
            "system": name,
            "prompt": aim,
            "samples": len(answers),
            "prompt_tokens": spread([a.prompt_tokens for a in answers], 0),
            "completion_tokens": spread([a.completion_tokens for a in answers], 0),
            "first_token_ms": spread([1000 * a.first_token for a in answers], 0),
            "total_ms": spread([1000 * a.total for a in answers], 0),
            "decode_tokens_per_second": spread(
                [(a.completion_tokens - 1) / (a.total - a.first_token) for a in answers], 1
            ),
        }
    for aim, answers in samples.two_pass.items():
        # Nothing is shown before all is written, so the first token is seen with the last.
        total = spread([1000 * a.total for a in answers], 0)
        yield {
            "system": name,
            "prompt": aim,
            "samples": len(answers),
            "prompt_tokens": spread([a.prompt_tokens for a in answers], 0),
            "completion_tokens": spread([a.completion_tokens for a in answers], 0),
            "first_token_ms": total,
            "total_ms": total,
            "sentiment_ms": spread([1000 * a.sentiment for a in answers], 0),
        }


def _memory_rows(servers: Sequence[EngineServer], torch: TorchProcess | None) -> list[Row]:
    pids = {server.name: server.pid for server in servers}
    if torch is not None:
        pids["transformers float32"] = torch.pid
    return [
        {"system": name, "pss_mib": round(sum(tree_pss(pid).values()))}
        for name, pid in pids.items()
    ]


@contextlib.contextmanager
def all_running(contexts: Sequence[contextlib.AbstractContextManager]) -> Iterator[list]:
    """Enter several context managers; all are left, also when one fails to start."""
    with ExitStack() as stack:
        yield [stack.enter_context(context) for context in contexts]
