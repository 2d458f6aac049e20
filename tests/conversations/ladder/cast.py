"""A knowledge base in memory for the ladder, and what it is asked."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from conversations.ladder.budget import PromptBudget
from conversations.ladder.climb import Ladder
from conversations.ladder.direct import Direct
from conversations.ladder.fallback import Apology, CannotConfirm, OtherLanguage, OwnWords
from conversations.ladder.gate import ModelGate
from conversations.ladder.generated import Generated
from conversations.ladder.guard import Guard
from conversations.ladder.lookup import Lookup
from conversations.ladder.model_seen import ModelSeen
from conversations.ladder.ports import Step
from conversations.ladder.rules import RulesBefore, RulesOnFallback
from conversations.ladder.values import Climbed, Deadline, Question
from inference.chat import GenerationParameters
from inference.engines.scripted import ScriptedChatClient
from inference.prompts.rendering import PromptSource
from inference.rules.matching import Rule, RuleSet
from knowledge.retrieval.passages import Passage, Retrieval

RETURNS = ("退货政策", "7天无理由退货，商品需完好。")
DELIVERY = ("配送时间", "一般地区3-5个工作日送达。")


def passage(
    entry_id: int, entry: tuple[str, str], probability: float, language: str = "zh-hans"
) -> Passage:
    return Passage(
        id=f"E{entry_id}",
        entry_id=entry_id,
        revision=1,
        question=entry[0],
        answer=entry[1],
        language=language,
        score=probability,
        probability=probability,
        keyword_score=probability,
        vector_score=None,
    )


PROMPT = PromptSource(
    system="只根据资料回答。",
    user="{% for t in history %}{{ t.role }}: {{ t.text }}\n{% endfor %}"
    "{% for p in passages %}[{{ p.id }}] {{ p.question }} {{ p.answer }}\n{% endfor %}"
    "问题：{{ question }}",
)


@dataclass
class Published:
    source: PromptSource = PROMPT
    parameters: GenerationParameters = field(
        default_factory=lambda: GenerationParameters(max_tokens=160)
    )
    version_id: int = 7
    thinking_tokens: int = 0


@dataclass
class FakeKnowledge:
    """Implements ``ports.Knowledge``; ``asked`` are the texts that were looked up."""

    passages: tuple[Passage, ...] = ()
    method: Literal["hybrid", "keywords"] = "hybrid"
    rules_list: tuple[Rule, ...] = ()
    published: Any = field(default_factory=Published)
    asked: list[str] = field(default_factory=list)
    audiences: Collection[int] = ()

    async def rules(self, *, site_id: int) -> RuleSet:
        return RuleSet(self.rules_list)

    async def prompt(self, *, site_id: int, language: str) -> Any:
        return self.published

    async def retrieve(
        self, *, site_id: int, text: str, language: str, audiences: Collection[int] = ()
    ) -> Retrieval:
        self.asked.append(text)
        self.audiences = audiences
        return Retrieval(passages=self.passages, method=self.method, milliseconds=0.1)


class Screen:
    """A ``Live`` that remembers what a customer saw."""

    def __init__(self) -> None:
        self.text = ""
        self.states: list[str] = []
        self.labels: list[str] = []
        self.resets = 0

    def status(
        self,
        state: str,
        *,
        position: int | None = None,
        eta_ms: int | None = None,
        label: str = "",
    ) -> None:
        self.states.append(state)
        self.labels.append(label)

    def delta(self, text: str) -> None:
        self.text += text

    def reset(self) -> None:
        self.text = ""
        self.resets += 1


def question_make(*texts: str, **values: Any) -> Question:
    defaults: dict[str, Any] = {
        "site_id": 1,
        "shop_name": "鲍勃的店",
        "language": "zh-hans",
        "now": datetime(2026, 5, 4, 9, 30, tzinfo=UTC),
    }
    return Question(texts=texts, **{**defaults, **values})


async def climb(
    client: ScriptedChatClient,
    knowledge: FakeKnowledge,
    question: Question,
    *,
    screen: Screen | None = None,
    seconds: float = 5.0,
    first_token_seconds: float = 2.0,
    prompt_tokens: int = 900,
    places: int = 4,
    before_lookup: Sequence[Step] = (),
    before_model: Sequence[Step] = (),
    seen: ModelSeen | None = None,
) -> Climbed:
    ladder = Ladder(
        steps=[
            Guard(),
            RulesBefore(knowledge),
            *before_lookup,
            Lookup(knowledge, relevant_probability=0.3),
            Direct(direct_probability=0.9),
            *before_model,
            Generated(
                client=client,
                knowledge=knowledge,
                gate=ModelGate(places=places, clock=time.monotonic),
                first_token_seconds=first_token_seconds,
                budget=PromptBudget(prompt_tokens),
                model="scripted",
                seen=seen,
            ),
        ],
        fallbacks=[
            OwnWords(),
            OtherLanguage(),
            RulesOnFallback(knowledge),
            CannotConfirm(),
            Apology(),
        ],
    )
    return await ladder.climb(question, live=screen or Screen(), deadline=Deadline.after(seconds))
