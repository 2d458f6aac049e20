"""Values in the form of the OpenAI API, as other servers write and read them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from openai.types.chat.chat_completion_chunk import ChoiceDelta, ChoiceDeltaToolCall

from inference.chat import ChatMessage, ChatOptions, GenerationParameters, Tool, ToolCall
from inference.wire import (
    TOP_K_ALL,
    CallDeltas,
    candidate_logprobs,
    delta_reasoning,
    message_row,
    option_fields,
    sampling_fields,
    token_logprobs,
)


def test_messages_carry_calls_and_results() -> None:
    call = ToolCall("call_1", "order_status", '{"order_id": "7"}')
    assert message_row(ChatMessage("assistant", "", (call,))) == {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "order_status", "arguments": '{"order_id": "7"}'},
            }
        ],
    }
    result = ChatMessage("tool", "sent", tool_call_id="call_1", name="order_status")
    assert message_row(result)["tool_call_id"] == "call_1"
    assert message_row(ChatMessage("user", "hi")) == {"role": "user", "content": "hi"}


def test_whether_to_think_is_always_said_because_qwen3_thinks_by_itself() -> None:
    _, extra = option_fields(ChatOptions())
    assert extra["enable_thinking"] is False
    assert extra["chat_template_kwargs"] == {"enable_thinking": False}
    _, extra = option_fields(ChatOptions(enable_thinking=True, thinking_tokens=9))
    assert (extra["enable_thinking"], extra["thinking_budget"]) == (True, 9)


def test_a_tool_can_be_chosen_by_name() -> None:
    fields, _ = option_fields(ChatOptions((Tool("ping"),), "ping"))
    assert fields["tool_choice"] == {"type": "function", "function": {"name": "ping"}}
    assert fields["tools"] == [{"type": "function", "function": {"name": "ping"}}]
    assert option_fields(ChatOptions())[0] == {}


def test_neutral_values_are_sent_too() -> None:
    fields = sampling_fields(GenerationParameters())
    assert fields["extra_body"] == {"repetition_penalty": 1.0, "top_k": TOP_K_ALL}
    assert "stop" not in fields


def test_calls_are_put_together_from_deltas() -> None:
    rows: list[dict[str, Any]] = [
        {"index": 0, "id": "a", "function": {"name": "first", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"x":'}},
        {"index": 1, "id": "b", "function": {"name": "second", "arguments": "{}"}},
        {"index": 0, "function": {"arguments": " 1}"}},
    ]
    deltas = CallDeltas()
    for row in rows:
        deltas.feed([ChoiceDeltaToolCall.model_validate(row)])
    deltas.feed(None)
    assert deltas.calls() == (ToolCall("a", "first", '{"x": 1}'), ToolCall("b", "second", "{}"))


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_has_one_of_two_names(name: str) -> None:
    assert delta_reasoning(ChoiceDelta.model_validate({name: "so"})) == "so"
    assert delta_reasoning(ChoiceDelta.model_validate({name: None})) == ""


def test_plain_lists_of_tokens_say_what_they_can_about_candidates() -> None:
    listed = token_logprobs(
        [
            SimpleNamespace(token="pos", logprob=-0.1, bytes=None),
            SimpleNamespace(token="p", logprob=-3.0, bytes=None),
            SimpleNamespace(token="\ufffd", logprob=-2.0, bytes=[0xE8, 0xB4]),
            SimpleNamespace(token="<|im_end|>", logprob=-5.0, bytes=None),
        ]
    )
    found = candidate_logprobs(["positive", "negative", "负面"], listed)
    assert found == {"positive": -0.1, "负面": -2.0}


def test_candidates_with_one_first_token_are_an_error() -> None:
    with pytest.raises(ValueError, match="same token"):
        candidate_logprobs(["positive", "possible"], {b"pos": -0.1})
