"""The pool over llama.cpp's own server, where the benchmarks have built it."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from inference.backends.assembly import backends_make
from inference.backends.breaker import BreakerPolicy
from inference.backends.pool import BackendPool, PoolPolicy
from inference.backends.specs import backends_parse
from inference.chat import ChatMessage, GenerationParameters
from inference.errors import EngineDown
from inference.ports import port_free

START_SECONDS = 120.0
QUESTION = [
    ChatMessage("system", "Answer in one short sentence. Facts: goods can be returned for 7 days."),
    ChatMessage("user", "How many days do I have to return goods?"),
]

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def llama_server() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    directory: Path = settings.CACHE_DIR / "bench"
    programs = sorted(directory.glob("llama-*/**/llama-server"))
    weights = sorted(directory.glob("*.gguf"))
    if not programs or not weights:
        pytest.skip("llama.cpp's server is not built; `make bench` builds it.")
    port = port_free()
    command = [
        str(programs[-1]), "-m", str(weights[0]), "--host", "127.0.0.1", "--port", str(port),
        "-c", "4096", "--parallel", "2", "--alias", "qwen-by-llama",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process, f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


async def ready(pool: BackendPool) -> None:
    async with asyncio.timeout(START_SECONDS):
        health = await pool.health()
        while health.state != "ready":
            assert health.state in ("loading", "stopped")
            await asyncio.sleep(0.1)
            health = await pool.health()
    assert health.models == ("qwen-by-llama",)


async def test_llama_cpp_answers_scores_counts_and_dies_like_any_engine(
    llama_server: tuple[subprocess.Popen[bytes], str],
) -> None:
    process, url = llama_server
    pool = backends_make(
        backends_parse(url),
        pool_policy=PoolPolicy(probe=0.5, attempts=1),
        breaker_policy=BreakerPolicy(probe=60.0),
    )
    try:
        await ready(pool)
        parameters = GenerationParameters(max_tokens=24)
        stream = pool.stream(QUESTION, parameters, timeout=START_SECONDS)
        chunks = [chunk async for chunk in stream]
        assert "7" in "".join(chunk.text for chunk in chunks)
        assert chunks[-1].finish_reason in ("stop", "length")
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.prompt_tokens > 20
        engine = chunks[-1].engine
        assert engine is not None
        assert engine.model == "qwen-by-llama"
        assert url.startswith(f"http://{engine.host}/")

        yes_or_no = [ChatMessage("user", "Is Paris in France? Answer with Yes or No only.")]
        scores = await pool.next_logprobs(yes_or_no, ["Yes", "No"], timeout=START_SECONDS)
        assert scores["Yes"] > scores.get("No", float("-inf"))

        assert await pool.count_tokens(QUESTION) >= chunks[-1].usage.prompt_tokens - 10

        long = GenerationParameters(max_tokens=400)
        essay = [ChatMessage("user", "Write a long story about a warehouse.")]
        stream = pool.stream(essay, long, timeout=START_SECONDS)
        assert (await anext(stream)).text
        process.kill()
        with pytest.raises(EngineDown):
            async for _ in stream:
                pass
    finally:
        await pool.aclose()
