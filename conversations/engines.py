"""Puts the ladder together: clients of the engines, retrieval, rules and prompts, from settings."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError

from conversations.answers.memory import StoredAnswers
from conversations.engine_watch import EngineWatch
from conversations.errors import Unavailable
from conversations.labels import SiteLabels
from conversations.ladder.again import AlikeQuestion, AnswerMemory, SameQuestion
from conversations.ladder.budget import PromptBudget
from conversations.ladder.clarify import Clarify
from conversations.ladder.climb import Ladder
from conversations.ladder.direct import Direct
from conversations.ladder.fallback import Apology, CannotConfirm, OtherLanguage, OwnWords
from conversations.ladder.gate import ModelGate
from conversations.ladder.generated import Generated
from conversations.ladder.guard import Guard
from conversations.ladder.lookup import Lookup
from conversations.ladder.model_seen import ModelSeen
from conversations.ladder.ports import Knowledge, Labels, Step, Tools
from conversations.ladder.quoted import Quoted
from conversations.ladder.rules import RulesBefore, RulesOnFallback
from conversations.ladder.tool import ToolStep
from conversations.ladder.tool_choice import ModelChoice
from conversations.lanes import READS
from conversations.prompt_prefixes import prefixes_of_answers, prefixes_of_labels
from conversations.selectors import sites_active
from conversations.tools.access import SiteTools
from inference.backends.assembly import backends_make
from inference.backends.breaker import BreakerPolicy
from inference.backends.pool import BackendPool, PoolPolicy
from inference.chat import ChatClient, EmbeddingClient
from inference.client import OpenAIEmbeddingClient
from inference.errors import EngineError
from inference.labels.labelling import Labeller
from inference.rules.matching import RuleSet
from knowledge.retrieval.calibration import DIRECT_PROBABILITY, RELEVANT_PROBABILITY
from knowledge.retrieval.passages import Retrieval
from knowledge.retrieval.search import Retriever
from knowledge.selectors import (
    PublishedPrompt,
    prompt_published,
    rules_enabled,
    wording_revisions,
)

_WARM_SECONDS = 10.0
_WARM_PAUSE_SECONDS = 1.0


class SiteKnowledge:
    """The ladder's ``Knowledge``: selectors in the read lane, retrieval with the encoder."""

    def __init__(self, encoder: EmbeddingClient | None) -> None:
        self._retriever = Retriever(encoder)

    async def rules(self, *, site_id: int) -> RuleSet:
        return await READS.run(rules_enabled, site_id=site_id)

    async def prompt(self, *, site_id: int, language: str) -> PublishedPrompt | None:
        return await READS.run(prompt_published, site_id=site_id, role="answer", language=language)

    async def retrieve(
        self, *, site_id: int, text: str, language: str, audiences: Collection[int] = ()
    ) -> Retrieval:
        try:
            return await self._retriever.retrieve(
                site_id=site_id, text=text, language=language, audiences=audiences
            )
        except (OperationalError, InterfaceError) as error:
            raise Unavailable from error

    def anticipate(self, *, text: str) -> None:
        """Have the encoder begin with a text that is about to be asked for."""
        self._retriever.anticipate(text)

    async def refresh(self, *, site_id: int) -> None:
        """Index a site, so that its first question need not wait for it."""
        await self._retriever.refresh(site_id)

    async def settle(self, *, site_id: int) -> None:
        """Index a site and wait for all of its vectors."""
        await self._retriever.settle(site_id)

    async def aclose(self) -> None:
        """Stop what retrieval does in the background."""
        await self._retriever.aclose()


@dataclass(frozen=True, slots=True)
class Engines:
    """A ladder with the clients that it uses."""

    ladder: Ladder
    chat: ChatClient | BackendPool
    encoder: EmbeddingClient | None = None
    knowledge: SiteKnowledge | None = None
    watch: EngineWatch | None = None
    label_chat: BackendPool | None = None
    budget: PromptBudget | None = None
    tools: Tools | None = None

    def anticipate(self, text: str) -> None:
        """A question with this text is about to climb the ladder."""
        if self.knowledge is not None:
            self.knowledge.anticipate(text=text)

    async def warm(self) -> None:
        """Make connections and indexes before the first question needs them; best effort."""
        if isinstance(self.chat, BackendPool):
            await self.chat.warm()
        if self.watch is not None:
            await self.watch.look()
        while self.encoder is not None:
            try:
                await self.encoder.embed(["warm"], kind="query", timeout=_WARM_SECONDS)
                break
            except EngineError:
                await asyncio.sleep(_WARM_PAUSE_SECONDS)
        if self.knowledge is not None:
            for site_id in await READS.run(sites_active):
                await self.knowledge.refresh(site_id=site_id)

    async def aclose(self) -> None:
        if self.knowledge is not None:
            await self.knowledge.aclose()
        await self.chat.aclose()
        if self.label_chat is not None:
            await self.label_chat.aclose()
        if self.encoder is not None:
            await self.encoder.aclose()


