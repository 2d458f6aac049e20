"""The engine's memory stays flat over many requests, no two of which are equal.

In the suite 500 requests go to a tiny model. ``make soak`` sends 10,000 to the real one
(``SOAK_REQUESTS``), and stops after an hour (``SOAK_MINUTES``) with what was measured by then.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import psutil
import pytest
from django.conf import settings

from benchmarks.desk import BASE_DIR
from inference.weights.store import model_convert, model_find
from tests.inference.server.conftest import ServerProcess
from tests.inference.server.conftest import server_start as server_start
from tests.inference.weights.tiny_models import TinyDecoder, gguf_write

SOAK = os.environ.get("SOAK") == "1"
REQUESTS = int(os.environ.get("SOAK_REQUESTS", "10000" if SOAK else "500"))
SECONDS = 60 * float(os.environ.get("SOAK_MINUTES", "60" if SOAK else "2"))
CLIENTS = 8
SAMPLES = 40
LONG_SHARE = 0.03
GROWTH_MIB = 16.0
GROWTH_SHARE = 0.02

# Plain enough for the tiny model's tokenizer, which has no words of its own.
_WORDS = ("parcel", "refund", "invoice", "size", "colour", "shop", "退货", "快递", "发票", "尺码")
_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant\n"
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The real weights in ``make soak``, else a tiny model with a random mind."""
    if SOAK:
        return model_find(settings.MODEL, settings.CACHE_DIR)
    tiny = TinyDecoder("soak", "qwen2", tied=True, seed=7, context=512)
    source = gguf_write(tiny, tmp_path / "tiny.gguf", template=_TEMPLATE)
    return model_convert(source, tmp_path / "cache", lambda line: None)


async def test_memory_stays_flat(
    model: Path, server_start: Callable[..., ServerProcess], socket_enabled: None
) -> None:
    server = server_start("--chat-model", str(model))
    name = str(httpx2.get(f"{server.url}/v1/models").json()["data"][0]["id"])
    process = psutil.Process(server.process.pid)
    sizes: list[float] = []
    done = 0
    words = random.Random(11)
    ends = time.monotonic() + SECONDS

    async def customer(client: httpx2.AsyncClient) -> None:
        nonlocal done
        while done + CLIENTS <= REQUESTS and time.monotonic() < ends:
            await _ask(client, server.url, name, words)
            done += 1
            if done % max(1, REQUESTS // SAMPLES) == 0:
                sizes.append(process.memory_info().rss / 2**20)

    async with httpx2.AsyncClient(timeout=120) as client:
        await asyncio.gather(*(customer(client) for _ in range(CLIENTS)))
    assert len(sizes) >= 8, f"only {done} requests in {SECONDS:.0f} s"
    quarter = len(sizes) // 4
    # The first quarter fills caches and pools that are bounded.
    early, late = (
        statistics.median(sizes[quarter : 2 * quarter]),
        statistics.median(sizes[-quarter:]),
    )
    figures = {"requests": done, "early_mib": early, "late_mib": late, "most_mib": max(sizes)}
    if SOAK:
        _figures_write(name, figures)
    assert late - early <= max(GROWTH_MIB, GROWTH_SHARE * early), figures


def _figures_write(model: str, figures: dict[str, float]) -> None:
    out = BASE_DIR / "benchmarks" / "out"
    out.mkdir(parents=True, exist_ok=True)
    (out / "soak.json").write_text(json.dumps({"model": model, **figures}, indent=2) + "\n")


async def _ask(client: httpx2.AsyncClient, url: str, model: str, words: random.Random) -> None:
    # Mostly short, so that two cores are through in time; some long, because lengths that differ are
    # what makes an allocator keep more than it gives back.
    count = words.randrange(40, 60) if words.random() < LONG_SHARE else words.randrange(3, 12)
    body = {
        "model": model,
        "messages": [
            {"role": "system", "content": "Answer from the facts."},
            {"role": "user", "content": " ".join(words.choice(_WORDS) for _ in range(count))},
        ],
        "max_tokens": words.randrange(1, 6),
        "temperature": 0,
        "stream": True,
    }
    async with client.stream("POST", f"{url}/v1/chat/completions", json=body) as answer:
        text = (await answer.aread()).decode()
    assert answer.status_code == 200, text
    assert "[DONE]" in text
