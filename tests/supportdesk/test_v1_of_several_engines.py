"""``/v1`` when there are engines besides the built-in one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from django.test import AsyncClient
from pytest_django.fixtures import Settings

from conversations.desk import desk_current, desk_install
from inference.backends.pool import BackendPool
from inference.backends.specs import BackendSpec
from inference.chat import ChatMessage, GenerationParameters
from inference.ports import port_free
from supportdesk import v1
from supportdesk.v1_engines import Destinations, NoSuchModel, engines_ordered
from tests.inference.server.conftest import ServerProcess, ServerStart
from tests.inference.server.conftest import server_start as server_start
from tests.supportdesk.test_v1 import post, text_of

ROOT_URLCONF = "tests.supportdesk.test_v1"


def script(text: str) -> str:
    return f'[[reply]]\ntext = "{text}"\n'


FAILING = """
[[reply]]
match = "break down"
error = "down"
[[reply]]
match = "be busy"
error = "overloaded"
[[reply]]
match = "be loading"
error = "starting"
[[reply]]
match = "break off"
text = "half an answer"
error = "down"
error_after = 3
[[reply]]
match = "stall later"
text = "he said"
stall_after = 2
[[reply]]
match = "stall"
stall_after = 0
[[reply]]
text = "failing"
"""


@pytest.fixture(scope="module")
def built_in(server_start: ServerStart) -> ServerProcess:
    return server_start(script=script("built-in"), key="inner")


@pytest.fixture(scope="module")
def failing(server_start: ServerStart) -> ServerProcess:
    return server_start("--alias", "Qwen3-8B", script=FAILING)


@pytest.fixture(scope="module")
def remote(server_start: ServerStart) -> ServerProcess:
    return server_start("--alias", "Qwen3-8B", script=script("remote"), key="theirs")


@pytest_asyncio.fixture
async def desk(
    built_in: ServerProcess, remote: ServerProcess, settings: Settings
) -> AsyncIterator[Settings]:
    settings.ENGINE_URL, settings.ENCODER_URL = built_in.url, ""
    settings.ENGINE_API_KEY, settings.V1_API_KEY = "inner", "outer"
    settings.OPEN_V1, settings.HOST = False, "127.0.0.1"
    settings.ENGINES = (BackendSpec(url=remote.url, name="gpu", model="Qwen3-8B", key="theirs"),)
    settings.LOCAL_ENGINE, settings.MODEL_ALIASES = "first", ["shop-model"]
    settings.MODEL, settings.FIRST_TOKEN_SECONDS = "scripted", 40.0
    settings.ROOT_URLCONF = ROOT_URLCONF
    await forget()
    yield settings
    await desk_current().engines.aclose()
    await forget()


async def forget() -> None:
    """Have the next request find the engines that the settings name by then."""
    v1._http.cache_clear()
    v1._destinations.cache_clear()
    desk_install(None)


def question(model: str, text: str = "hi", **fields: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


async def answer_of(model: str, text: str = "hi") -> str:
    answer = await post(question(model, text))
    assert answer.status_code == 200
    return content(await text_of(answer))


def content(body: str) -> str:
    return str(json.loads(body)["choices"][0]["message"]["content"])


def written(body: str) -> str:
    """The text of a stream."""
    lines = [line.removeprefix("data: ") for line in body.split("\n") if line]
    rows = [json.loads(line) for line in lines if line != "[DONE]"]
    deltas = [choice["delta"] for row in rows for choice in row.get("choices", [])]
    return "".join(delta.get("content") or "" for delta in deltas)


async def breaker_of(name: str) -> str:
    pool = desk_current().engines.chat
    assert isinstance(pool, BackendPool)
    return {status.name: status.breaker for status in await pool.statuses()}[name]


async def test_the_name_of_the_model_chooses_the_engine(desk: Settings) -> None:
    assert await answer_of("scripted") == "built-in"
    assert await answer_of("Qwen3-8B") == "remote"


@pytest.mark.parametrize(
    ("order", "answer"), [("first", "built-in"), ("last", "remote"), ("off", "remote")]
)
async def test_an_alias_is_the_model_of_the_engine_that_comes_first(
    desk: Settings, order: str, answer: str
) -> None:
    desk.LOCAL_ENGINE = order
    assert await answer_of("shop-model") == answer


async def test_without_a_built_in_engine_the_others_answer(desk: Settings) -> None:
    desk.ENGINE_URL, desk.LOCAL_ENGINE = "", "off"
    assert await answer_of("Qwen3-8B") == "remote"
    listed = await AsyncClient().get("/v1/models", headers={"Authorization": "Bearer outer"})
    assert [row["id"] for row in json.loads(listed.content)["data"]] == ["Qwen3-8B"]


async def test_the_next_engine_answers_for_one_that_is_away(desk: Settings) -> None:
    away = BackendSpec(url=f"http://127.0.0.1:{port_free()}", name="away", model="Qwen3-8B", tier=0)
    desk.ENGINES = (away, *desk.ENGINES)
    assert await answer_of("Qwen3-8B") == "remote"


async def test_when_no_engine_has_the_model_up_it_says_so(desk: Settings) -> None:
    desk.ENGINES = (
        BackendSpec(url=f"http://127.0.0.1:{port_free()}", name="away", model="Qwen3-8B"),
    )
    desk.LOCAL_ENGINE = "off"
    answer = await post({"model": "Qwen3-8B", "messages": []})
    assert answer.status_code == 503
    assert json.loads(answer.content)["error"]["code"] == "engine_down"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("text", ["break down", "be busy", "be loading"])
async def test_the_next_engine_answers_for_one_that_cannot(
    desk: Settings, failing: ServerProcess, text: str, stream: bool
) -> None:
    first = BackendSpec(url=failing.url, name="failing", model="Qwen3-8B", tier=0)
    desk.ENGINES = (first, *desk.ENGINES)
    answer = await post(question("Qwen3-8B", text, stream=stream))
    assert answer.status_code == 200
    body = await text_of(answer)
    assert (written(body) if stream else content(body)) == "remote"
    assert ("[DONE]" in body) == stream


async def test_an_engine_that_begins_too_late_loses_a_stream_to_the_next(
    desk: Settings, failing: ServerProcess
) -> None:
    slow = BackendSpec(url=failing.url, name="slow", model="Qwen3-8B", tier=0, first_token=0.3)
    desk.ENGINES = (slow, *desk.ENGINES)
    streamed = await post(question("Qwen3-8B", "stall", stream=True))
    assert written(await text_of(streamed)) == "remote"
    await asyncio.to_thread(failing.wait, lambda health: health["running"] == 0)


async def test_what_an_engine_says_of_the_request_itself_is_final(
    desk: Settings, remote: ServerProcess
) -> None:
    spare = BackendSpec(url=remote.url, name="spare", model="Qwen3-8B", key="theirs", tier=9)
    desk.ENGINES = (*desk.ENGINES, spare)
    answer = await post(question("Qwen3-8B", frequency_penalty=1.0))
    assert answer.status_code == 400
    assert "frequency_penalty" in await text_of(answer)


async def test_an_engine_that_fails_again_and_again_is_left_alone_by_programs_and_customers(
    desk: Settings, failing: ServerProcess
) -> None:
    first = BackendSpec(url=failing.url, name="failing", model="Qwen3-8B", tier=0)
    desk.ENGINES, desk.LOCAL_ENGINE = (first, *desk.ENGINES), "off"
    for _ in range(desk.BREAKER_FAILURES):
        assert await breaker_of("failing") == "closed"
        assert await answer_of("Qwen3-8B", "break down") == "remote"
    assert await breaker_of("failing") == "open"
    # It would answer this one, but nobody asks it now: no program, and no customer.
    assert await answer_of("Qwen3-8B", "hello") == "remote"
    pool = desk_current().engines.chat
    chunks = [
        chunk
        async for chunk in pool.stream(
            [ChatMessage("user", "hello")], GenerationParameters(), timeout=10
        )
    ]
    assert "".join(chunk.text for chunk in chunks) == "remote"


async def test_a_stream_that_breaks_off_counts_against_its_engine(
    desk: Settings, failing: ServerProcess
) -> None:
    desk.ENGINES = (BackendSpec(url=failing.url, name="failing", model="Qwen3-8B"),)
    for _ in range(desk.BREAKER_FAILURES):
        answer = await post(question("Qwen3-8B", "break off", stream=True))
        assert answer.status_code == 200
        body = await text_of(answer)
        assert written(body) == "half a"
    assert await breaker_of("failing") == "open"
    answer = await post(question("Qwen3-8B"))
    assert answer.status_code == 503


async def test_leaving_a_relayed_stream_frees_the_engine_and_blames_nobody(
    desk: Settings, failing: ServerProcess
) -> None:
    desk.ENGINES = (BackendSpec(url=failing.url, name="failing", model="Qwen3-8B"),)
    for _ in range(desk.BREAKER_FAILURES + 1):
        answer = await post(question("Qwen3-8B", "stall later", stream=True))
        reading = asyncio.create_task(text_of(answer))
        await asyncio.to_thread(failing.wait, lambda health: health["running"] == 1)
        reading.cancel()  # what the web server does when the client hangs up
        await asyncio.to_thread(failing.wait, lambda health: health["running"] == 0)
    assert await breaker_of("failing") == "closed"


async def test_an_unknown_model_is_told_with_the_known_ones(desk: Settings) -> None:
    answer = await post({"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]})
    assert answer.status_code == 404
    error = json.loads(answer.content)["error"]
    assert error["code"] == "model_not_found"
    assert "Qwen3-8B" in error["message"]
    assert "scripted" in error["message"]


@pytest.mark.parametrize("content", ["[]", "no JSON", '"text"'])
async def test_a_body_without_a_model_is_refused(desk: Settings, content: str) -> None:
    answer = await AsyncClient().post(
        "/v1/chat/completions", content, content_type="application/json",
        headers={"Authorization": "Bearer outer"},
    )  # fmt: skip
    assert answer.status_code == 400


def test_engines_come_in_the_order_of_their_tiers_and_weights() -> None:
    light = BackendSpec(url="http://a", name="light")
    heavy = BackendSpec(url="http://b", name="heavy", weight=3)
    later = BackendSpec(url="http://c", name="later", tier=2)
    ordered = engines_ordered(
        [later, light, heavy], local_url="http://d", local_key="k", local_order="last"
    )
    assert [spec.name for spec in ordered] == ["heavy", "light", "later", "built-in"]


async def test_names_are_asked_for_once_in_a_while_and_only_of_those_that_answer() -> None:
    asked: list[str] = []
    now = [0.0]

    async def ask(spec: BackendSpec) -> tuple[str, ...]:
        asked.append(spec.name)
        return ("qwen",) if spec.name == "up" else ()

    up = BackendSpec(url="http://a", name="up")
    down = BackendSpec(url="http://b", name="down")
    destinations = Destinations([up, down], ask=ask, clock=lambda: now[0])
    for _ in range(2):
        assert [each.spec.name for each in await destinations.find("qwen")] == ["up"]
    assert asked == ["up", "down", "down"]
    now[0] = 31.0
    await destinations.find("qwen")
    assert asked.count("up") == 2
    with pytest.raises(NoSuchModel):
        await destinations.find("other")