def engines_make(
    *,
    engine_url: str | None = None,
    encoder_url: str | None = None,
    api_key: str | None = None,
    use_model: bool = True,
) -> Engines:
    """Clients and ladder from the settings, or for the given addresses.

    Without any engine, or without ``use_model``, the rules answer with reason ``engine_down``;
    without an encoder's address, entries are found by keywords alone.
    """
    key = settings.ENGINE_API_KEY if api_key is None else api_key
    engine = settings.ENGINE_URL if engine_url is None else engine_url
    encoder = settings.ENCODER_URL if encoder_url is None else encoder_url
    chat = backends_make(
        settings.ENGINES if use_model else (),
        local_url=engine if use_model else "",
        local_model=model_name(),
        local_key=key,
        local_order=settings.LOCAL_ENGINE,
        redis_url=settings.REDIS_URL,
        pool_policy=PoolPolicy(
            probe=settings.PROBE_SECONDS, first_token=settings.FIRST_TOKEN_SECONDS / 2
        ),
        breaker_policy=BreakerPolicy(
            failures=settings.BREAKER_FAILURES,
            window=settings.BREAKER_SECONDS,
            probe=settings.PROBE_SECONDS,
        ),
    )
    label_chat = None
    if use_model and settings.LABEL_ENGINE_URL:
        label_chat = backends_make(
            settings.ENGINES,
            local_url=settings.LABEL_ENGINE_URL,
            local_model=Path(settings.LABEL_MODEL).name,
            local_key=key,
            redis_url=settings.REDIS_URL,
        )
    vectors = OpenAIEmbeddingClient(encoder, settings.EMBEDDING_MODEL, key) if encoder else None
    knowledge = SiteKnowledge(vectors)
    budget = PromptBudget(settings.PROMPT_TOKENS)
    seen = ModelSeen(model_name(), _model_hash())
    tools = SiteTools()
    return Engines(
        ladder=ladder_make(
            chat=chat,
            knowledge=knowledge,
            budget=budget,
            labels=SiteLabels(Labeller(label_chat or chat, vectors)),
            memory=StoredAnswers(),
            seen=seen,
            tools=tools,
        ),
        chat=chat,
        label_chat=label_chat,
        encoder=vectors,
        knowledge=knowledge,
        budget=budget,
        tools=tools,
        watch=EngineWatch(
            chat=chat,
            budget=budget,
            seen=seen,
            revision=partial(READS.run, wording_revisions),
            heads=partial(READS.run, prefixes_of_answers, with_labels=label_chat is None),
            clock=time.monotonic,
            others=(
                [] if label_chat is None else [(label_chat, partial(READS.run, prefixes_of_labels))]
            ),
        ),
    )


@dataclass(frozen=True, slots=True)
class LadderPolicy:
    """The numbers that decide; see the settings in docs/architecture.md.

    Attributes:
        direct_probability: from here on an entry is sent as it stands; above 1: never.
        relevant_probability: from here on a question counts as known.
        first_token_seconds: how long the model may take to begin.
    """

    direct_probability: float
    relevant_probability: float
    first_token_seconds: float


def ladder_policy() -> LadderPolicy:
    """What the settings say, or the calibrated defaults."""
    direct, relevant = settings.DIRECT_PROBABILITY, settings.RELEVANT_PROBABILITY
    return LadderPolicy(
        direct_probability=DIRECT_PROBABILITY if direct is None else direct,
        relevant_probability=RELEVANT_PROBABILITY if relevant is None else relevant,
        first_token_seconds=settings.FIRST_TOKEN_SECONDS,
    )


def ladder_make(
    *,
    chat: ChatClient,
    knowledge: Knowledge,
    budget: PromptBudget | None = None,
    labels: Labels | None = None,
    policy: LadderPolicy | None = None,
    memory: AnswerMemory | None = None,
    seen: ModelSeen | None = None,
    tools: Tools | None = None,
) -> Ladder:
    """The ladder of the product, over any engine and knowledge; ``policy`` for a rehearsal.

    Without ``memory`` no answer is given again, without ``tools`` nothing is looked up.
    """
    policy = policy or ladder_policy()
    seen = seen or ModelSeen(model_name(), _model_hash())
    gate = ModelGate(places=settings.MODEL_PLACES, clock=time.monotonic)
    generated = Generated(
        client=chat,
        knowledge=knowledge,
        gate=gate,
        first_token_seconds=policy.first_token_seconds,
        budget=budget or PromptBudget(settings.PROMPT_TOKENS),
        model=seen.name,
        model_hash=seen.weights,
        seen=seen,
    )
    tool_steps: list[Step] = []
    if tools is not None:
        tool_steps = [ToolStep(tools, choice=ModelChoice(chat, gate), worder=generated)]
    return Ladder(
        steps=[
            Guard(),
            RulesBefore(knowledge, labels),
            *tool_steps,
            *([SameQuestion(memory, model=seen)] if memory is not None else []),
            Lookup(knowledge, relevant_probability=policy.relevant_probability),
            Direct(direct_probability=policy.direct_probability),
            Quoted(client=chat),
            Clarify(),
            *([AlikeQuestion(memory)] if memory is not None else []),
            generated,
        ],
        fallbacks=[
            OwnWords(),
            OtherLanguage(),
            RulesOnFallback(knowledge),
            CannotConfirm(),
            Apology(),
        ],
    )


def model_name() -> str:
    """The name of the chat model of the settings."""
    path = Path(settings.MODEL)
    return path.name if path.is_absolute() or "/" in settings.MODEL else settings.MODEL


def _model_hash() -> str:
    """The hash of the converted weights, from their manifest; empty for a remote engine."""
    for directory in (settings.CACHE_DIR / "models" / model_name(), Path(settings.MODEL)):
        try:
            manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
            return str(manifest["model_hash"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return ""
