"""``/v1`` on the web port: who may use it, and what passes through."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from django.contrib import admin
from django.test import AsyncClient
from django.urls import include, path
from pytest_django.fixtures import Settings

from supportdesk import v1
from tests.inference.server.conftest import ServerProcess, ServerStart
from tests.inference.server.conftest import server_start as server_start

# Only what is tested here: the desk's other pages need not be loaded for it.
urlpatterns = [
    path("v1/", include("supportdesk.v1")),
    path("admin/", admin.site.urls),  # middleware asks for its address
]

SCRIPT = r"""
[[reply]]
match = "stall"
stall_after = 0
[[reply]]
match = "Do not answer yet"
text = "The order is asked for."
[[reply]]
match = "is asked for"
text = "<tool_call>{\"name\": \"order_status\", \"arguments\": {\"order_id\": \"7\"}}</tool_call>"
[[reply]]
text = "您好，可以退货。"
"""
BODY = {"model": "scripted", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def engine(server_start: ServerStart) -> ServerProcess:
    return server_start(script=SCRIPT, key="inner")


@pytest.fixture
def desk(engine: ServerProcess, settings: Settings) -> Iterator[Settings]:
    """Settings of a desk with a key and the scripted engine."""
    settings.ENGINE_URL, settings.ENCODER_URL = engine.url, ""
    settings.ENGINE_API_KEY, settings.V1_API_KEY = "inner", "outer"
    settings.OPEN_V1, settings.HOST = False, "127.0.0.1"
    settings.ROOT_URLCONF = __name__
    v1._http.cache_clear()  # it belongs to the event loop of another test
    yield settings
    v1._http.cache_clear()


async def post(content: object, key: str | None = "outer", **headers: str) -> Any:
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    return await AsyncClient().post(
        "/v1/chat/completions", json.dumps(content), content_type="application/json",
        headers=headers,
    )  # fmt: skip


async def text_of(answer: Any) -> str:
    if answer.streaming:
        return b"".join([piece async for piece in answer]).decode()
    return str(answer.content.decode())


async def test_an_answer_passes_through(desk: Settings) -> None:
    answer = await post(BODY)
    assert answer.status_code == 200
    message = json.loads(await text_of(answer))["choices"][0]["message"]
    assert message["content"] == "您好，可以退货。"
    assert not answer.cookies


async def test_a_stream_passes_through(desk: Settings) -> None:
    answer = await post({**BODY, "stream": True})
    assert answer["Content-Type"].startswith("text/event-stream")
    lines = [line for line in (await text_of(answer)).split("\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"


async def test_tools_thinking_and_probabilities_pass_through(desk: Settings) -> None:
    tools = [{"type": "function", "function": {"name": "order_status"}}]
    question = {**BODY, "messages": [{"role": "user", "content": "my order?"}]}
    answer = await post({**question, "tools": tools, "enable_thinking": True})
    choice = json.loads(await text_of(answer))["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["reasoning_content"] == "The order is asked for."
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"order_id": "7"}'
    answer = await post({**BODY, "max_tokens": 1, "logprobs": True, "top_logprobs": 1})
    [token] = json.loads(await text_of(answer))["choices"][0]["logprobs"]["content"]
    assert token["top_logprobs"][0]["token"] == "您好"
    answer = await post({**BODY, "tool_choice": "required"})
    assert answer.status_code == 400
    assert json.loads(await text_of(answer))["error"]["param"] == "tool_choice"


async def test_hints_pass_through(desk: Settings) -> None:
    stall = {"model": "scripted", "messages": [{"role": "user", "content": "stall"}]}
    answer = await post(stall, **{"X-Timeout-Seconds": "0.1"})
    assert answer.status_code == 504
    assert (await post(BODY, **{"X-Priority": "urgent"})).status_code == 400


async def test_programs_that_flood_leave_room_for_a_customer(
    desk: Settings, engine: ServerProcess
) -> None:
    stall = {"model": "scripted", "messages": [{"role": "user", "content": "stall"}]}
    flood = [asyncio.create_task(post(stall)) for _ in range(33)]
    await asyncio.to_thread(engine.wait, lambda health: health["waiting"] == 32, 60)
    assert not any(request.done() for request in flood)
    async with httpx2.AsyncClient(headers={"Authorization": "Bearer inner"}) as customer:
        asking = asyncio.create_task(
            customer.post(
                f"{engine.url}/v1/chat/completions", json=stall,
                headers={"X-Conversation": "customer", "X-Timeout-Seconds": "300"},
            )
        )  # fmt: skip
        done, _ = await asyncio.wait(
            [*flood, asking], timeout=60, return_when=asyncio.FIRST_COMPLETED
        )
        assert len(done) == 1
        assert done <= set(flood)
        assert done.pop().result().status_code == 429
        for request in (*flood, asking):
            request.cancel()
        await asyncio.gather(*flood, asking, return_exceptions=True)
    await asyncio.to_thread(engine.wait, lambda health: health["running"] == 0, 5)


async def test_leaving_the_stream_frees_the_engine(desk: Settings, engine: ServerProcess) -> None:
    stall = {"model": "scripted", "messages": [{"role": "user", "content": "stall"}]}
    answer = await post({**stall, "stream": True})
    reading = asyncio.create_task(text_of(answer))
    await asyncio.to_thread(engine.wait, lambda health: health["running"] == 1)
    reading.cancel()  # what the web server does when the client hangs up
    await asyncio.to_thread(engine.wait, lambda health: health["running"] == 0, 5)


async def test_errors_of_the_engine_pass_through(desk: Settings) -> None:
    answer = await post({**BODY, "model": "other"})
    assert answer.status_code == 404
    assert "scripted" in json.loads(await text_of(answer))["error"]["message"]


@pytest.mark.parametrize("key", [None, "", "wrong", "inner"])
async def test_the_key_is_asked_for(desk: Settings, key: str | None) -> None:
    answer = await post(BODY, key)
    assert answer.status_code == 401
    assert json.loads(answer.content)["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize(
    ("open_v1", "host", "status"),
    [(True, "127.0.0.1", 200), (True, "::1", 200), (True, "0.0.0.0", 401), (False, "::1", 401)],  # noqa: S104
)
async def test_without_a_key_only_an_open_desk_on_loopback_answers(
    desk: Settings, open_v1: bool, host: str, status: int
) -> None:
    desk.V1_API_KEY, desk.OPEN_V1, desk.HOST = "", open_v1, host
    assert (await post(BODY, "EMPTY")).status_code == status


async def test_an_open_desk_refuses_pages_of_other_origins(desk: Settings) -> None:
    desk.V1_API_KEY, desk.OPEN_V1 = "", True
    assert (await post(BODY, None, Origin="https://evil.example")).status_code == 403
    assert (await post(BODY, None, Origin="null")).status_code == 403
    assert (await post(BODY, None, Origin="http://testserver")).status_code == 200


async def test_without_an_engine_it_says_so(desk: Settings) -> None:
    for url in ("", "http://127.0.0.1:9"):
        desk.ENGINE_URL = url
        answer = await post(BODY)
        assert answer.status_code == 503
        assert json.loads(answer.content)["error"]["code"] == "engine_down"


async def test_a_huge_body_is_refused(desk: Settings) -> None:
    answer = await post({"messages": "x" * (v1.MAX_BODY_BYTES + 1)})
    assert answer.status_code == 413


async def test_models_are_listed(desk: Settings) -> None:
    desk.ENCODER_URL = "http://127.0.0.1:9"  # away
    answer = await AsyncClient().get("/v1/models", headers={"Authorization": "Bearer outer"})
    assert [row["id"] for row in json.loads(answer.content)["data"]] == ["scripted"]


async def test_other_methods_are_refused(desk: Settings) -> None:
    answer = await AsyncClient().get(
        "/v1/chat/completions", headers={"Authorization": "Bearer outer"}
    )
    assert answer.status_code == 405
    assert answer["Allow"] == "POST"
