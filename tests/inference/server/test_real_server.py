"""A server process with the real weights, as clients of a Qwen service use it."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from django.conf import settings

from inference.client import OpenAIEmbeddingClient
from inference.weights.store import model_find
from tests.inference.server.conftest import ServerProcess, ServerStart

pytestmark = pytest.mark.weights

ALIAS = "Qwen1.5-1.8B-Chat-GPTQ-Int4"
MESSAGES: Any = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "用一句中文问候顾客，带一个表情😀。"},
]


@pytest.fixture(scope="module")
def server(server_start: ServerStart) -> ServerProcess:
    chat = model_find(settings.MODEL, settings.CACHE_DIR)
    embedding = model_find(settings.EMBEDDING_MODEL, settings.CACHE_DIR)
    return server_start(
        "--chat-model", str(chat), "--embedding-model", str(embedding), "--alias", ALIAS
    )


def test_a_plain_client_streams_an_answer(server: ServerProcess) -> None:
    body = {
        "model": ALIAS, "messages": MESSAGES, "stream": True, "max_tokens": 24, "temperature": 0,
    }  # fmt: skip
    text = ""
    url = f"{server.url}/v1/chat/completions"
    with httpx2.stream("POST", url, json=body, timeout=120) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: ") and line != "data: [DONE]":
                text += json.loads(line[6:])["choices"][0]["delta"]["content"]
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="EMPTY", timeout=120)
    whole = client.chat.completions.create(
        model=settings.MODEL, messages=MESSAGES, max_tokens=24, temperature=0
    )
    assert text == whole.choices[0].message.content
    assert text
    assert "�" not in text


async def test_embeddings_are_equal_in_both_encodings(server: ServerProcess) -> None:
    body: dict[str, object] = {"model": settings.EMBEDDING_MODEL, "input": ["怎么退货", "hello"]}
    url = f"{server.url}/v1/embeddings"
    plain = httpx2.post(url, json=body, timeout=60).json()
    client = OpenAIEmbeddingClient(server.url, settings.EMBEDDING_MODEL)
    vectors = await client.embed(["怎么退货", "hello"], kind="query", timeout=60)
    await client.aclose()
    assert vectors.dtype == np.float32
    assert np.allclose([row["embedding"] for row in plain["data"]], vectors, atol=1e-6)
    assert plain["usage"]["prompt_tokens"] > 4
    wrong = httpx2.post(url, json={**body, "dimensions": 7}, timeout=60)
    assert wrong.json()["error"]["param"] == "dimensions"


def test_each_model_answers_only_for_its_purpose(server: ServerProcess) -> None:
    body = {"model": settings.EMBEDDING_MODEL, "messages": MESSAGES}
    answer = httpx2.post(f"{server.url}/v1/chat/completions", json=body, timeout=60)
    assert answer.status_code == 404
    assert settings.MODEL in answer.json()["error"]["message"]
