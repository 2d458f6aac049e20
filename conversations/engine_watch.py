"""What the desk and its engine keep telling each other.

The engine tells how long a prompt it reads in time; the desk tells the fixed heads of the published
prompts, which the engine then keeps ready, so that an answer begins with the tokens behind them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Sequence

from conversations.errors import ConversationError
from conversations.ladder.budget import PromptBudget
from conversations.ladder.model_seen import ModelSeen
from inference.chat import ChatClient, ChatMessage, PrefixKeeper
from inference.errors import EngineError

logger = logging.getLogger(__name__)

Heads = Callable[[], Awaitable[Sequence[Sequence[ChatMessage]]]]
"""Reads the fixed heads of prompts, a list of messages each."""
CHANGE_SECONDS = 3.0
"""How long a changed prompt may go unnoticed."""
HEALTH_SECONDS = 30.0
"""How long a restarted engine may go without the heads, and a measured budget unnoticed."""


class EngineWatch:
    """Looks at the engine and at the published prompts from time to time.

    Args:
        budget: is told what the engine measured.
        revision: something that is another one whenever a prompt was published or withdrawn.
        heads: the fixed heads of the published prompts, a list of messages each.
        seen: is told which model the engine has.
        others: further engines, each with the heads that it keeps.
    """

    def __init__(
        self,
        *,
        chat: ChatClient,
        budget: PromptBudget,
        revision: Callable[[], Awaitable[Hashable]],
        heads: Heads,
        clock: Callable[[], float],
        seen: ModelSeen | None = None,
        others: Sequence[tuple[ChatClient, Heads]] = (),
    ) -> None:
        self._chat = chat
        self._budget = budget
        self._revision = revision
        self._heads = heads
        self._clock = clock
        self._model = seen
        self._others = others
        self._seen: Hashable = None
        self._look_at = float("-inf")

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(CHANGE_SECONDS)

    async def look(self) -> None:
        """Look once; what fails is tried again at the next look."""
        try:
            revision = await self._revision()
            if revision == self._seen and self._clock() < self._look_at:
                return
            health = await self._chat.health()
            if health.state != "ready":
                return
            self._budget.measure(health.prompt_tokens_budget)
            if self._model is not None:
                self._model.note_fingerprint(health.fingerprint)
            if isinstance(self._chat, PrefixKeeper):
                await self._chat.prefixes_put(await self._heads())
            await self._others_tell()
        except EngineError as error:
            logger.warning("The engine did not take the heads of the prompts: %s", error)
        except ConversationError:
            return  # the database is away
        self._seen, self._look_at = revision, self._clock() + HEALTH_SECONDS

    async def _others_tell(self) -> None:
        for chat, heads in self._others:
            if isinstance(chat, PrefixKeeper) and (await chat.health()).state == "ready":
                await chat.prefixes_put(await heads())
