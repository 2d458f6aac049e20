"""A small shop with a month of conversations, for the tests of the staff's pages."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from conversations.enums import Mode, Outcome, Reason, Role, Tier
from conversations.models import (
    Conversation,
    Message,
    PassageUse,
    Provenance,
    Rating,
    ToolAction,
    Visitor,
)
from knowledge.models import Entry, PromptTemplate, PromptVersion, Rule, Site, Tool
from supportdesk.staff.accounts import account_role_set
from supportdesk.staff.roles import StaffRole

PASSWORD = "correct-horse-9-battery"

ENTRIES = [
    (
        "如何申请退货？",
        "签收后 **7 天内**，商品完好可以退货：\n\n1. 打开“我的订单”\n2. 点“申请退货”",
        "退货 退款",
    ),
    ("一般多久发货？", "现货订单 24 小时内发货，一般地区 3–5 个工作日送达。", "发货 物流"),
    ("可以开发票吗？", "可以，在订单详情里申请电子发票。", "发票"),
    ("支持哪些支付方式？", "支持微信支付、支付宝和银行卡，暂不支持分期付款。", "支付 付款"),
]
QUESTIONS = ["7天内可以退货吗？", "多久能发货", "发票怎么开", "支持分期付款吗？", "保修期多久？"]
TIERS = [
    (Tier.DIRECT, ""),
    (Tier.GENERATED, ""),
    (Tier.GENERATED, ""),
    (Tier.RULES, Reason.RULE),
    (Tier.FALLBACK, Reason.NOT_IN_KNOWLEDGE),
    (Tier.FALLBACK, Reason.FIRST_TOKEN),
    (Tier.APOLOGY, Reason.UNSUPPORTED),
]


def person_make(role: StaffRole, *, username: str = "") -> User:
    """Somebody with a role, whose password is :data:`PASSWORD` and not due."""
    user = User.objects.create_user(username or f"{role.value}-li", password=PASSWORD)
    account_role_set(user=user, role=role)
    return user


def site_make(*, name: str = "青禾家居", is_demo: bool = False) -> Site:
    """A site with four published entries."""
    site = Site.objects.create(
        name=name, allowed_origins="https://shop.example", region="上海", is_demo=is_demo
    )
    for question, answer, keywords in ENTRIES:
        Entry.objects.create(
            site=site,
            question=question,
            answer=answer,
            keywords=keywords,
            status=Entry.Status.PUBLISHED,
            is_demo=is_demo,
        )
    return site


def prompt_make() -> PromptTemplate:
    """A template with a retired, a published and a draft version."""
    template = PromptTemplate.objects.create(
        role="answer", language="zh-hans", name="根据知识库回答"
    )
    for number, status in ((1, "retired"), (2, "published"), (3, "draft")):
        PromptVersion.objects.create(
            template=template,
            number=number,
            status=status,
            system="你是网店的客服助手，只根据“资料”回答顾客的问题。",
            user="店铺：{{ shop_name }}\n{% for passage in passages %}[{{ loop.index }}] "
            "{{ passage.answer }}\n{% endfor %}问题：{{ question }}",
            note="语气更礼貌" if number == 2 else "",
        )
    return template


def tool_make(**values: object) -> Tool:
    """A tool that reads, with words in Chinese."""
    defaults = {
        "key": "order_status",
        "title": "查订单",
        "url": "https://shop.example/orders/{number}",
        "parameters": {"type": "object", "properties": {"number": {"type": "string"}}},
    }
    tool = Tool.objects.create(**{**defaults, **values})
    tool.wordings.create(language="zh-hans", reply="{{ result.state }}", confirm="改吗？")
    return tool


def change_make(answer: Message) -> ToolAction:
    """A change that the customer of ``answer`` was asked to confirm in it."""
    return ToolAction.objects.create(
        conversation=answer.conversation,
        visitor=answer.conversation.visitor,
        actor_id="demo-lin",
        tool_key="update_delivery_address",
        rows=[["订单号", "123456"], ["新的收货地址", "上海市漕溪北路1号"]],
        asked_in=answer,
        expires_at=timezone.now() + timedelta(minutes=10),
    )


def rule_make(**values: object) -> Rule:
    """An enabled rule for greetings."""
    return Rule.objects.create(
        **{
            "name": "问候",
            "priority": 10,
            "keywords_any": "你好\n您好",
            "reply": "您好！这里是{{ shop_name }}的智能助手。",
            **values,
        }
    )


def answer_make(
    site: Site,
    *,
    question: str = "7天内可以退货吗？",
    text: str = "您好，签收后7天内商品完好可以退货 [1]。",
    tier: str = Tier.GENERATED,
    reason: str = "",
    outcome: str = Outcome.ANSWER,
    stars: int | None = None,
    thumb: bool | None = None,
    comment: str = "",
    at: datetime | None = None,
    mode: str = Mode.BOT,
    visitor_name: str = "",
) -> Message:
    """A conversation of one question with its answer and perhaps a rating."""
    at = at or timezone.now()
    visitor = Visitor.objects.create(site=site, name=visitor_name, region="杭州")
    conversation = Conversation.objects.create(
        site=site, visitor=visitor, mode=mode, language="zh-hans", head_seq=2
    )
    asked = Message.objects.create(
        conversation=conversation, seq=1, role=Role.CUSTOMER, text=question, language="zh-hans"
    )
    answer = Message.objects.create(
        conversation=conversation,
        seq=2,
        role=Role.ASSISTANT,
        text=text,
        reply_to=asked,
        outcome=outcome,
        tier=tier,
        reason=reason,
        language="zh-hans",
        citations=[{"id": "E1", "title": "如何申请退货？", "text": "签收后7天内"}],
    )
    Conversation.objects.filter(pk=conversation.pk).update(created_at=at, updated_at=at)
    Message.objects.filter(pk=asked.pk).update(created_at=at)
    Message.objects.filter(pk=answer.pk).update(created_at=at + timedelta(seconds=2))
    if stars is not None or thumb is not None:
        Rating.objects.create(message=answer, stars=stars, thumb=thumb, comment=comment)
    return answer


def provenance_make(answer: Message, *, entry: Entry | None = None) -> Provenance:
    """All that a generated answer may carry."""
    provenance = Provenance.objects.create(
        message=answer,
        model="Qwen2.5-Coder-0.5B-Instruct",
        model_hash="9f2c" * 16,
        standalone_question="7天内可以退货吗？",
        rendered_prompt=[
            {"role": "system", "content": "你是网店的客服助手。"},
            {"role": "user", "content": "资料：\n[1] 签收后7天内可以退货\n问题：可以退货吗？"},
        ],
        rejected_text="您好，退货请拨打 400-800-1234。",
        details={
            "retrieval": {"method": "hybrid", "probability": 0.93},
            "problems": ["400-800-1234"],
            "used_history": False,
        },
        prompt_tokens=312,
        completion_tokens=48,
        timings={
            "rules": 0.6,
            "retrieval": 21.4,
            "first_token": 812.0,
            "generated": 2210.5,
            "total": 2240.0,
        },
    )
    for position, score in enumerate((0.93, 0.21), start=1):
        PassageUse.objects.create(
            provenance=provenance,
            entry=entry if position == 1 else None,
            entry_revision=3,
            position=position,
            score=score,
            cited=position == 1,
            text="如何申请退货？\n签收后 7 天内，商品完好可以退货。",
        )
    return provenance


def month_make(site: Site, *, seed: int = 7, conversations: int = 140) -> None:
    """A month of conversations with plausible ratings."""
    chance = random.Random(seed)
    now = timezone.now()
    for _number in range(conversations):
        tier, reason = chance.choice(TIERS)
        good = tier in (Tier.DIRECT, Tier.GENERATED, Tier.RULES)
        rated = chance.random() < 0.45
        happy = chance.random() < (0.85 if good else 0.3)
        with_stars = rated and chance.random() < 0.6
        stars = chance.choice((4, 5) if happy else (1, 2, 3)) if with_stars else None
        answer_make(
            site,
            question=chance.choice(QUESTIONS),
            tier=tier,
            reason=reason,
            stars=stars,
            thumb=happy if rated and not with_stars else None,
            comment="" if happy or not rated else "没有回答我的问题",
            outcome=Outcome.HANDOFF if chance.random() < 0.06 else Outcome.ANSWER,
            at=now - timedelta(days=chance.random() * 29.0),
            visitor_name=chance.choice(["", "王女士", "Li Wei", "陈先生"]),
        )
