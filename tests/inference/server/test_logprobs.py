"""The probabilities of an answer's first token are told as OpenAI's API tells them."""

from __future__ import annotations

import json
import math
from typing import Any

import httpx2
import numpy as np
import openai
import pytest

from inference.chat import ChatMessage, GenerationParameters
from inference.client import OpenAIChatClient
from inference.errors import RequestInvalid
from inference.server.logprobs import token_sample
from tests.inference.server.conftest import ServerProcess, ServerStart

# The scripted engine's tokens have two characters; it gives .9 to the first two of its reply.
SCRIPT = """
[[reply]]
match = "bad"
text = "negative"
[[reply]]
text = "正面的"
"""
MESSAGES: Any = [{"role": "user", "content": "good"}]


@pytest.fixture(scope="module")
def server(server_start: ServerStart) -> ServerProcess:
    return server_start(script=SCRIPT)


def ask(server: ServerProcess, **fields: object) -> httpx2.Response:
    body = {"model": "scripted", "messages": MESSAGES, "max_tokens": 1, "logprobs": True, **fields}
    return httpx2.post(f"{server.url}/v1/chat/completions", json=body, timeout=10)


def test_the_openai_package_reads_the_likeliest_tokens(server: ServerProcess) -> None:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="EMPTY", max_retries=0)
    answer = client.chat.completions.create(
        model="scripted", messages=MESSAGES, max_tokens=1, logprobs=True, top_logprobs=3,
        temperature=0,
    )  # fmt: skip
    [choice] = answer.choices
    assert (choice.message.content, choice.finish_reason) == ("正面", "length")
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    [token] = choice.logprobs.content
    assert token.token == "正面"
    assert bytes(token.bytes or []) == "正面".encode()
    assert token.logprob == pytest.approx(math.log(0.9), abs=1e-5)
    assert len(token.top_logprobs) == 3
    assert token.top_logprobs[0].token == "正面"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 1


def test_without_top_logprobs_only_the_token_itself_is_told(server: ServerProcess) -> None:
    [token] = ask(server, temperature=0).json()["choices"][0]["logprobs"]["content"]
    assert token["top_logprobs"] == []


def test_candidates_are_listed_and_nothing_else(server: ServerProcess) -> None:
    answer = ask(server, logprob_candidates=["负面", "正面"], top_logprobs=20, temperature=0)
    [choice] = answer.json()["choices"]
    [token] = choice["logprobs"]["content"]
    assert choice["message"]["content"] == "正面"
    assert [row["token"] for row in token["top_logprobs"]] == ["正面", "负面"]
    assert token["top_logprobs"][1]["logprob"] < math.log(0.01)


def test_a_stream_has_the_same_in_its_first_piece(server: ServerProcess) -> None:
    answer = ask(server, stream=True, top_logprobs=2, stream_options={"include_usage": True})
    lines = [line for line in answer.text.splitlines() if line]
    assert lines[-1] == "data: [DONE]"
    role, piece, end, usage = (json.loads(line.removeprefix("data: ")) for line in lines[:-1])
    assert role["choices"][0]["delta"]["role"] == "assistant"
    assert piece["choices"][0]["delta"]["content"] == "正面"
    assert len(piece["choices"][0]["logprobs"]["content"][0]["top_logprobs"]) == 2
    assert end["choices"][0]["finish_reason"] == "length"
    assert usage["usage"]["completion_tokens"] == 1


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"max_tokens": 2}, "logprobs"),
        ({"max_tokens": None}, "logprobs"),
        ({"logprobs": False, "top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": None, "logprob_candidates": ["a"]}, "logprob_candidates"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"logprob_candidates": []}, "logprob_candidates"),
        ({"logprob_candidates": [""]}, "logprob_candidates"),
        ({"logprob_candidates": ["good", "goods"]}, "logprob_candidates"),
    ],
)
def test_what_cannot_be_told_is_refused_by_name(
    server: ServerProcess, fields: dict[str, object], name: str
) -> None:
    answer = ask(server, **fields)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].split(".")[0] == name


@pytest.mark.parametrize(
    ("name", "value"), [("X-Priority", "urgent"), ("X-Conversation", "x" * 201)]
)
def test_a_bad_hint_is_refused(server: ServerProcess, name: str, value: str) -> None:
    body = {"model": "scripted", "messages": MESSAGES}
    url = f"{server.url}/v1/chat/completions"
    assert httpx2.post(url, json=body, headers={name: value}).status_code == 400


async def test_our_client_maps_them_to_its_candidates(server: ServerProcess) -> None:
    client = OpenAIChatClient(server.url)
    try:
        found = await client.next_logprobs(
            [ChatMessage("user", "bad")], ["positive", "negative"], timeout=10
        )
        assert found["negative"] == pytest.approx(math.log(0.9), abs=1e-5)
        assert found["positive"] < math.log(0.01)
        with pytest.raises(RequestInvalid, match="same token"):
            await client.next_logprobs([ChatMessage("user", "x")], ["nein", "nett"], timeout=10)
    finally:
        await client.aclose()


def test_sampling_follows_temperature_and_cuts() -> None:
    scores = np.log(np.array([0.1, 0.6, 0.3], dtype=np.float32))
    random = np.random.default_rng(7)

    def drawn(**options: Any) -> set[int]:
        parameters = GenerationParameters(**options)
        return {token_sample(scores, parameters, random) for _ in range(200)}

    assert drawn(temperature=0.0) == {1}
    assert drawn(temperature=1.0) == {0, 1, 2}
    assert drawn(temperature=1.0, top_k=2) == {1, 2}
    assert drawn(temperature=1.0, top_p=0.5) == {1}
    assert drawn(temperature=0.05) == {1}
