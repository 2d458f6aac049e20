"""langchain-openai's ChatOpenAI works against the server: thinking, bound tools, streaming."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field

from tests.inference.server.conftest import ServerProcess, ServerStart

# Without a template that knows reasoning, a model is asked for notes first.
SCRIPT = r"""
[[reply]]
match = "Do not answer yet"
text = "The customer wants the state of an order, so I look it up."
[[reply]]
match = "status: sent"
where = "prompt"
text = "It was sent yesterday."
[[reply]]
match = "I look it up(.|\n)*Now answer"
text = "<tool_call>\n{\"name\": \"order_status\", \"arguments\": {\"order_id\": \"123456\"}}\n</tool_call>"
[[reply]]
match = "order"
text = "Let me see.\n<tool_call>\n{\"name\": \"order_status\", \"arguments\": {\"order_id\": \"123456\"}}\n</tool_call>"
[[reply]]
match = "parse"
text = "\"order_id\": \"42\"}}\n</tool_call>"
[[reply]]
text = "您好！"
"""


@tool
def order_status(order_id: str) -> str:
    """Where an order is."""
    return f"{order_id}, status: sent"


class OrderQuestion(BaseModel):
    """A question about an order."""

    order_id: str = Field(description="Its number.")


@pytest.fixture(scope="module")
def server(server_start: ServerStart) -> ServerProcess:
    return server_start(script=SCRIPT)


def model(server: ServerProcess, **options: Any) -> ChatOpenAI:
    return ChatOpenAI(
        model="scripted", base_url=f"{server.url}/v1", api_key="EMPTY", max_retries=0, **options
    )


def streamed(chunks: Any) -> AIMessageChunk:
    pieces = list(chunks)
    whole: AIMessageChunk = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    return whole


def test_it_answers_and_streams(server: ServerProcess) -> None:
    chat = model(server)
    assert chat.invoke("hello").content == "您好！"
    assert [piece.content for piece in chat.stream("hello") if piece.content] == ["您好", "！"]


async def test_it_streams_without_blocking(server: ServerProcess) -> None:
    pieces = [piece.content async for piece in model(server).astream("hello")]
    assert "".join(map(str, pieces)) == "您好！"


def test_bound_tools_are_called_and_their_results_used(server: ServerProcess) -> None:
    chat = model(server).bind_tools([order_status])
    question = HumanMessage("Where is my order 123456?")
    message = chat.invoke([question])
    [call] = message.tool_calls
    assert (call["name"], call["args"]) == ("order_status", {"order_id": "123456"})
    assert message.invalid_tool_calls == []
    result = order_status.invoke(call)
    assert isinstance(result, ToolMessage)
    assert chat.invoke([question, message, result]).content == "It was sent yesterday."


def test_bound_tools_are_streamed(server: ServerProcess) -> None:
    whole = streamed(model(server).bind_tools([order_status]).stream("my order?"))
    assert whole.content == "Let me see.\n"
    [call] = whole.tool_calls
    assert (call["name"], call["args"]) == ("order_status", {"order_id": "123456"})
    assert whole.response_metadata["finish_reason"] == "tool_calls"


def test_it_thinks_then_calls_a_tool_then_answers_in_streams(server: ServerProcess) -> None:
    chat = model(
        server,
        extra_body={"enable_thinking": True, "thinking_budget": 64},
        stream_usage=True,
    ).bind_tools([order_status])
    question = HumanMessage("Where is my order 123456?")
    called = streamed(chat.stream([question]))
    [call] = called.tool_calls
    assert call["args"] == {"order_id": "123456"}
    assert called.usage_metadata is not None
    assert called.usage_metadata["output_token_details"]["reasoning"] > 0
    # What is thought is never in the content; ChatOpenAI itself drops the field that has it.
    assert "look it up" not in str(called.content)
    answer = streamed(chat.stream([question, called, order_status.invoke(call)]))
    assert answer.content == "It was sent yesterday."


def test_thinking_in_a_whole_answer_costs_reasoning_tokens(server: ServerProcess) -> None:
    message = model(server, extra_body={"enable_thinking": True}).invoke("Where is it?")
    assert message.tool_calls == []
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_token_details"]["reasoning"] > 0


def test_structured_output_by_a_demanded_call(server: ServerProcess) -> None:
    chat = model(server).with_structured_output(OrderQuestion, method="function_calling")
    assert chat.invoke("parse this") == OrderQuestion(order_id="42")


def test_a_demanded_tool_is_called(server: ServerProcess) -> None:
    chat = model(server).bind_tools([order_status], tool_choice="order_status")
    assert chat.invoke("parse this").tool_calls[0]["args"] == {"order_id": "42"}
