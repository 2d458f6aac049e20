"""The pool over servers of another make: llama.cpp's own, and llama-cpp-python's.

``make test-llama`` builds both; where they are not there, these tests are skipped.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

import pytest
from django.conf import settings

from benchmarks.rivals.another_make import AnotherMake, another_make_find
from inference.backends.assembly import backends_make
from inference.backends.breaker import BreakerPolicy
from inference.backends.pool import BackendPool, PoolPolicy
from inference.backends.specs import backends_parse
from inference.chat import ChatMessage, GenerationParameters
from inference.errors import EngineDown
from inference.ports import port_free

START_SECONDS = 120.0
NAME = "qwen-by-llama"
QUESTION = [
    ChatMessage("system", "Answer in one short sentence. Facts: goods can be returned for 7 days."),
    ChatMessage("user", "How many days do I have to return goods?"),
]

ESSAY = [ChatMessage("user", "Write a long story about a warehouse.")]
LONG = GenerationParameters(max_tokens=400)

pytestmark = pytest.mark.weights


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[bytes]
    url: str


@contextmanager
def running(command: Sequence[str]) -> Iterator[Server]:
    port = port_free()
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield Server(process, f"http://127.0.0.1:{port}/v1")
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def made() -> AnotherMake:
    return another_make_find(settings.MODEL, settings.CACHE_DIR / "bench")


@pytest.fixture
def llama_server(made: AnotherMake) -> Iterator[Server]:
    if made.programs is None or made.weights is None:
        pytest.skip("llama.cpp's server is not built; `make test-llama` builds it.")
    command = [str(made.programs.server), "-m", str(made.weights), "--alias", NAME]
    with running([*command, "-c", "4096", "--parallel", "2"]) as server:
        yield server


@pytest.fixture
def llama_python(made: AnotherMake) -> Iterator[Server]:
    if made.python is None or made.weights is None:
        pytest.skip("llama-cpp-python is not built; `make test-llama` builds it.")
    command = [str(made.python), "-m", "llama_cpp.server", "--model", str(made.weights)]
    options = ["--model_alias", NAME, "--n_ctx", "4096", "--logits_all", "true"]
    with running([*command, *options]) as server:
        yield server


@asynccontextmanager
async def pool_over(server: Server) -> AsyncIterator[BackendPool]:
    pool = backends_make(
        backends_parse(server.url),
        pool_policy=PoolPolicy(probe=0.5, attempts=1),
        breaker_policy=BreakerPolicy(probe=60.0),
    )
    try:
        await ready(pool)
        yield pool
    finally:
        await pool.aclose()


async def ready(pool: BackendPool) -> None:
    async with asyncio.timeout(START_SECONDS):
        health = await pool.health()
        while health.state != "ready":
            assert health.state in ("loading", "stopped")
            await asyncio.sleep(0.1)
            health = await pool.health()
    assert health.models == (NAME,)


@pytest.mark.parametrize("make", ["llama_server", "llama_python"])
async def test_a_server_of_another_make_answers_scores_counts_and_dies_like_any_engine(
    make: str, request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue(make)
    async with pool_over(server) as pool:
        parameters = GenerationParameters(max_tokens=24)
        stream = pool.stream(QUESTION, parameters, timeout=START_SECONDS)
        chunks = [chunk async for chunk in stream]
        assert "7" in "".join(chunk.text for chunk in chunks)
        assert chunks[-1].finish_reason in ("stop", "length")
        engine = chunks[-1].engine
        assert engine is not None
        assert engine.model == NAME
        assert server.url.startswith(f"http://{engine.host}/")

        yes_or_no = [ChatMessage("user", "Is Paris in France? Answer with Yes or No only.")]
        scores = await pool.next_logprobs(yes_or_no, ["Yes", "No"], timeout=START_SECONDS)
        assert scores["Yes"] > scores.get("No", float("-inf"))

        assert await pool.count_tokens(QUESTION) > 20

        stream = pool.stream(ESSAY, LONG, timeout=START_SECONDS)
        assert (await anext(stream)).text
        server.process.kill()
        with pytest.raises(EngineDown):
            async for _ in stream:
                pass


async def test_llama_cpp_tells_what_a_stream_used(llama_server: Server) -> None:
    async with pool_over(llama_server) as pool:
        parameters = GenerationParameters(max_tokens=24)
        stream = pool.stream(QUESTION, parameters, timeout=START_SECONDS)
        usage = [chunk async for chunk in stream][-1].usage
        assert usage is not None
        assert usage.prompt_tokens > 20
        assert await pool.count_tokens(QUESTION) >= usage.prompt_tokens - 10


async def test_an_answer_of_a_server_that_does_one_thing_at_a_time_is_not_cut_by_our_own_probes(
    llama_python: Server,
) -> None:
    async with pool_over(llama_python) as pool:
        long = replace(LONG, max_tokens=120)
        chunks = [chunk async for chunk in pool.stream(ESSAY, long, timeout=START_SECONDS)]
        assert chunks[-1].finish_reason == "length"


async def test_an_answer_that_llama_cpp_python_cuts_for_another_request_is_no_whole_answer(
    llama_python: Server,
) -> None:
    async with pool_over(llama_python) as pool:
        cut = pool.stream(ESSAY, LONG, timeout=START_SECONDS)
        assert (await anext(cut)).text

        async def another() -> str:
            few = GenerationParameters(max_tokens=24)
            stream = pool.stream(QUESTION, few, timeout=START_SECONDS)
            return "".join([chunk.text async for chunk in stream])

        asked = asyncio.create_task(another())
        with pytest.raises(EngineDown, match="broke off"):
            async for _ in cut:
                pass
        assert "7" in await asked
