"""The real model calls a tool, uses its result, and thinks before it answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai import OpenAI

from inference.weights.store import model_find
from tests.inference.server.conftest import ServerProcess, ServerStart

pytestmark = pytest.mark.weights


@tool
def order_status(order_id: str) -> str:
    """Look up where an order is, by its number."""
    return f'{{"order_id": "{order_id}", "status": "shipped", "arrives": "Friday"}}'


@pytest.fixture(scope="module")
def server(server_start: ServerStart) -> Iterator[ServerProcess]:
    path = model_find(settings.MODEL, settings.CACHE_DIR)
    started = server_start("--chat-model", str(path))
    yield started
    started.process.kill()


def model_name(server: ServerProcess) -> str:
    client = OpenAI(base_url=f"{server.url}/v1", api_key="EMPTY")
    return client.models.list().data[0].id


def test_a_tool_is_called_and_its_result_is_told(server: ServerProcess) -> None:
    chat = ChatOpenAI(
        model=model_name(server), base_url=f"{server.url}/v1", api_key="EMPTY",
        temperature=0, max_tokens=60, max_retries=0,
    )  # fmt: skip
    question = HumanMessage("Where is my order 123456?")
    pieces = list(chat.bind_tools([order_status]).stream([question]))
    message: Any = pieces[0]
    for piece in pieces[1:]:
        message += piece
    [call] = message.tool_calls
    assert (call["name"], call["args"]) == ("order_status", {"order_id": "123456"})
    # With the tools at hand, so small a model would call again instead of telling the result.
    answer = chat.invoke([question, message, order_status.invoke(call)])
    assert "123456" in str(answer.content) or "Friday" in str(answer.content)


@pytest.mark.parametrize(
    ("question", "order"),
    [("Where is my order 123456?", "123456"), ("770812这单怎么还没发货", "770812")],
)
def test_a_demanded_call_is_made(server: ServerProcess, question: str, order: str) -> None:
    chat = ChatOpenAI(
        model=model_name(server), base_url=f"{server.url}/v1", api_key="EMPTY",
        temperature=0, max_tokens=60, max_retries=0,
    )  # fmt: skip
    demanding = chat.bind_tools([order_status], tool_choice="order_status")
    [call] = demanding.invoke([HumanMessage(question)]).tool_calls
    assert (call["name"], call["args"]) == ("order_status", {"order_id": order})


def test_thinking_comes_first_and_apart(server: ServerProcess) -> None:
    client = OpenAI(base_url=f"{server.url}/v1", api_key="EMPTY", max_retries=0)
    answer = client.chat.completions.create(
        model=model_name(server),
        messages=[
            {"role": "system", "content": "Returns: 7 days after delivery, if unused."},
            {"role": "user", "content": "It came 10 days ago, unused. Can I return it?"},
        ],
        temperature=0,
        max_tokens=40,
        extra_body={"enable_thinking": True, "thinking_budget": 48},
    )
    message: Any = answer.choices[0].message
    assert message.content
    assert message.reasoning_content
    assert message.reasoning_content not in message.content
    assert answer.usage is not None
    details = answer.usage.completion_tokens_details
    assert details is not None
    assert 0 < (details.reasoning_tokens or 0) <= 48
