"""Plain clients written for a Qwen service work against a whole desk with no change but the address."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx2
import openai
import pytest

from benchmarks.desk import Desk

pytestmark = [pytest.mark.weights, pytest.mark.usefixtures("socket_enabled")]

HELLO = [{"role": "user", "content": "用一句话介绍你自己。"}]


@pytest.fixture(scope="module")
def real_desk(desk_on_weights: Callable[..., Desk]) -> Desk:
    return desk_on_weights(SUPPORTDESK_MODEL_ALIASES="Qwen1.5-1.8B-Chat-GPTQ-Int4")


@pytest.fixture
def client(real_desk: Desk) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{real_desk.url}/v1", api_key="EMPTY", max_retries=0)


def test_the_openai_package_is_answered_by_an_alias(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="Qwen1.5-1.8B-Chat-GPTQ-Int4", messages=HELLO, max_tokens=24, temperature=0
    )
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 24


def test_a_reader_of_data_lines_gets_a_standard_stream(real_desk: Desk) -> None:
    body = {
        "model": "Qwen1.5-1.8B-Chat-GPTQ-Int4",
        "messages": HELLO,
        "max_tokens": 24,
        "stream": True,
    }
    url = f"{real_desk.url}/v1/chat/completions"
    with httpx2.stream("POST", url, json=body, timeout=60) as answer:
        lines = [line for line in answer.iter_lines() if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line[6:]) for line in lines[:-1]]
    contents = [chunk["choices"][0]["delta"]["content"] for chunk in chunks if chunk["choices"]]
    assert all(isinstance(content, str) for content in contents)
    assert "".join(contents).strip()
    assert "\ufffd" not in "".join(contents)


def test_embeddings_come_from_the_encoder(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model="multilingual-e5-small", input=["退货", "return it"])
    assert [len(row.embedding) for row in answer.data] == [384, 384]


def test_an_unknown_model_is_told_the_known_ones(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=r"Qwen2\.5-Coder-0\.5B-Instruct"):
        client.chat.completions.create(model="gpt-9", messages=HELLO)


def test_what_the_engine_cannot_honour_is_named(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="frequency_penalty"):
        client.chat.completions.create(
            model="Qwen2.5-Coder-0.5B-Instruct", messages=HELLO, frequency_penalty=1.0
        )
