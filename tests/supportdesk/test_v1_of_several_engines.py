"""``/v1`` when there are engines besides the built-in one."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from django.test import AsyncClient
from pytest_django.fixtures import Settings

from inference.backends.specs import BackendSpec
from inference.ports import port_free
from supportdesk import v1
from supportdesk.v1_engines import Destinations, NoSuchModel, engines_ordered
from tests.inference.server.conftest import ServerProcess, ServerStart
from tests.inference.server.conftest import server_start as server_start
from tests.supportdesk.test_v1 import post, text_of

ROOT_URLCONF = "tests.supportdesk.test_v1"


def script(text: str) -> str:
    return f'[[reply]]\ntext = "{text}"\n'


@pytest.fixture(scope="module")
def built_in(server_start: ServerStart) -> ServerProcess:
    return server_start(script=script("built-in"), key="inner")


@pytest.fixture(scope="module")
def remote(server_start: ServerStart) -> ServerProcess:
    return server_start("--alias", "Qwen3-8B", script=script("remote"), key="theirs")


@pytest.fixture
def desk(built_in: ServerProcess, remote: ServerProcess, settings: Settings) -> Iterator[Settings]:
    settings.ENGINE_URL, settings.ENCODER_URL = built_in.url, ""
    settings.ENGINE_API_KEY, settings.V1_API_KEY = "inner", "outer"
    settings.OPEN_V1, settings.HOST = False, "127.0.0.1"
    settings.ENGINES = (BackendSpec(url=remote.url, name="gpu", model="Qwen3-8B", key="theirs"),)
    settings.LOCAL_ENGINE, settings.MODEL_ALIASES = "first", ["shop-model"]
    settings.ROOT_URLCONF = ROOT_URLCONF
    v1._http.cache_clear()
    v1._destinations.cache_clear()
    yield settings
    v1._http.cache_clear()
    v1._destinations.cache_clear()


async def answer_of(model: str) -> str:
    answer = await post({"model": model, "messages": [{"role": "user", "content": "hi"}]})
    assert answer.status_code == 200
    return str(json.loads(await text_of(answer))["choices"][0]["message"]["content"])


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


async def test_the_next_engine_answers_for_one_that_is_away(
    desk: Settings, remote: ServerProcess
) -> None:
    away = BackendSpec(url=f"http://127.0.0.1:{port_free()}", name="away", model="Qwen3-8B", tier=0)
    desk.ENGINES = (away, *desk.ENGINES)
    assert await answer_of("Qwen3-8B") == "remote"
    desk.ENGINES, desk.LOCAL_ENGINE = (away,), "off"
    v1._destinations.cache_clear()
    answer = await post({"model": "Qwen3-8B", "messages": []})
    assert answer.status_code == 503


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
