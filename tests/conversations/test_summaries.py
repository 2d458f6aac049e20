"""Whoever takes a conversation over reads a summary that holds nothing but what was said, or none."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from django_tasks_db.models import DBTaskResult

from conversations import summaries
from conversations.enums import Role
from conversations.models import ConversationSummary, Message
from conversations.services.handoff import (
    conversation_take,
    human_request,
)
from conversations.summaries import conversation_summarising, conversation_summary
from inference.chat import Priority
from inference.engines.scripted import ScriptedChatClient, ScriptedReply
from inference.errors import EngineDown
from inference.support.summaries import summary_checked
from knowledge.models import PromptTemplate
from knowledge.services.prompts import prompt_draft_save, prompt_publish, prompt_template_create
from tests.conversations.conftest import Customer

SAID = [
    "我的订单A1234还没到，已经5天了",
    "您好，一般地区3至5个工作日送达，请您再等一等。",
    "那可以退货吗？",
    "签收后7天内可以退货，运费由您承担。",
]
GOOD = "顾客的订单A1234已经5天还没到，客服说3至5个工作日送达。顾客问可以退货吗，客服答签收后7天内可以退货。"


def sides(texts: list[str]) -> list[tuple[str, str]]:
    return [("user" if number % 2 == 0 else "assistant", text) for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    "invented",
    [
        "顾客的订单A1234已经8天还没到。",
        "顾客的订单B9999还没到。",
        "客服答复签收后30天内可以退货。",
        "客服说运费是20元。",
        "客服答复签收后7天内不可以退货。",
        "客服请顾客联系help@shop.example。",
        "顾客想买一台新的笔记本电脑并预约上门安装。",
        "<|im_start|>system",
        "The customer asked for the order and wants to return it soon please.",
        "退货退货退货退货退货退货退货退货退货退货退货退货",
        "",
    ],
)
def test_what_was_not_said_is_not_kept(invented: str) -> None:
    assert summary_checked(invented, sides(SAID), "zh-hans") == ""


def test_what_was_said_is_kept() -> None:
    assert summary_checked(GOOD, sides(SAID), "zh-hans") == GOOD
    assert summary_checked(f"概括：{GOOD}", sides(SAID), "zh-hans") == GOOD
    english = ["Where is my order A1234?", "It takes 3 to 5 working days.", "Can I return it?",
               "Yes, within 7 days."]  # fmt: skip
    good = (
        "The customer asked where order A1234 is. The shop answered it takes 3 to 5 working days."
    )
    assert summary_checked(good, sides(english), "en") == good


def test_what_was_asked_for_is_not_told_as_promised() -> None:
    said = ["台灯的灯泡坏了，能换吗", "请提供订单号。", "A1234", "请您稍等。"]
    assert summary_checked("客服答复可以换灯泡。", sides(said), "zh-hans") == ""
    right = "顾客说台灯的灯泡坏了，能换吗，客服请顾客提供订单号。"
    assert summary_checked(right, sides(said), "zh-hans") == right


def test_one_invented_sentence_goes_and_the_others_stay() -> None:
    text = GOOD + "客服赠送了50元优惠券。"
    assert summary_checked(text, sides(SAID), "zh-hans") == GOOD


def test_of_a_summary_that_is_mostly_invented_nothing_is_kept() -> None:
    text = "顾客的订单A1234还没到。客服赠送了50元优惠券。客服承诺明天送达。"
    assert summary_checked(text, sides(SAID), "zh-hans") == ""


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ScriptedChatClient:
    chat = ScriptedChatClient(GOOD)

    @asynccontextmanager
    async def opened() -> AsyncIterator[tuple[ScriptedChatClient, None]]:
        yield chat, None

    monkeypatch.setattr(summaries, "engines_open", opened)
    return chat


@pytest.fixture
def talk(alice: Customer) -> Customer:
    PromptTemplate.objects.filter(role="summary").delete()
    template = prompt_template_create(site=None, role="summary", language="zh-hans", name="摘要")
    prompt_publish(
        version=prompt_draft_save(
            template=template,
            system="概括。",
            user="{% for turn in history %}{{ turn.role }}: {{ turn.text }}\n{% endfor %}概括：",
        )
    )
    for seq, text in enumerate(SAID, start=1):
        role = Role.CUSTOMER if seq % 2 else Role.ASSISTANT
        Message.objects.create(
            conversation=alice.conversation, seq=seq, role=role, text=text, language="zh-hans",
            client_message_id=uuid.uuid4() if role == Role.CUSTOMER else None,
        )  # fmt: skip
    alice.conversation.head_seq = len(SAID)
    alice.conversation.save(update_fields=["head_seq"])
    return alice


def summarise(customer: Customer) -> ConversationSummary | None:
    conversation_summarising.func(str(customer.conversation.pk))
    return conversation_summary(conversation_id=customer.conversation.pk)


def test_a_conversation_is_summed_up_by_its_prompt_behind_everybody(talk, engine) -> None:
    summary = summarise(talk)
    assert summary is not None
    assert (summary.text, summary.head_seq) == (GOOD, 4)
    assert summary.prompt_version is not None
    [request] = engine.requests
    assert request.priority == Priority.BACKGROUND
    assert request.messages[-1].content.startswith("user: 我的订单A1234")


def test_asking_for_a_person_and_taking_over_order_a_summary(talk, engine) -> None:
    def ordered() -> int:
        return DBTaskResult.objects.filter(task_path__endswith="conversation_summarising").count()

    before = ordered()
    human_request(conversation_id=talk.conversation.pk)
    assert ordered() == before + 1
    conversation_take(conversation_id=talk.conversation.pk)
    assert ordered() == before + 2
    summarise(talk)
    summarise(talk)
    assert len(engine.requests) == 1, "nothing was said since"


def test_garbage_leaves_no_summary_and_takes_an_old_one_away(talk, engine) -> None:
    assert summarise(talk) is not None
    Message.objects.create(
        conversation=talk.conversation, seq=5, role=Role.CUSTOMER, text="谢谢", language="zh-hans",
        client_message_id=uuid.uuid4(),
    )  # fmt: skip
    engine.script.replies[:] = [ScriptedReply("客服赠送了50元优惠券。")]
    assert summarise(talk) is None


def test_without_a_prompt_or_an_engine_there_is_none(talk, engine) -> None:
    engine.script.replies[:] = [ScriptedReply(error=EngineDown("gone"))]
    assert summarise(talk) is None
    PromptTemplate.objects.filter(role="summary").delete()
    engine.requests.clear()
    assert summarise(talk) is None
    assert engine.requests == []


def test_a_single_question_is_read_faster_than_summed_up(talk, engine) -> None:
    Message.objects.filter(conversation=talk.conversation, seq__gt=2).delete()
    assert summarise(talk) is None
    assert engine.requests == []


def test_a_text_that_was_cut_off_counts_as_nothing(talk, engine) -> None:
    engine.script.replies[:] = [ScriptedReply(GOOD * 40)]
    assert summarise(talk) is None
