"""Asks a server over the OpenAI API and takes the time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx2

from benchmarks.rivals.prompts import BenchPrompt
from benchmarks.rivals.servers import EngineServer

_SECONDS = 180.0
# Fewer say nothing of the speed of writing.
LEAST_TOKENS = 2


@dataclass(frozen=True, slots=True)
class Timed:
    """One answer; times in seconds since the request was sent."""

    first_token: float
    total: float
    prompt_tokens: int
    completion_tokens: int


async def answer_time(
    client: httpx2.AsyncClient, server: EngineServer, prompt: BenchPrompt, output_tokens: int
) -> Timed:
    """Stream one greedy answer of ``output_tokens`` tokens; the product's server may end sooner.

    Raises:
        RuntimeError: the server refused, broke off, or wrote another number of tokens.
    """
    try:
        return await _answer_time(client, server, prompt, output_tokens)
    except httpx2.TransportError as error:
        raise RuntimeError(f"{server.name} broke off: {error!r}; see {server.log}") from error


async def _answer_time(
    client: httpx2.AsyncClient, server: EngineServer, prompt: BenchPrompt, output_tokens: int
) -> Timed:
    body = {
        "model": server.model,
        "messages": prompt.messages,
        "max_tokens": output_tokens,
        "temperature": 0,
        "repetition_penalty": 1.0,
        "stream": True,
        "stream_options": {"include_usage": True},
        **server.extra,
    }
    began, first, usage = time.monotonic(), 0.0, {}
    async with client.stream(
        "POST",
        f"{server.url}/v1/chat/completions",
        json=body,
        timeout=_SECONDS,
        headers={"X-Timeout-Seconds": f"{_SECONDS:g}"},
    ) as answer:
        if answer.status_code != 200:
            raise RuntimeError(f"{server.name}: {(await answer.aread()).decode()[:500]}")
        async for line in answer.aiter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            chunk = json.loads(line[6:])
            usage = chunk.get("usage") or usage
            choices = chunk.get("choices")
            if not first and choices and choices[0]["delta"].get("content"):
                first = time.monotonic() - began
    total = time.monotonic() - began
    written = int(usage.get("completion_tokens", 0))
    right = written == output_tokens if server.exact else LEAST_TOKENS <= written <= output_tokens
    if not right or not first:
        raise RuntimeError(f"{server.name} wrote {written} tokens, not {output_tokens}.")
    return Timed(first, total, usage["prompt_tokens"], written)


def client_make() -> httpx2.AsyncClient:
    """A connection for each request: llama-server now and then closes one that is about to be used
    again, and a lost request would end the comparison."""
    return httpx2.AsyncClient(limits=httpx2.Limits(max_keepalive_connections=0))


async def clients_time(
    server: EngineServer, prompts: Sequence[tuple[BenchPrompt, int]], *, clients: int
) -> tuple[float, list[int]]:
    """``clients`` customers ask one question after the other; each prompt has its answer's tokens.

    Returns:
        Requests per second, and how many tokens each answer had.
    """
    waiting = list(enumerate(prompts))[::-1]
    lengths = [0] * len(prompts)

    async with client_make() as http:

        async def customer() -> None:
            while waiting:
                place, (prompt, output_tokens) = waiting.pop()
                timed = await answer_time(http, server, prompt, output_tokens)
                lengths[place] = timed.completion_tokens

        began = time.monotonic()
        await asyncio.gather(*(customer() for _ in range(clients)))
        return len(prompts) / (time.monotonic() - began), lengths
