"""What the model may do with tools: name one, with the customer's own words, and nothing else."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from conversations.models import ToolAction
from inference.chat import (
    NO_OPTIONS,
    ChatChunk,
    ChatMessage,
    ChatOptions,
    EngineHealth,
    GenerationParameters,
    ToolCall,
)
from inference.engines.scripted import ScriptedChatClient, ScriptedReply
from inference.errors import EngineDown
from knowledge.models import Rule, Tool
from tests.conversations.conftest import Customer
from tests.conversations.tools.conftest import FakeCaller
from tests.conversations.tools.talk import say

TEXT = "关于 123456，我想知道它的近况"


class Calling:
    """A model that answers with these calls, whatever it is asked; ``asked`` are its options."""

    def __init__(self, *calls: tuple[str, dict[str, Any]], text: str = "") -> None:
        self.calls = calls
        self.text = text
        self.asked: list[tuple[Sequence[ChatMessage], ChatOptions]] = []

    async def stream(
        self,
        messages: Sequence[ChatMessage],
        parameters: GenerationParameters,
        *,
        timeout: float,  # noqa: ASYNC109
        options: ChatOptions = NO_OPTIONS,
        **rest: Any,
    ) -> AsyncGenerator[ChatChunk, None]:
        self.asked.append((messages, options))
        if self.text:
            yield ChatChunk(self.text)
        yield ChatChunk(
            "",
            finish_reason="tool_calls",
            tool_calls=tuple(
                ToolCall(str(number), name, json.dumps(arguments, ensure_ascii=False))
                for number, (name, arguments) in enumerate(self.calls)
            ),
        )

    async def health(self) -> EngineHealth:
        return EngineHealth("ready")

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        return 100

    async def aclose(self) -> None:
        """Nothing to close."""


@pytest.fixture
def unruled(lin: Customer) -> Customer:
    """Lin at a shop without rules, so that only the model can name a tool."""
    Rule.objects.all().delete()
    return lin


def test_a_call_with_the_customers_own_words_is_made(unruled: Customer, caller: FakeCaller) -> None:
    model = Calling(("order_status", {"order_number": "123456"}))
    said = say(unruled, TEXT, caller, chat=model, use_model=True)
    assert said.tier == "tool"
    assert said.details["tool"]["by"] == "model"
    assert caller.calls[0][1] == {"order_number": "123456"}
    [(messages, options)] = model.asked
    assert {tool.name for tool in options.tools} == {"order_status", "delivery_status"}
    assert all("x-find" not in json.dumps(dict(tool.parameters)) for tool in options.tools)
    assert messages[-1].content == TEXT


@pytest.mark.parametrize(
    "calls",
    [
        (("order_status", {"order_number": "234567"}),),  # an order that nobody named
        (("order_status", {"order_number": "1234567890"}),),
        (("order_status", {"order_number": "123456", "customer_id": "demo-wang"}),),
        (("order_status", {"order_number": "123456"}), ("delivery_status", {})),
        (("update_delivery_address", {"order_number": "123456", "address": "evil street 1"}),),
        (("no_such_tool", {"order_number": "123456"}),),
        (),
    ],
)
def test_any_other_call_is_dropped(
    unruled: Customer, caller: FakeCaller, calls: tuple[tuple[str, dict[str, Any]], ...]
) -> None:
    said = say(unruled, TEXT, caller, chat=Calling(*calls), use_model=True)
    assert said.tier != "tool"
    assert caller.calls == []
    assert not ToolAction.objects.exists()


def test_the_model_is_not_asked_where_the_words_hold_no_value(
    unruled: Customer, caller: FakeCaller
) -> None:
    model = Calling(("order_status", {"order_number": "123456"}))
    say(unruled, "一般多久能发货？", caller, chat=model, use_model=True)
    assert all(not options.tools for _, options in model.asked)
    assert caller.calls == []


def test_the_model_is_not_asked_about_tools_that_it_may_not_call(
    unruled: Customer, caller: FakeCaller
) -> None:
    Tool.objects.update(model_may_call=False)
    model = Calling(("order_status", {"order_number": "123456"}))
    say(unruled, TEXT, caller, chat=model, use_model=True)
    assert all(not options.tools for _, options in model.asked)
    assert caller.calls == []


def test_with_the_engine_down_the_rule_calls_the_same_tool(
    lin: Customer, caller: FakeCaller
) -> None:
    down = ScriptedChatClient(ScriptedReply(error=EngineDown("no engine")))
    said = say(lin, "我的订单#123456还没发货，能查一下吗？", caller, chat=down, use_model=True)
    assert said.tier == "tool"
    assert "还没有发货" in said.text


def test_a_reply_in_the_models_words_passes_the_support_check_or_is_not_sent(
    lin: Customer, caller: FakeCaller
) -> None:
    Tool.objects.filter(key="order_status").update(model_words=True)
    good = ScriptedChatClient("您的订单 123456 已付款，还没有发货，预计 2026-05-05 前发出。")
    said = say(lin, "订单123456发货了吗", caller, chat=good, use_model=True)
    assert said.tier == "tool"
    assert said.text == "您的订单 123456 已付款，还没有发货，预计 2026-05-05 前发出。"

    invented = ScriptedChatClient("您的订单 123456 将于 2026-05-09 送达，运费 12 元。")
    said = say(lin, "订单123456发货了吗", caller, chat=invented, use_model=True)
    assert "2026-05-09" not in said.text
    assert "仓库正在备货" in said.text  # the tool's own words
