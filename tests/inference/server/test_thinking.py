"""Reasoning comes apart from the answer, within its budget, whatever the model's template knows."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from inference.chat import ChatMessage, ChatOptions, GenerationParameters
from inference.client import OpenAIChatClient
from tests.inference.server.conftest import ServerProcess, ServerStart

# The scripted engine cannot see how far a prompt goes, so each question's first reply is what is
# thought, and its second what is answered.
NATIVE = r"""
thinks = true
[[reply]]
match = "slow"
text = "\nwell, "
endless = true
delay = 0.02
times = 1
[[reply]]
match = "slow"
text = "In the end: 7 days."
[[reply]]
match = "left"
text = "well, "
endless = true
delay = 0.02
[[reply]]
match = "call"
text = "It needs the order.\n</think>\n\n"
times = 1
[[reply]]
match = "call"
text = "<tool_call>{\"name\": \"order_status\", \"arguments\": {}}</tool_call>"
"""
for name in ("top", "inner", "stream", "short"):
    NATIVE += rf"""
[[reply]]
match = "{name}"
text = "\nThe rule says 7 天 </thin and so on.\n</think>\n\nThis was written too early."
times = 1
"""
NATIVE += r"""
[[reply]]
text = "You can."
"""
NOTES = r"""
[[reply]]
match = "Do not answer yet"
text = "Delivered 5 days ago, so within 7 days."
[[reply]]
match = "Delivered 5 days ago(.|\n)*Now answer my message"
text = "Yes, you can."
[[reply]]
match = "先不要回答"
text = "五天前送达。"
[[reply]]
match = "五天前送达(.|\n)*现在请用中文回答"
text = "可以退货。"
[[reply]]
text = "Without notes."
"""


@pytest.fixture(scope="module")
def native(server_start: ServerStart) -> ServerProcess:
    """A model whose template knows reasoning."""
    return server_start(script=NATIVE)


@pytest.fixture(scope="module")
def plain(server_start: ServerStart) -> ServerProcess:
    """A model whose template knows none."""
    return server_start(script=NOTES)


def post(
    server: ServerProcess, text: str, *, seconds: float = 30, **fields: object
) -> httpx2.Response:
    body = {"model": "scripted", "messages": [{"role": "user", "content": text}], **fields}
    headers = {"X-Timeout-Seconds": str(seconds)}
    url = f"{server.url}/v1/chat/completions"
    return httpx2.post(url, json=body, headers=headers, timeout=40)


def message(server: ServerProcess, text: str, **fields: Any) -> dict[str, Any]:
    answer = post(server, text, **fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["choices"][0]["message"]
    return found


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("top", {"enable_thinking": True}),
        ("inner", {"chat_template_kwargs": {"enable_thinking": True}}),
    ],
)
def test_reasoning_comes_apart_from_the_answer(
    native: ServerProcess, name: str, fields: dict[str, Any]
) -> None:
    answer = post(native, name, **fields).json()
    found = answer["choices"][0]["message"]
    assert found["reasoning_content"] == "The rule says 7 天 </thin and so on."
    assert found["content"] == "You can."
    details = answer["usage"]["completion_tokens_details"]
    assert 0 < details["reasoning_tokens"] < answer["usage"]["completion_tokens"]


def test_a_stream_gives_reasoning_first_and_never_a_tag(native: ServerProcess) -> None:
    answer = post(native, "stream", enable_thinking=True, stream=True)
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    assert lines[-1] == "[DONE]"
    rows = [json.loads(line)["choices"][0] for line in lines[:-1]]
    reasoning = [row["delta"].get("reasoning_content", "") for row in rows]
    content = [row["delta"]["content"] for row in rows]
    assert "".join(reasoning) == "The rule says 7 天 </thin and so on."
    assert "".join(content) == "You can."
    first_word = next(place for place, text in enumerate(content) if text)
    assert not any(reasoning[first_word:])
    assert len([text for text in reasoning if text]) > 3
    assert rows[-1]["finish_reason"] == "stop"


@pytest.mark.parametrize("fields", [{}, {"enable_thinking": False}])
def test_nothing_is_thought_unless_asked_for(
    native: ServerProcess, plain: ServerProcess, fields: dict[str, Any]
) -> None:
    assert message(native, "hello", **fields) == {"role": "assistant", "content": "You can."}
    assert message(plain, "hello", **fields) == {"role": "assistant", "content": "Without notes."}


def test_the_token_budget_ends_the_reasoning(native: ServerProcess, plain: ServerProcess) -> None:
    for server in (native, plain):
        found = message(server, "short", enable_thinking=True, thinking_budget=3)
        assert 0 < len(found["reasoning_content"]) <= 6
        assert found["content"]


def test_the_time_budget_leaves_time_for_the_answer(native: ServerProcess) -> None:
    found = message(
        native, "slow", seconds=6, enable_thinking=True, thinking_tokens=30_000, max_tokens=16
    )
    assert found["reasoning_content"].startswith("well, \nwell")
    assert found["content"] == "In the end: 7 days."


def test_with_too_little_time_it_answers_at_once(server_start: ServerStart) -> None:
    fresh = server_start(script=NOTES)  # one that still expects the speed of a real model
    found = message(fresh, "hello", seconds=1, enable_thinking=True, max_tokens=500)
    assert found == {"role": "assistant", "content": "Without notes."}


def test_other_models_write_notes_first(plain: ServerProcess) -> None:
    found = message(plain, "Can I return it?", enable_thinking=True)
    assert found["reasoning_content"] == "Delivered 5 days ago, so within 7 days."
    assert found["content"] == "Yes, you can."
    found = message(plain, "可以退货吗？", enable_thinking=True)
    assert (found["reasoning_content"], found["content"]) == ("五天前送达。", "可以退货。")


def test_a_call_may_follow_the_reasoning(native: ServerProcess) -> None:
    tools = [{"type": "function", "function": {"name": "order_status"}}]
    found = message(native, "call", enable_thinking=True, tools=tools)
    assert found["reasoning_content"] == "It needs the order."
    assert found["tool_calls"][0]["function"]["name"] == "order_status"


async def test_our_client_tells_reasoning_and_its_tokens(plain: ServerProcess) -> None:
    client = OpenAIChatClient(plain.url)
    options = ChatOptions(enable_thinking=True, thinking_tokens=64)
    try:
        stream = client.stream(
            [ChatMessage("user", "Can I return it?")],
            GenerationParameters(max_tokens=40),
            timeout=30,
            options=options,
        )
        chunks = [chunk async for chunk in stream]
    finally:
        await client.aclose()
    assert "".join(chunk.reasoning for chunk in chunks).startswith("Delivered 5 days ago")
    assert "".join(chunk.text for chunk in chunks) == "Yes, you can."
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.reasoning_tokens > 0


def test_hanging_up_while_it_thinks_frees_the_engine(native: ServerProcess) -> None:
    body = {
        "model": "scripted", "messages": [{"role": "user", "content": "left"}],
        "enable_thinking": True, "stream": True, "max_tokens": 16,
    }  # fmt: skip
    url = f"{native.url}/v1/chat/completions"
    with httpx2.stream("POST", url, json=body, timeout=10) as answer:
        assert any("content" in line for line in answer.iter_lines())
    native.wait(lambda health: health["running"] == 0, 5)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"enable_thinking": True, "chat_template_kwargs": {"enable_thinking": False}},
         "enable_thinking"),
        ({"chat_template_kwargs": {"add_vision_id": True}}, "chat_template_kwargs.add_vision_id"),
        ({"thinking_budget": 0}, "thinking_budget"),
        ({"thinking_budget": 5, "thinking_tokens": 5}, "thinking_tokens"),
        ({"enable_thinking": "perhaps"}, "enable_thinking"),
        ({"enable_thinking": True, "logprobs": True, "max_tokens": 1}, "enable_thinking"),
    ],
)  # fmt: skip
def test_contradictions_are_refused_by_name(
    native: ServerProcess, fields: dict[str, object], param: str
) -> None:
    answer = post(native, "x", **fields)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
