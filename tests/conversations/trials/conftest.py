"""A shop with two entries, a published prompt and a draft, and a model that follows a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from conversations.engines import Engines, SiteKnowledge, ladder_make
from conversations.rehearsal import Rehearsal, rehearsal_open
from inference.engines.scripted import ScriptedChatClient, ScriptedReply
from knowledge.models import Entry, PromptTemplate, PromptVersion, QuestionSet, Site
from knowledge.services.entries import entry_create
from knowledge.services.prompts import prompt_draft_save, prompt_publish, prompt_template_create
from knowledge.services.trials import question_add

USER = "{% for p in passages %}{{ p.answer }}\n{% endfor %}问题：{{ question }}"


@dataclass
class Shop:
    """By the published prompt the model writes the term of the return, by the draft it leaves it out."""

    site: Site
    returns: Entry
    template: PromptTemplate
    published: PromptVersion
    draft: PromptVersion
    questions: QuestionSet
    chat: ScriptedChatClient = field(
        default_factory=lambda: ScriptedChatClient(
            ScriptedReply("退货需要商品完好。", match="改写", where="prompt"),
            ScriptedReply("签收后7天内可以退货。"),
        )
    )

    def rehearse(self) -> Callable[..., AbstractAsyncContextManager[Rehearsal]]:
        """Opens rehearsals over the script."""
        shop = self

        @asynccontextmanager
        async def opened(
            *, engines: Engines | None = None, chat: object = None
        ) -> AsyncIterator[Rehearsal]:
            knowledge = SiteKnowledge(None)
            made = Engines(
                ladder=ladder_make(chat=shop.chat, knowledge=knowledge),
                chat=shop.chat,
                knowledge=knowledge,
            )
            async with rehearsal_open(engines=made, chat=shop.chat) as rehearsal:
                yield rehearsal
            await knowledge.aclose()

        return opened


@pytest.fixture
def shop(transactional_db: None) -> Shop:
    site = Site.objects.create(name="鲍勃的店", language="zh-hans")
    returns = entry_create(
        site=site, question="退货政策是什么？", answer="签收后7天内可以退货。退货需要商品完好。", language="zh-hans",
        status=Entry.Status.PUBLISHED, keywords="退货",
    )  # fmt: skip
    entry_create(
        site=site, question="多久发货？", answer="24小时内发货。", language="zh-hans",
        status=Entry.Status.PUBLISHED,
    )  # fmt: skip
    PromptTemplate.objects.filter(role="answer").delete()
    template = prompt_template_create(site=None, role="answer", language="zh-hans", name="回答")
    published = prompt_publish(
        version=prompt_draft_save(template=template, system="照抄资料。", user=USER)
    )
    draft = prompt_draft_save(template=template, system="改写资料。", user=USER)
    questions = QuestionSet.objects.create(site=site, name="老问题")
    question_add(
        question_set=questions, text="退货政策是什么？", facts="7天", entries=[returns],
        language="zh-hans",
    )  # fmt: skip
    question_add(
        question_set=questions, text="你们卖大象吗？", expectation="unanswered", language="zh-hans"
    )
    return Shop(site, returns, template, published, draft, questions)
