"""Walks the ladder for nobody: a question is answered as a customer's would be, and nothing is kept.

The playground, the replay of question sets and the second asking of gaps use it. It answers behind
everybody else: its requests carry the priority of background work and pass a gate of their own, so
that no customer waits for a rehearsal. That is also why it has more time than a customer's question:
what is compared is the answers, and how long they took is told beside them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from asgiref.sync import sync_to_async
from django.conf import settings
from django.utils import timezone

from conversations.engines import (
    Engines,
    LadderPolicy,
    engines_make,
    ladder_make,
    ladder_policy,
    model_name,
)
from conversations.enums import Outcome, Tier
from conversations.labels import SiteLabels
from conversations.ladder.budget import PromptBudget
from conversations.ladder.climb import Ladder
from conversations.ladder.ports import Knowledge
from conversations.ladder.values import Climbed, Deadline, Live, Question, Unseen
from inference.backends.assembly import backends_make
from inference.backends.pool import PoolPolicy
from inference.chat import (
    NO_OPTIONS,
    ChatChunk,
    ChatClient,
    ChatMessage,
    ChatOptions,
    EngineHealth,
    GenerationParameters,
    Priority,
)
from inference.labels.labelling import Labeller
from inference.rules.matching import RuleSet
from inference.text.names import name_in
from knowledge.models import Site
from knowledge.retrieval.passages import Retrieval
from knowledge.selectors import PublishedPrompt

FIRST_TOKEN_SECONDS: Final = 60.0
SECONDS: Final = 120.0
"""How long an answer in a rehearsal may take: it waits behind every customer."""
_FROM_KNOWLEDGE: Final = frozenset({Tier.DIRECT, Tier.GENERATED, Tier.CACHE})
NEVER_DIRECT: Final = 1.01
"""A probability that no entry reaches: the model writes where an entry would have been sent."""


@dataclass(frozen=True, slots=True)
class Staging:
    """In what a rehearsal differs from what customers get.

    Attributes:
        prompt: instead of the published one.
        direct_probability, relevant_probability: instead of those of the settings.
        asks_model: the model writes also where an entry would be sent word for word.
    """

    prompt: PublishedPrompt | None = None
    direct_probability: float | None = None
    relevant_probability: float | None = None
    asks_model: bool = False

    def policy(self) -> LadderPolicy:
        """The numbers of the settings with these in their place."""
        policy = replace(ladder_policy(), first_token_seconds=FIRST_TOKEN_SECONDS)
        if self.relevant_probability is not None:
            policy = replace(policy, relevant_probability=self.relevant_probability)
        direct = NEVER_DIRECT if self.asks_model else self.direct_probability
        return policy if direct is None else replace(policy, direct_probability=direct)


AS_PUBLISHED: Final = Staging()
"""What customers get."""


class Rehearsal:
    """Ladders over the engines at hand, for questions that no customer asked.

    Tools that look things up are called as for a visitor whom nobody knows; a tool that would change
    something offers that, and there is nobody to confirm it. The answer cache is left alone.

    Args:
        engines: of this process or opened for the purpose; they stay the caller's.
        chat: the model that answers; it stays the caller's as well.
    """

    def __init__(self, engines: Engines, *, chat: ChatClient) -> None:
        self.engines = engines
        self._chat = BackgroundChat(chat)
        self._budget = engines.budget or PromptBudget()

    async def ready(self, *, site_id: int, settle: bool = True) -> EngineHealth:
        """Tells how the engine is; with ``settle`` the site's entries are all indexed then, which
        a desk that is running has done already."""
        if settle and self.engines.encoder is not None and self.engines.knowledge is not None:
            await self.engines.knowledge.settle(site_id=site_id)
        health = await self._chat.health()
        if health.state == "ready":
            self._budget.measure(health.prompt_tokens_budget)
        return health

    async def climb(
        self, question: Question, staging: Staging = AS_PUBLISHED, *, live: Live | None = None
    ) -> Climbed:
        """The answer that a customer would get with this staging; nothing is stored."""
        return await self._ladder(staging).climb(
            question, live=live or Unseen(), deadline=Deadline.after(SECONDS)
        )

    def labeller(self) -> Labeller:
        """Labels texts with the same engines, behind everybody else."""
        scorer = self.engines.label_chat
        chat = self._chat if scorer is None else BackgroundChat(scorer)
        return Labeller(chat, self.engines.encoder)

    @property
    def chat(self) -> ChatClient:
        """The model, behind everybody else."""
        return self._chat

    def _ladder(self, staging: Staging) -> Ladder:
        knowledge: Knowledge | None = self.engines.knowledge
        if knowledge is None:
            raise LookupError("A rehearsal needs engines with knowledge.")
        if staging.prompt is not None:
            knowledge = StagedKnowledge(knowledge, staging.prompt)
        return ladder_make(
            chat=self._chat,
            knowledge=knowledge,
            budget=self._budget,
            labels=SiteLabels(self.labeller()),
            policy=staging.policy(),
            tools=self.engines.tools,
        )


@asynccontextmanager
async def rehearsal_open(
    *, engines: Engines | None = None, chat: ChatClient | None = None
) -> AsyncIterator[Rehearsal]:
    """A rehearsal over the given engines and model, or over those of the settings."""
    used = engines or await sync_to_async(engines_make)()
    model = chat or _patient_chat()
    try:
        yield Rehearsal(used, chat=model)
    finally:
        if chat is None:
            await model.aclose()
        if engines is None:
            await used.aclose()


def _patient_chat() -> ChatClient:
    """The engines of the settings with patience and breakers of their own: a rehearsal that waits
    long behind customers must not make an engine look broken to them."""
    return backends_make(
        settings.ENGINES,
        local_url=settings.ENGINE_URL,
        local_model=model_name(),
        local_key=settings.ENGINE_API_KEY,
        local_order=settings.LOCAL_ENGINE,
        pool_policy=PoolPolicy(first_token=FIRST_TOKEN_SECONDS),
    )


def is_from_knowledge(climbed: Climbed) -> bool:
    """Whether the customer would have got an answer out of the knowledge: by its tier, or in an
    entry's own words when the model was no help."""
    answer = climbed.answer
    if answer.outcome != Outcome.ANSWER:
        return False
    return answer.tier in _FROM_KNOWLEDGE or bool(answer.cited)


