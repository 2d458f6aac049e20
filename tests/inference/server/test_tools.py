"""Calls of tools on the wire, whole and streamed, in OpenAI's present and older form."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest

from tests.inference.server.conftest import ServerProcess, ServerStart

# Each question has its own reply; `times = 1` replies come before what the model says when it is
# asked again.
SCRIPT = r"""
[[reply]]
match = "again"
text = "<tool_call>{\"name\": \"order_status\", \"arguments\": {\"number\": 5}}</tool_call>"
times = 1
[[reply]]
match = "That call is not valid.*order_id(.|\n)*Make the call again"
where = "prompt"
text = "<tool_call>{\"name\": \"order_status\", \"arguments\": {\"order_id\": \"55\"}}</tool_call>"
times = 2
[[reply]]
match = "never"
text = "<tool_call>{\"name\": \"drop_table\", \"arguments\": {}}</tool_call>"
times = 1
[[reply]]
match = "There is no function"
where = "prompt"
text = "<tool_call>{\"name\": nothing</tool_call>"
times = 1
[[reply]]
match = "plain"
text = "7天内可以退货。"
[[reply]]
match = "mention"
text = "Write <tool_call> before a call, 不要忘记。"
[[reply]]
match = "order"
text = "我来查一下。\n<tool_call>\n{\"name\": \"order_status\", \"arguments\": {\"order_id\": \"123456\"}}\n</tool_call>"
[[reply]]
match = "several"
text = "<tool_call>\n{\"name\": \"order_status\", \"arguments\": {\"order_id\": \"1\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"store_hours\", \"arguments\": {\"place\": {\"city\": \"上海 {😀}\"}}}\n</tool_call>"
[[reply]]
match = "fenced"
text = "```json\n{\n  \"name\": \"order_status\",\n  \"arguments\": {\n    \"order_id\": 123456,\n  }\n}\n```"
[[reply]]
match = "never"
text = "I cannot look that up."
[[reply]]
match = "forced"
text = "\"order_id\": \"77\"}}\n</tool_call> and so on"
[[reply]]
match = "result"
text = "Your order is on its way."
"""
ORDER = {
    "type": "function",
    "function": {
        "name": "order_status",
        "description": "Where an order is.",
        "parameters": {
            "type": "object",
            "properties": {"order_id": {"type": "string"}},
            "required": ["order_id"],
        },
    },
}
HOURS = {"type": "function", "function": {"name": "store_hours"}}
TOOLS: Any = [ORDER, HOURS]


@pytest.fixture(scope="module")
def server(server_start: ServerStart) -> ServerProcess:
    return server_start(script=SCRIPT)


@pytest.fixture
def client(server: ServerProcess) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="EMPTY", max_retries=0)


def post(server: ServerProcess, text: str, **fields: object) -> httpx2.Response:
    body = {"model": "scripted", "messages": [{"role": "user", "content": text}], **fields}
    return httpx2.post(f"{server.url}/v1/chat/completions", json=body, timeout=10)


def choice(server: ServerProcess, text: str, **fields: object) -> dict[str, Any]:
    answer = post(server, text, **{"tools": TOOLS, **fields})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["choices"][0]
    return found


def called(found: dict[str, Any]) -> list[tuple[str, Any]]:
    """Names and arguments of the calls in a whole answer."""
    calls = found["message"].get("tool_calls", [])
    return [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls]


def deltas(server: ServerProcess, text: str, **fields: object) -> list[dict[str, Any]]:
    """The choices of a streamed answer."""
    answer = post(server, text, **{"tools": TOOLS, "stream": True, **fields})
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line)["choices"][0] for line in lines[:-1]]


def test_a_call_comes_with_its_text_id_and_reason(server: ServerProcess) -> None:
    found = choice(server, "order")
    assert found["message"]["content"] == "我来查一下。\n"
    assert found["finish_reason"] == "tool_calls"
    assert called(found) == [("order_status", {"order_id": "123456"})]
    [call] = found["message"]["tool_calls"]
    assert call["type"] == "function"
    assert call["id"].startswith("call_")


def test_a_stream_shows_the_text_at_once_and_never_a_tag(server: ServerProcess) -> None:
    rows = deltas(server, "order")
    text = "".join(row["delta"]["content"] for row in rows)
    assert text == "我来查一下。\n"
    calls = [call for row in rows for call in row["delta"].get("tool_calls", [])]
    assert [(call["index"], call["function"]["name"]) for call in calls] == [(0, "order_status")]
    assert json.loads(calls[0]["function"]["arguments"]) == {"order_id": "123456"}
    assert rows[-1]["finish_reason"] == "tool_calls"
    assert all(row["finish_reason"] is None for row in rows[:-1])


def test_several_calls_with_nested_arguments(server: ServerProcess) -> None:
    wanted = [
        ("order_status", {"order_id": "1"}),
        ("store_hours", {"place": {"city": "上海 {😀}"}}),
    ]
    found = choice(server, "several")
    assert called(found) == wanted
    assert found["message"]["content"] is None
    rows = deltas(server, "several")
    calls = [call for row in rows for call in row["delta"].get("tool_calls", [])]
    assert [call["index"] for call in calls] == [0, 1]
    assert len({call["id"] for call in calls}) == 2
    assert called(choice(server, "several", parallel_tool_calls=False)) == wanted[:1]


def test_what_code_models_write_is_mended(server: ServerProcess) -> None:
    assert called(choice(server, "fenced")) == [("order_status", {"order_id": "123456"})]


def test_a_text_that_mentions_the_tag_comes_through(server: ServerProcess) -> None:
    wanted = "Write <tool_call> before a call, 不要忘记。"
    assert choice(server, "mention")["message"]["content"] == wanted
    rows = deltas(server, "mention")
    assert "".join(row["delta"]["content"] for row in rows) == wanted
    assert rows[-1]["finish_reason"] == "stop"


def test_without_tools_everything_is_text(server: ServerProcess) -> None:
    text = post(server, "order").json()["choices"][0]["message"]["content"]
    assert "<tool_call>" in text
    found = choice(server, "order", tool_choice="none")
    assert "<tool_call>" in found["message"]["content"]
    assert found["finish_reason"] == "stop"


def test_a_malformed_call_is_tried_once_more(server: ServerProcess) -> None:
    found = choice(server, "again")
    assert called(found) == [("order_status", {"order_id": "55"})]
    assert found["finish_reason"] == "tool_calls"


def test_a_call_that_stays_malformed_gives_way_to_a_plain_answer(server: ServerProcess) -> None:
    rows = deltas(server, "never")
    assert "".join(row["delta"]["content"] for row in rows) == "I cannot look that up."
    assert rows[-1]["finish_reason"] == "stop"
    assert not any("tool_calls" in row["delta"] for row in rows)


@pytest.mark.parametrize(
    "fields",
    [
        {"tool_choice": {"type": "function", "function": {"name": "order_status"}}},
        {"tool_choice": "required", "tools": [ORDER]},
    ],
)
def test_a_call_can_be_demanded(server: ServerProcess, fields: dict[str, object]) -> None:
    found = choice(server, "forced", **fields)
    assert called(found) == [("order_status", {"order_id": "77"})]
    assert found["message"]["content"] is None
    assert found["finish_reason"] == "tool_calls"


def test_an_answer_that_is_cut_in_a_call_has_none(server: ServerProcess) -> None:
    found = choice(server, "order", max_tokens=20)
    assert found["message"] == {"role": "assistant", "content": "我来查一下。\n"}
    assert found["finish_reason"] == "length"


def test_results_go_back_and_an_answer_comes(client: openai.OpenAI) -> None:
    question: Any = {"role": "user", "content": "order"}
    first = client.chat.completions.create(model="scripted", messages=[question], tools=TOOLS)
    message = first.choices[0].message
    assert message.tool_calls is not None
    result: Any = {
        "role": "tool", "tool_call_id": message.tool_calls[0].id, "content": '{"status": "sent"}'
    }  # fmt: skip
    follow: Any = {"role": "user", "content": "result"}
    answer = client.chat.completions.create(
        model="scripted", messages=[question, message, result, follow], tools=TOOLS
    )
    assert answer.choices[0].message.content == "Your order is on its way."


def test_the_openai_packages_stream_helper_puts_calls_together(client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "several"}]
    with client.chat.completions.stream(model="scripted", messages=messages, tools=TOOLS) as stream:
        names = [
            event.name for event in stream if event.type == "tool_calls.function.arguments.done"
        ]
        final = stream.get_final_completion()
    assert names == ["order_status", "store_hours"]
    assert final.choices[0].finish_reason == "tool_calls"


def test_the_older_form_of_functions_works(server: ServerProcess) -> None:
    functions = [ORDER["function"]]
    answer = post(server, "order", functions=functions).json()["choices"][0]
    assert answer["finish_reason"] == "function_call"
    assert answer["message"]["function_call"]["name"] == "order_status"
    assert json.loads(answer["message"]["function_call"]["arguments"]) == {"order_id": "123456"}
    assert "tool_calls" not in answer["message"]
    rows = deltas(server, "order", functions=functions, tools=None)
    assert rows[-1]["finish_reason"] == "function_call"
    [call] = [row["delta"]["function_call"] for row in rows if "function_call" in row["delta"]]
    assert call["name"] == "order_status"
    named = post(server, "forced", functions=functions, function_call={"name": "order_status"})
    assert named.json()["choices"][0]["message"]["function_call"]["name"] == "order_status"


def test_older_messages_of_functions_are_understood(server: ServerProcess) -> None:
    messages = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": None,
         "function_call": {"name": "order_status", "arguments": '{"order_id": "1"}'}},
        {"role": "function", "name": "order_status", "content": "sent"},
        {"role": "user", "content": "result"},
    ]  # fmt: skip
    body = {"model": "scripted", "messages": messages, "functions": [ORDER["function"]]}
    answer = httpx2.post(f"{server.url}/v1/chat/completions", json=body, timeout=10)
    assert answer.json()["choices"][0]["message"]["content"] == "Your order is on its way."


def _with(**changes: object) -> dict[str, Any]:
    return {"type": "function", "function": {**ORDER["function"], **changes}}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [_with(name="two words")]}, "tools.0.function.name"),
        ({"tools": [_with(parameters={"type": "string"})]}, "tools.0.function"),
        ({"tools": [_with(parameters={"properties": 5})]}, "tools.0.function"),
        ({"tools": [ORDER, ORDER]}, "tools"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"tools": [ORDER], "functions": [ORDER["function"]]}, "functions"),
        ({"tools": [ORDER] * 129}, "tools"),
        ({"tools": [_with(description="x" * 70_000)]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        (
            {"tools": [ORDER], "tool_choice": {"type": "function", "function": {"name": "other"}}},
            "tool_choice",
        ),
        ({"functions": [ORDER["function"]], "function_call": {"name": "other"}}, "function_call"),
        ({"tools": [ORDER], "logprobs": True, "max_tokens": 1}, "tools"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [
                {"id": "1", "function": {"name": "f", "arguments": "{"}}]}]},
            "messages.0.tool_calls.0.function.arguments",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused_by_name(
    server: ServerProcess, fields: dict[str, object], param: str
) -> None:
    answer = post(server, "plain", **fields)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith(param)
