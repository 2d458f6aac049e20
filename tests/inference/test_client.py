"""The client maps what servers do to the errors that the ladder decides by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import numpy as np
import pytest

from inference.chat import ChatChunk, ChatMessage, GenerationParameters, Usage
from inference.client import OpenAIChatClient, OpenAIEmbeddingClient
from inference.errors import (
    ContextExceeded,
    EngineDown,
    EngineStarting,
    EngineTimeout,
    RequestInvalid,
)
from inference.ports import port_free
from tests.inference.server.conftest import ServerProcess, ServerStart

PARAMETERS = GenerationParameters(max_tokens=20)
SCRIPT = """
[[reply]]
match = "endless"
text = "0123456789"
endless = true
delay = 0.01
[[reply]]
match = "stall"
stall_after = 0
[[reply]]
match = "broken"
text = "half"
error = "down"
error_after = 1
[[reply]]
match = "aloud"
text = "<think>\\nThe rule says 7 天.\\n</think>\\n\\nYes."
[[reply]]
text = "您好，可以退货。"
"""


@pytest.fixture(scope="module")
def server(server_start: ServerStart) -> ServerProcess:
    return server_start(script=SCRIPT, key="secret")


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[OpenAIChatClient]:
    client = OpenAIChatClient(server.url, "scripted", "secret")
    yield client
    await client.aclose()


def question(text: str) -> list[ChatMessage]:
    return [ChatMessage("system", "rules"), ChatMessage("user", text)]


async def chunks_of(
    client: OpenAIChatClient,
    messages: Sequence[ChatMessage],
    parameters: GenerationParameters = PARAMETERS,
    seconds: float = 20.0,
) -> list[ChatChunk]:
    return [chunk async for chunk in client.stream(messages, parameters, timeout=seconds)]


async def test_the_answer_comes_in_chunks_with_reason_and_usage(client: OpenAIChatClient) -> None:
    chunks = await chunks_of(client, question("hi"))
    assert "".join(chunk.text for chunk in chunks) == "您好，可以退货。"
    assert chunks[-1] == ChatChunk("", "stop", Usage(12, 4))
    assert await client.count_tokens(question("hi")) == 12


async def test_reasoning_that_a_server_leaves_in_the_text_comes_apart(
    client: OpenAIChatClient,
) -> None:
    chunks = await chunks_of(client, question("think aloud"), GenerationParameters(max_tokens=90))
    assert "".join(chunk.text for chunk in chunks) == "Yes."
    assert "".join(chunk.reasoning for chunk in chunks) == "The rule says 7 天."


async def test_without_a_name_the_first_model_is_used(server: ServerProcess) -> None:
    client = OpenAIChatClient(f"{server.url}/v1", api_key="secret")
    assert (await chunks_of(client, question("hi")))[-1].finish_reason == "stop"
    await client.aclose()


async def test_leaving_the_stream_cancels_at_the_engine(
    client: OpenAIChatClient, server: ServerProcess
) -> None:
    many = GenerationParameters(max_tokens=3000)
    async with aclosing(client.stream(question("endless"), many, timeout=30)) as stream:
        assert (await anext(stream)).text
        assert server.health()["running"] == 1
    await asyncio.to_thread(server.wait, lambda health: health["running"] == 0, 2)


async def test_cancelling_the_task_cancels_at_the_engine(
    client: OpenAIChatClient, server: ServerProcess
) -> None:
    task = asyncio.create_task(chunks_of(client, question("stall")))
    await asyncio.to_thread(server.wait, lambda health: health["running"] == 1, 10)
    task.cancel()
    await asyncio.to_thread(server.wait, lambda health: health["running"] == 0, 2)


async def test_the_timeout_is_kept(client: OpenAIChatClient, server: ServerProcess) -> None:
    with pytest.raises(EngineTimeout):
        await chunks_of(client, question("stall"), seconds=0.2)
    many = GenerationParameters(max_tokens=3000)
    with pytest.raises(EngineTimeout):
        await chunks_of(client, question("endless"), many, seconds=0.3)
    await asyncio.to_thread(server.wait, lambda health: health["running"] == 0, 2)


async def test_an_engine_that_breaks_off_is_down(client: OpenAIChatClient) -> None:
    with pytest.raises(EngineDown):
        await chunks_of(client, question("broken"))


async def test_bad_requests_are_told_apart(server: ServerProcess, client: OpenAIChatClient) -> None:
    with pytest.raises(ContextExceeded):
        await chunks_of(client, question("x" * 9000))
    other = OpenAIChatClient(server.url, "other", "secret")
    with pytest.raises(RequestInvalid, match="scripted"):
        await chunks_of(other, question("hi"))
    await other.aclose()


async def test_a_wrong_key_is_an_engine_that_cannot_be_used(server: ServerProcess) -> None:
    client = OpenAIChatClient(server.url, "scripted", "wrong")
    with pytest.raises(EngineDown, match="key"):
        await chunks_of(client, question("hi"))
    await client.aclose()


async def test_a_loading_engine_is_starting(server_start: ServerStart) -> None:
    server = server_start(script="load_seconds = 30\n", ready=False)
    client = OpenAIChatClient(server.url, "scripted")
    assert (await client.health()).state == "loading"
    with pytest.raises(EngineStarting):
        await chunks_of(client, question("hi"))
    with pytest.raises(EngineStarting):
        await client.count_tokens(question("hi"))
    await client.aclose()


async def test_nobody_at_the_address_is_down_and_stopped() -> None:
    url = f"http://127.0.0.1:{port_free()}"
    client = OpenAIChatClient(url, "any")
    assert (await client.health()).state == "stopped"
    with pytest.raises(EngineDown):
        await chunks_of(client, question("hi"))
    encoder = OpenAIEmbeddingClient(url, "any")
    with pytest.raises(EngineDown):
        await encoder.embed(["x"], kind="query", timeout=1)
    await client.aclose()
    await encoder.aclose()


async def test_an_engine_killed_midway_is_down(server_start: ServerStart) -> None:
    server = server_start(script=SCRIPT)
    client = OpenAIChatClient(server.url, "scripted")
    many = GenerationParameters(max_tokens=3000)
    async with aclosing(client.stream(question("endless"), many, timeout=30)) as stream:
        await anext(stream)
        server.process.kill()
        with pytest.raises(EngineDown):
            async for _ in stream:
                pass
    await client.aclose()


async def test_health_names_the_models(client: OpenAIChatClient) -> None:
    health = await client.health()
    assert (health.state, health.models) == ("ready", ("scripted",))


async def test_no_texts_need_no_engine() -> None:
    client = OpenAIEmbeddingClient("http://127.0.0.1:9", "any")
    vectors = await client.embed([], kind="query", timeout=1)
    assert vectors.shape[0] == 0
    assert vectors.dtype == np.float32
