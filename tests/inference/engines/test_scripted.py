"""The scripted client does what tests of other parts rely on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from inference.chat import ChatChunk, ChatMessage, GenerationParameters
from inference.engines.scripted import Script, ScriptedChatClient, ScriptedReply, script_load
from inference.errors import EngineDown, EngineStarting, EngineTimeout, RequestInvalid

PARAMETERS = GenerationParameters(max_tokens=8)


def question(text: str) -> list[ChatMessage]:
    return [ChatMessage("system", "house rules"), ChatMessage("user", text)]


async def collect(stream: AsyncIterator[ChatChunk]) -> tuple[str, ChatChunk]:
    chunks = [chunk async for chunk in stream]
    return "".join(chunk.text for chunk in chunks), chunks[-1]


async def test_answers_in_pieces_and_tells_usage() -> None:
    client = ScriptedChatClient("您好，请讲")
    text, last = await collect(client.stream(question("hi"), PARAMETERS, timeout=1))
    assert text == "您好，请讲"
    assert last.finish_reason == "stop"
    assert last.usage is not None
    assert last.usage.completion_tokens == 3
    assert client.requests[0].messages[1].content == "hi"
    assert (client.running, client.cancelled) == (0, 0)


async def test_first_matching_reply_is_used_and_used_up() -> None:
    client = ScriptedChatClient(
        ScriptedReply("once", match="refund", times=1),
        ScriptedReply("from the prompt", match="house", where="prompt"),
    )
    first, _ = await collect(client.stream(question("a refund"), PARAMETERS, timeout=1))
    second, _ = await collect(client.stream(question("a refund"), PARAMETERS, timeout=1))
    assert (first, second) == ("once", "from the prompt")


async def test_prompt_without_a_reply_is_invalid() -> None:
    client = ScriptedChatClient(ScriptedReply("x", match="never"))
    with pytest.raises(RequestInvalid):
        await collect(client.stream(question("hi"), PARAMETERS, timeout=1))


async def test_callable_sees_the_prompt() -> None:
    client = ScriptedChatClient(lambda messages: messages[-1].content[::-1])
    text, _ = await collect(client.stream(question("abc"), PARAMETERS, timeout=1))
    assert text == "cba"


async def test_endless_reply_ends_at_max_tokens() -> None:
    client = ScriptedChatClient(ScriptedReply("哈哈", endless=True))
    text, last = await collect(client.stream(question("hi"), PARAMETERS, timeout=1))
    assert text == "哈哈" * 8
    assert last.finish_reason == "length"


async def test_stalls_until_released() -> None:
    client = ScriptedChatClient(ScriptedReply("abcdef", stall_after=2))
    task = asyncio.create_task(collect(client.stream(question("hi"), PARAMETERS, timeout=30)))
    await client.request_wait()
    assert client.running == 1
    client.release()
    text, _ = await task
    assert text == "abcdef"


async def test_stall_ends_with_the_timeout() -> None:
    client = ScriptedChatClient(ScriptedReply("abcdef", stall_after=1))
    with pytest.raises(EngineTimeout):
        await collect(client.stream(question("hi"), PARAMETERS, timeout=0.02))
    assert (client.running, client.cancelled) == (0, 0)


async def test_error_comes_after_its_pieces() -> None:
    client = ScriptedChatClient(ScriptedReply("abcd", error=EngineDown("gone"), error_after=1))
    stream = client.stream(question("hi"), PARAMETERS, timeout=1)
    assert (await anext(stream)).text == "ab"
    with pytest.raises(EngineDown, match="gone"):
        await anext(stream)


async def test_closing_the_stream_counts_as_cancelled() -> None:
    client = ScriptedChatClient(ScriptedReply("abcdef"))
    async with aclosing(client.stream(question("hi"), PARAMETERS, timeout=1)) as stream:
        await anext(stream)
    assert (client.running, client.cancelled) == (0, 1)


async def test_delays_go_through_the_given_sleep() -> None:
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    client = ScriptedChatClient(ScriptedReply("abcdef", first_delay=5, delay=1), sleep=sleep)
    await collect(client.stream(question("hi"), PARAMETERS, timeout=1))
    assert slept == [5, 1, 1]


async def test_state_decides_whether_requests_are_taken() -> None:
    client = ScriptedChatClient("x", state="loading")
    assert (await client.health()).state == "loading"
    with pytest.raises(EngineStarting):
        await collect(client.stream(question("hi"), PARAMETERS, timeout=1))
    client.state = "stopped"
    with pytest.raises(EngineDown):
        await collect(client.stream(question("hi"), PARAMETERS, timeout=1))


def test_script_is_read_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "script.toml"
    path.write_text(
        'load_seconds = 0.5\n[[reply]]\nmatch = "x"\nerror = "down"\n[[reply]]\ntext = "hi"\n'
    )
    script = script_load(path)
    assert isinstance(script, Script)
    assert script.load_seconds == 0.5
    assert isinstance(script.replies[0].error, EngineDown)
    assert script.replies[1].text == "hi"


@pytest.mark.parametrize("text", ["[[reply]]\ntexte = 'x'\n", "[[reply]]\nerror = 'x'\n", "a = 1"])
def test_wrong_script_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "script.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"script\.toml"):
        script_load(path)
