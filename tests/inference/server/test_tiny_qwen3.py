"""A Qwen3 with random weights goes all the way: template, engine, reasoning, budget, calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from inference.weights.store import model_convert
from tests.inference.server.conftest import ServerProcess, ServerStart
from tests.inference.templates import tiny_qwen3

ORDER = {
    "type": "function",
    "function": {
        "name": "order_status",
        "parameters": {"type": "object", "required": ["order_id"]},
    },
}


@pytest.fixture(scope="module")
def server(server_start: ServerStart, tmp_path_factory: pytest.TempPathFactory) -> ServerProcess:
    root: Path = tmp_path_factory.mktemp("models")
    source = tiny_qwen3.checkpoint_write(root / "checkpoint")
    path = model_convert(source, root / "cache", lambda line: None, name="tiny")
    return server_start("--chat-model", str(path))


def post(server: ServerProcess, **fields: object) -> Any:
    body = {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Where is it?"}],
        "temperature": 0,
        "repetition_penalty": 1.8,  # random weights would repeat their first token for ever
        "max_tokens": 12,
        **fields,
    }
    answer = httpx2.post(f"{server.url}/v1/chat/completions", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer


def test_reasoning_keeps_to_its_budget_and_an_answer_follows(server: ServerProcess) -> None:
    answer = post(server, enable_thinking=True, thinking_budget=20).json()
    usage = answer["usage"]
    reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
    assert 0 < reasoning <= 20  # most of what random weights write are halves of characters
    assert 0 < usage["completion_tokens"] - reasoning <= 12
    message = answer["choices"][0]["message"]
    assert "<think>" not in message["content"]
    # Without reasoning, the prompt ends with an empty one, which is longer than its opening tag.
    plain = post(server).json()["usage"]
    assert "completion_tokens_details" not in plain
    assert plain["prompt_tokens"] > usage["prompt_tokens"]


def test_it_streams_reasoning_before_the_answer(server: ServerProcess) -> None:
    answer = post(server, enable_thinking=True, thinking_budget=20, stream=True)
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    assert lines[-1] == "[DONE]"
    deltas = [json.loads(line)["choices"][0]["delta"] for line in lines[:-1]]
    kinds = ["reasoning" if delta.get("reasoning_content") else "text" for delta in deltas[1:]]
    assert kinds == sorted(kinds)  # "reasoning" comes before "text"
    whole = post(server, enable_thinking=True, thinking_budget=20).json()["choices"][0]["message"]
    assert "".join(delta["content"] for delta in deltas) == whole["content"]


def test_nonsense_instead_of_a_demanded_call_is_dropped(server: ServerProcess) -> None:
    choice = {"type": "function", "function": {"name": "order_status"}}
    answer = post(server, tools=[ORDER], tool_choice=choice).json()["choices"][0]
    assert "tool_calls" not in answer["message"]
    assert answer["finish_reason"] in {"stop", "length"}


def test_it_tells_probabilities_of_the_first_token(server: ServerProcess) -> None:
    answer = post(server, max_tokens=1, logprobs=True, top_logprobs=20).json()["choices"][0]
    [token] = answer["logprobs"]["content"]
    listed = [row["logprob"] for row in token["top_logprobs"]]
    assert listed == sorted(listed, reverse=True)
    assert token["logprob"] == listed[0]
    assert answer["message"]["content"] == token["token"]
    generated = post(server, max_tokens=1).json()["choices"][0]["message"]["content"]
    assert generated == token["token"] or "\ufffd" in token["token"]
