"""Puts the ladder together: clients of the engines, retrieval, rules and prompts, from settings."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from conversations.ladder.climb import Ladder
from conversations.ladder.direct import Direct
from conversations.ladder.fallback import Apology, CannotConfirm, OwnWords
from conversations.ladder.gate import ModelGate
from conversations.ladder.generated import Generated
from conversations.ladder.guard import Guard
from conversations.ladder.lookup import Lookup
from conversations.ladder.ports import Knowledge
from conversations.ladder.rules import RulesBefore, RulesOnFallback
from conversations.lanes import READS
from inference.chat import ChatClient, EmbeddingClient
from inference.client import OpenAIChatClient, OpenAIEmbeddingClient
from inference.rules.matching import RuleSet
from knowledge.retrieval.calibration import DIRECT_PROBABILITY, RELEVANT_PROBABILITY
from knowledge.retrieval.passages import Retrieval
from knowledge.retrieval.search import Retriever
from knowledge.selectors import PublishedPrompt, prompt_published, rules_enabled


class SiteKnowledge:
    """The ladder's ``Knowledge``: selectors in the read lane, retrieval with the encoder."""

    def __init__(self, encoder: EmbeddingClient | None) -> None:
        self._retriever = Retriever(encoder)

    async def rules(self, *, site_id: int) -> RuleSet:
        return await READS.run(rules_enabled, site_id=site_id)

    async def prompt(self, *, site_id: int, language: str) -> PublishedPrompt | None:
        return await READS.run(prompt_published, site_id=site_id, role="answer", language=language)

    async def retrieve(self, *, site_id: int, text: str, language: str) -> Retrieval:
        return await self._retriever.retrieve(site_id=site_id, text=text, language=language)


@dataclass(frozen=True, slots=True)
class Engines:
    """A ladder with the clients that it uses."""

    ladder: Ladder
    chat: ChatClient
    encoder: EmbeddingClient | None

    async def aclose(self) -> None:
        await self.chat.aclose()
        if self.encoder is not None:
            await self.encoder.aclose()


def engines_make(
    *,
    engine_url: str | None = None,
    encoder_url: str | None = None,
    api_key: str | None = None,
) -> Engines:
    """Clients and ladder from the settings, or for the given addresses.

    Without an engine's address the rules answer with reason ``engine_down``; without an encoder's,
    entries are found by keywords alone.
    """
    key = settings.ENGINE_API_KEY if api_key is None else api_key
    engine = settings.ENGINE_URL if engine_url is None else engine_url
    encoder = settings.ENCODER_URL if encoder_url is None else encoder_url
    chat = OpenAIChatClient(engine or _NOWHERE, _model_name(), key)
    vectors = OpenAIEmbeddingClient(encoder, settings.EMBEDDING_MODEL, key) if encoder else None
    ladder = ladder_make(chat=chat, knowledge=SiteKnowledge(vectors))
    return Engines(ladder=ladder, chat=chat, encoder=vectors)


def ladder_make(*, chat: ChatClient, knowledge: Knowledge) -> Ladder:
    """The ladder of the product, over any engine and knowledge."""
    gate = ModelGate(places=settings.MODEL_PLACES, clock=time.monotonic)
    return Ladder(
        steps=[
            Guard(),
            RulesBefore(knowledge),
            Lookup(knowledge, relevant_probability=RELEVANT_PROBABILITY),
            Direct(direct_probability=DIRECT_PROBABILITY),
            Generated(
                client=chat,
                knowledge=knowledge,
                gate=gate,
                first_token_seconds=settings.FIRST_TOKEN_SECONDS,
                prompt_tokens=settings.PROMPT_TOKENS,
                model=_model_name(),
                model_hash=_model_hash(),
            ),
        ],
        fallbacks=[OwnWords(), RulesOnFallback(knowledge), CannotConfirm(), Apology()],
    )


# Nobody listens on the discard port, so a client for it reports the engine as stopped.
_NOWHERE = "http://127.0.0.1:9"


def _model_name() -> str:
    path = Path(settings.MODEL)
    return path.name if path.is_absolute() or "/" in settings.MODEL else settings.MODEL


def _model_hash() -> str:
    """The hash of the converted weights, from their manifest; empty for a remote engine."""
    for directory in (settings.CACHE_DIR / "models" / _model_name(), Path(settings.MODEL)):
        try:
            manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
            return str(manifest["model_hash"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return ""
