"""Times the engine alone, over its HTTP API: prefill, decode, first token."""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import asdict, dataclass

import httpx2

# Neutral text to fill prompts with; each prompt begins with another number, so that nothing that
# an earlier request left in a cache helps a later one.
FILLER = (
    "The warehouse keeps every parcel on a shelf with a label, a weight and a destination. "
    "Each morning the list is printed, checked twice and handed to the drivers. "
)


@dataclass(frozen=True, slots=True)
class EngineTimes:
    """Medians over the runs of one prompt length."""

    prompt_tokens: int
    first_token_ms: float
    prefill_tokens_per_second: float
    decode_tokens_per_second: float


def engine_measure(url: str, model: str, *, runs: int, output_tokens: int = 40) -> list[dict]:
    """Stream ``runs`` answers for a short, a middle and a long prompt; one at a time."""
    rows = []
    for repeats in (4, 8, 20):
        firsts, prefills, decodes, tokens = [], [], [], 0
        for run in range(runs + 1):
            first, total, usage = _stream_time(
                url, model, f"{run}. {FILLER * repeats}Retell this in many words.", output_tokens
            )
            if run == 0:
                continue  # the first touches memory that later runs find warm
            tokens = usage["prompt_tokens"]
            firsts.append(first)
            prefills.append(tokens / first)
            decodes.append((usage["completion_tokens"] - 1) / (total - first))
        times = EngineTimes(
            tokens,
            round(1000 * statistics.median(firsts), 1),
            round(statistics.median(prefills), 1),
            round(statistics.median(decodes), 1),
        )
        rows.append(asdict(times))
    return rows


def _stream_time(
    url: str, model: str, prompt: str, max_tokens: int
) -> tuple[float, float, dict[str, int]]:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": max_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    began, first, usage = time.monotonic(), 0.0, {}
    with httpx2.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=120) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            chunk = json.loads(line[6:])
            usage = chunk.get("usage") or usage
            choices = chunk.get("choices")
            if not first and choices and choices[0]["delta"].get("content"):
                first = time.monotonic() - began
    return first, time.monotonic() - began, usage