def question_for(
    *,
    site: Site,
    text: str,
    language: str,
    history: Sequence[tuple[str, str]] = (),
    conversation: str = "rehearsal",
) -> Question:
    """A question as an unknown visitor of the site would ask it now."""
    return Question(
        site_id=site.pk,
        shop_name=name_in(site.name, language),
        texts=(text,),
        language=language,
        region=site.region,
        history=tuple(history),
        now=timezone.localtime(),
        conversation=conversation,
    )


class StagedKnowledge:
    """A site's knowledge with another prompt for answers."""

    def __init__(self, knowledge: Knowledge, prompt: PublishedPrompt) -> None:
        self._knowledge = knowledge
        self._prompt = prompt

    async def rules(self, *, site_id: int) -> RuleSet:
        """The site's own."""
        return await self._knowledge.rules(site_id=site_id)

    async def prompt(self, *, site_id: int, language: str) -> PublishedPrompt | None:
        """The one that is rehearsed."""
        return self._prompt

    async def retrieve(
        self, *, site_id: int, text: str, language: str, audiences: Collection[int] = ()
    ) -> Retrieval:
        """The site's own."""
        return await self._knowledge.retrieve(
            site_id=site_id, text=text, language=language, audiences=audiences
        )


class BackgroundChat:
    """A ``ChatClient`` whose every request waits behind those that somebody waits for."""

    def __init__(self, chat: ChatClient) -> None:
        self._chat = chat

    def stream(
        self,
        messages: Sequence[ChatMessage],
        parameters: GenerationParameters,
        *,
        timeout: float,
        options: ChatOptions = NO_OPTIONS,
        priority: Priority = Priority.BACKGROUND,
        conversation: str = "",
    ) -> AsyncGenerator[ChatChunk, None]:
        """See ``ChatClient.stream``; ``priority`` is not asked for."""
        return self._chat.stream(
            messages,
            parameters,
            timeout=timeout,
            options=options,
            priority=Priority.BACKGROUND,
            conversation=conversation,
        )

    async def next_logprobs(
        self,
        messages: Sequence[ChatMessage],
        candidates: Sequence[str],
        *,
        timeout: float,  # noqa: ASYNC109  the request carries it to the engine
        priority: Priority = Priority.BACKGROUND,
    ) -> dict[str, float]:
        """See ``ChatClient.next_logprobs``."""
        return await self._chat.next_logprobs(
            messages, candidates, timeout=timeout, priority=Priority.BACKGROUND
        )

    async def health(self) -> EngineHealth:
        """See ``ChatClient.health``."""
        return await self._chat.health()

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """See ``ChatClient.count_tokens``."""
        return await self._chat.count_tokens(messages)

    async def aclose(self) -> None:
        """The client is its owner's to close."""
