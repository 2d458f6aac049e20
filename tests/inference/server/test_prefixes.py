"""Fixed heads of prompts are registered over HTTP, and the engine tells how long prompts may be."""

from __future__ import annotations

import httpx2
import pytest

from inference.chat import ChatMessage
from inference.client import OpenAIChatClient
from inference.errors import EngineDown, RequestInvalid

pytestmark = pytest.mark.usefixtures("socket_enabled")

SCRIPT = '[[reply]]\ntext = "x"\n'
HEAD = [ChatMessage("system", "Be brief.")]


@pytest.fixture(scope="module")
def url(server_start) -> str:
    return str(server_start(script=SCRIPT, key="secret").url)


async def test_a_set_of_prefixes_is_put_by_the_client(url: str) -> None:
    client = OpenAIChatClient(url, api_key="secret")
    try:
        await client.prefixes_put([HEAD, [*HEAD, ChatMessage("user", "Hi")]])
        await client.prefixes_put([])
    finally:
        await client.aclose()


async def test_health_tells_what_became_of_them(url: str) -> None:
    client = OpenAIChatClient(url, api_key="secret")
    try:
        await client.prefixes_put([HEAD])
        kept = httpx2.get(f"{url}/health").json()["prefixes"]
        assert kept == {"kept": 0, "tokens": 0, "refused": 1}  # the scripted engine keeps none
        await client.prefixes_put([])
        assert httpx2.get(f"{url}/health").json()["prefixes"]["refused"] == 0
    finally:
        await client.aclose()


async def test_health_tells_the_prompt_budget(url: str) -> None:
    client = OpenAIChatClient(url, api_key="secret")
    try:
        health = await client.health()
    finally:
        await client.aclose()
    assert health.state == "ready"
    assert health.prefill_tokens_per_second > 100
    assert 256 <= health.prompt_tokens_budget <= 4096


def test_what_is_no_set_of_prefixes_is_refused(url: str) -> None:
    headers = {"Authorization": "Bearer secret"}
    for body in ({}, {"prefixes": "x"}, {"prefixes": [[]]}, {"prefixes": [[{"role": "x"}]]}):
        answer = httpx2.put(f"{url}/prefixes", json=body, headers=headers)
        assert answer.status_code in (400, 422), body
    assert httpx2.put(f"{url}/prefixes", json={"prefixes": []}).status_code == 401


async def test_errors_reach_the_caller(url: str) -> None:
    client = OpenAIChatClient(url, model="unknown", api_key="secret")
    gone = OpenAIChatClient("http://127.0.0.1:9", api_key="secret")
    try:
        with pytest.raises(EngineDown):
            await gone.prefixes_put([HEAD])
        with pytest.raises(RequestInvalid):
            await client.prefixes_put([HEAD] * 300)
    finally:
        await client.aclose()
        await gone.aclose()
