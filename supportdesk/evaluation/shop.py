"""The demo shop in memory: its entries, rules and prompts on the ladder's own steps.

No database is touched, so nothing of a shop's is read or changed by an evaluation.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from conversations.engines import LadderPolicy, ladder_make
from conversations.ladder.budget import PromptBudget
from conversations.ladder.climb import Ladder
from inference.chat import ChatClient
from inference.engines.encoder import EncoderEngine
from inference.rules.matching import Rule, RuleSet
from knowledge.retrieval.calibration import DIRECT_PROBABILITY, RELEVANT_PROBABILITY
from knowledge.retrieval.entries import IndexedEntry
from knowledge.retrieval.passages import Retrieval
from knowledge.selectors import PublishedPrompt
from supportdesk.evaluation.entries import EntriesInMemory
from supportdesk.evaluation.grounded import default_prompt

LANGUAGES: Final = ("en", "zh-hans")
_DEFAULTS: Final = Path("knowledge") / "defaults"
# Longer than any machine needs: nobody waits.
_FIRST_TOKEN_SECONDS: Final = 120.0
_PROMPT_TOKENS: Final = 2000


def _table(name: str) -> dict[str, Any]:
    path = Path(settings.BASE_DIR) / _DEFAULTS / name
    return tomllib.loads(path.read_text(encoding="utf-8"))


def entries_shipped() -> list[IndexedEntry]:
    """The demo shop's entries in both languages."""
    entries: list[IndexedEntry] = []
    for language in LANGUAGES:
        for row in _table(f"demo_entries.{language}.toml")["entry"]:
            entries.append(
                IndexedEntry(
                    entry_id=len(entries),
                    revision=1,
                    question=row["question"],
                    phrasings=tuple(row.get("phrasings", ())),
                    answer=row["answer"],
                    keywords=" ".join(row.get("keywords", ())),
                    language=language,
                )
            )
    return entries


def rules_shipped() -> RuleSet:
    """The rules that every new site has."""
    return RuleSet.of(
        Rule(
            id=number,
            name=row["name"],
            priority=row["priority"],
            language=row.get("language", ""),
            trigger=row["trigger"],
            keywords_any=tuple(row.get("keywords_any", ())),
            keywords_all=tuple(row.get("keywords_all", ())),
            pattern=row.get("pattern", ""),
            reply=row.get("reply", ""),
            action=row["action"],
        )
        for number, row in enumerate(_table("rules.toml")["rule"], start=1)
    )


class ShopKnowledge:
    """The ladder's ``Knowledge`` over entries in memory, with the prompts that ship."""

    def __init__(self, entries: EntriesInMemory, rules: RuleSet) -> None:
        self._entries = entries
        self._rules = rules

    async def rules(self, *, site_id: int) -> RuleSet:
        return self._rules

    async def prompt(self, *, site_id: int, language: str) -> PublishedPrompt:
        prompt = default_prompt(language)
        return PublishedPrompt(0, "", 0, prompt.source, prompt.parameters)

    async def retrieve(
        self, *, site_id: int, text: str, language: str, audiences: Collection[int] = ()
    ) -> Retrieval:
        return await self._entries.retrieve(text, language)


async def shop_ladder(
    encoder: EncoderEngine,
    client: ChatClient,
    entries: Sequence[IndexedEntry],
    *,
    with_rules: bool = True,
) -> Ladder:
    """The ladder of a desk with these entries; ``with_rules`` False leaves out the shipped rules,
    so that only the knowledge decides. The engine has all the time it wants."""
    memory = await EntriesInMemory.embedded(entries, encoder)
    return ladder_make(
        chat=client,
        knowledge=ShopKnowledge(memory, rules_shipped() if with_rules else RuleSet()),
        budget=PromptBudget(_PROMPT_TOKENS),
        policy=LadderPolicy(
            direct_probability=DIRECT_PROBABILITY,
            relevant_probability=RELEVANT_PROBABILITY,
            first_token_seconds=_FIRST_TOKEN_SECONDS,
        ),
    )
