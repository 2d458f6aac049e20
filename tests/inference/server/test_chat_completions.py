"""The server answers like the OpenAI API, to plain clients and to the openai package."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest

from tests.inference.server.conftest import ServerProcess, ServerStart

SCRIPT = """
[[reply]]
match = "slow"
text = "0123456789"
endless = true
delay = 0.02
[[reply]]
match = "stall"
stall_after = 0
[[reply]]
match = "broken"
text = "half an answer"
error = "down"
error_after = 2
[[reply]]
text = "您好，可以退货。😀"
"""


@pytest.fixture(scope="module")
def server(server_start: ServerStart) -> ServerProcess:
    return server_start("--alias", "Qwen1.5-1.8B-Chat-GPTQ-Int4", script=SCRIPT)


def body(text: str = "hello", **fields: object) -> dict[str, object]:
    return {"model": "scripted", "messages": [{"role": "user", "content": text}], **fields}


def post(server: ServerProcess, content: object, **options: Any) -> httpx2.Response:
    return httpx2.post(f"{server.url}/v1/chat/completions", json=content, timeout=10, **options)


def data_lines(server: ServerProcess, content: object) -> list[str]:
    """The lines that a plain client reads, exactly as they come."""
    url = f"{server.url}/v1/chat/completions"
    with httpx2.stream("POST", url, json=content, timeout=10) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [line for line in answer.iter_lines() if line]


def test_a_plain_client_reads_data_lines(server: ServerProcess) -> None:
    lines = data_lines(server, body(stream=True))
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    contents = [chunk["choices"][0]["delta"]["content"] for chunk in chunks]
    assert all(isinstance(content, str) for content in contents)
    assert "".join(contents) == "您好，可以退货。😀"
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks][-2:] == [None, "stop"]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert not any("usage" in chunk for chunk in chunks)


def test_usage_comes_in_a_chunk_of_its_own_when_asked_for(server: ServerProcess) -> None:
    lines = data_lines(server, body(stream=True, stream_options={"include_usage": True}))
    last = json.loads(lines[-2].removeprefix("data: "))
    assert last["choices"] == []
    usage = last["usage"]
    assert usage["completion_tokens"] == 5
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_whole_answer_has_text_reason_and_usage(server: ServerProcess) -> None:
    answer = post(server, body(max_tokens=2)).json()
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "您好，可"}
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 2


def test_an_alias_answers_under_its_own_name(server: ServerProcess) -> None:
    name = "Qwen1.5-1.8B-Chat-GPTQ-Int4"
    assert post(server, {**body(), "model": name}).json()["model"] == name
    names = [row["id"] for row in httpx2.get(f"{server.url}/v1/models").json()["data"]]
    assert names == ["scripted", name]


def test_an_unknown_model_is_told_the_known_ones(server: ServerProcess) -> None:
    answer = post(server, {**body(), "model": "gpt-4"})
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"
    assert "scripted" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frequency_penalty", 0.5),
        ("presence_penalty", -1),
        ("n", 2),
        ("logit_bias", {"50256": -100}),
        ("logprobs", True),
        ("response_format", {"type": "json_object"}),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(
    server: ServerProcess, name: str, value: object
) -> None:
    answer = post(server, body(**{name: value}))
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == name
    assert name in answer.json()["error"]["message"]


def test_neutral_and_unknown_fields_are_ignored(server: ServerProcess) -> None:
    extras = {
        "frequency_penalty": 0,
        "presence_penalty": 0.0,
        "n": 1,
        "logit_bias": None,
        "logprobs": False,
        "tools": [],
        "seed": 7,
        "user": "u-1",
        "store": False,
        "metadata": {"a": "b"},
        "parallel_tool_calls": True,
        "something_new": [1],
    }
    assert post(server, body(**extras)).status_code == 200


BAD_BODIES = [
    b"",
    b"{",
    b"[1]",
    b"null",
    b"[" * 60_000,
    b'{"model": "scripted", "messages": []}',
    b'{"model": "scripted"}',
    b'{"model": 1, "messages": [{"role": "user", "content": "x"}]}',
    b'{"model": "scripted", "messages": [{"role": "boss", "content": "x"}]}',
    b'{"model": "scripted", "messages": [{"role": "user", "content": 5}]}',
    b'{"model": "scripted", "messages": [{"role": "user", "content": "\\ud800"}]}',
    b'{"model": "scripted", "messages": [{"role": "user", "content": "\xff"}]}',
    b'{"model": "scripted", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}',
]
BAD_FIELDS: list[tuple[str, object]] = [
    ("temperature", -1),
    ("temperature", 2.1),
    ("top_p", 0),
    ("max_tokens", 0),
    ("max_tokens", 10**30),
    ("max_tokens", "many"),
    ("stop", [""]),
    ("stop", ["x"] * 17),
    ("repetition_penalty", 0),
    ("stream", "perhaps"),
]


@pytest.mark.parametrize("content", BAD_BODIES, ids=lambda content: content[:40])
def test_a_bad_body_gets_an_error_object(server: ServerProcess, content: bytes) -> None:
    url = f"{server.url}/v1/chat/completions"
    answer = httpx2.post(url, content=content, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].endswith(".")


@pytest.mark.parametrize("content", [b'{"temperature": NaN}', b'{"temperature": 1e999}'])
def test_numbers_that_are_none_are_refused(server: ServerProcess, content: bytes) -> None:
    whole = json.dumps(body()).encode()[:-1] + b", " + content[1:]
    answer = httpx2.post(f"{server.url}/v1/chat/completions", content=whole, timeout=10)
    assert answer.status_code == 400


@pytest.mark.parametrize(("name", "value"), BAD_FIELDS)
def test_a_bad_value_is_refused_by_name(server: ServerProcess, name: str, value: object) -> None:
    answer = post(server, body(**{name: value}))
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert name in (error["param"] or error["message"])


def test_a_huge_body_is_refused(server: ServerProcess) -> None:
    assert post(server, body("x" * (3 * 2**20))).status_code == 413


def test_what_does_not_fit_into_the_context_is_refused(server: ServerProcess) -> None:
    answer = post(server, body("word " * 4000))
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "context_length_exceeded"
    assert post(server, body(max_tokens=5000)).status_code == 400


def test_unknown_addresses_get_an_error_object(server: ServerProcess) -> None:
    answer = httpx2.get(f"{server.url}/v1/nothing")
    assert answer.status_code == 404
    assert "error" in answer.json()


def test_an_engine_that_fails_midway_ends_the_stream_with_an_error(server: ServerProcess) -> None:
    lines = data_lines(server, body("broken", stream=True))
    assert json.loads(lines[-2].removeprefix("data: "))["error"]["code"] == "engine_down"
    assert lines[-1] == "data: [DONE]"
    assert post(server, body("broken")).status_code == 503


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("text", ["slow", "stall"])
def test_hanging_up_frees_the_engine(server: ServerProcess, stream: bool, text: str) -> None:
    request = body(text, stream=stream, max_tokens=3000)
    with httpx2.Client(timeout=httpx2.Timeout(5, read=0.3)) as client:
        url = f"{server.url}/v1/chat/completions"
        if stream:
            with client.stream("POST", url, json=request) as answer:
                lines = answer.iter_lines()  # kept: its end would hang up too early
                assert next(lines).startswith("data: ")
                assert server.health()["running"] == 1
        else:
            with pytest.raises(httpx2.ReadTimeout):
                client.post(url, json=request)
    server.wait(lambda health: health["running"] == 0, 2)
    assert post(server, body()).status_code == 200


def test_the_clients_own_deadline_ends_the_request(server: ServerProcess) -> None:
    answer = post(server, body("stall"), headers={"X-Timeout-Seconds": "0.1"})
    assert answer.status_code == 504
    server.wait(lambda health: health["running"] == 0, 2)


def test_tokens_are_counted(server: ServerProcess) -> None:
    def count(content: object) -> Any:
        return httpx2.post(f"{server.url}/tokenize", json=content).json()["count"]

    assert count({"prompt": "abcd"}) == 2
    assert count({"messages": [{"role": "user", "content": "abcd"}]}) == 6
    assert httpx2.post(f"{server.url}/tokenize", json={}).status_code == 400


def test_the_openai_package_works(server: ServerProcess) -> None:
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="EMPTY", max_retries=0)
    messages: Any = [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]
    whole = client.chat.completions.create(model="scripted", messages=messages)
    assert whole.choices[0].message.content == "您好，可以退货。😀"
    pieces = client.chat.completions.create(model="scripted", messages=messages, stream=True)
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == (
        "您好，可以退货。😀"
    )
    assert next(model.id for model in client.models.list()) == "scripted"
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="scripted", messages=messages, frequency_penalty=1)
    assert caught.value.param == "frequency_penalty"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="other", messages=messages)


def test_the_key_is_asked_for(server_start: ServerStart) -> None:
    server = server_start(script=SCRIPT, key="secret-ключ")
    assert post(server, body()).status_code == 401
    assert post(server, body(), headers={"Authorization": "Bearer wrong"}).status_code == 401
    right = {"Authorization": "Bearer secret-ключ".encode()}
    assert post(server, body(), headers=right).status_code == 200
    assert server.health()["state"] == "ready"
