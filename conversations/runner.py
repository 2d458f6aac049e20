"""The turn runner: claims turns, walks the ladder, keeps leases, and watches deadlines.

Three tasks of their own, so that none of them waits for a model: one claims, one renews the leases
of what runs, one answers turns past their deadline by the rules, whoever works on them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from conversations.enums import Reason
from conversations.errors import ConversationError, Unavailable
from conversations.labels import labels_schedule
from conversations.ladder.climb import Ladder
from conversations.ladder.values import Deadline, Question
from conversations.lanes import READS, WRITES
from conversations.live import LiveFeed
from conversations.outcomes import reply_apologise, reply_make
from conversations.selectors import TurnFacts, turn_facts, turns_overdue
from conversations.services.turns import (
    ClaimedTurn,
    Reply,
    turn_claim,
    turn_expire,
    turn_finish,
    turn_lease_renew,
    turn_leases_renew,
    turn_release,
)
from conversations.switchboard import Switchboard
from inference.text.names import name_in

T = TypeVar("T")

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0
RUNNING_MOST = 64
_STORE_RETRY_SECONDS = 0.2
_SEEK_SECONDS = 0.03


class TurnRunner:
    """Runs turns as tasks of the event loop.

    Args:
        lease_seconds: length of a lease; renewed five times in it.
        deadline_seconds: the total deadline of a turn, for the pace of the watch.
        now: the local time that prompts and rules may name.
    """

    def __init__(
        self,
        *,
        ladder: Ladder,
        switchboard: Switchboard,
        lease_seconds: float,
        deadline_seconds: float,
        now: Callable[[], datetime],
    ) -> None:
        self._ladder = ladder
        self._switchboard = switchboard
        self._lease_seconds = lease_seconds
        self._deadline_seconds = deadline_seconds
        self._now = now
        self._work = asyncio.Event()
        self._running: dict[int, tuple[ClaimedTurn, asyncio.Task[None]]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._draining = False

    async def start(self) -> None:
        """Start the tasks; turns that a dead process left are taken up when their lease ends."""
        self._tasks = [
            asyncio.create_task(self._forever(self._claim), name="turns: claim"),
            asyncio.create_task(self._forever(self._renew), name="turns: renew leases"),
            asyncio.create_task(self._forever(self._watch), name="turns: watch deadlines"),
        ]

    def wake(self) -> None:
        """There may be a new turn."""
        self._work.set()

    @property
    def has_room(self) -> bool:
        """Whether this runner would begin with a turn at once."""
        return bool(self._tasks) and not self._draining and len(self._running) < RUNNING_MOST

    async def take(self, claimed: ClaimedTurn) -> None:
        """Run a turn that was claimed for this runner, or give it back if it stops meanwhile."""
        if self._draining:
            await WRITES.run(turn_release, turn_id=claimed.id, fence=claimed.fence)
            return
        self._begin(claimed)

    def drop(self, turn_id: int) -> None:
        """Stop working on a turn that has its outcome; what it would still say is thrown away."""
        claimed = self._running.get(turn_id)
        if claimed is not None:
            claimed[1].cancel()

    async def drain(self, seconds: float) -> None:
        """Claim nothing more, let what runs finish within ``seconds``, release the rest."""
        self._draining = True
        running = [task for _, task in self._running.values()]
        if running:
            await asyncio.wait(running, timeout=seconds)
        for task in self._tasks:
            task.cancel()
        left = list(self._running.values())
        for _, task in left:
            task.cancel()
        await asyncio.gather(*self._tasks, *(task for _, task in left), return_exceptions=True)
        for claimed, _ in left:
            with contextlib.suppress(ConversationError):  # the lease runs out by itself
                await WRITES.run(turn_release, turn_id=claimed.id, fence=claimed.fence)

    async def _forever(self, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await step()
            except ConversationError:
                await asyncio.sleep(_STORE_RETRY_SECONDS)  # the database is away
            except Exception:
                logger.exception("A round of the turn runner failed.")
                await asyncio.sleep(_STORE_RETRY_SECONDS)

    async def _claim(self) -> None:
        poll = min(POLL_SECONDS, self._lease_seconds / 2)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(poll):
                await self._work.wait()
        self._work.clear()
        while not self._draining and len(self._running) < RUNNING_MOST:
            claimed = await WRITES.run(turn_claim)
            if claimed is None:
                return
            self._begin(claimed)

    def _begin(self, claimed: ClaimedTurn) -> None:
        task = asyncio.create_task(self._run(claimed), name=f"turn {claimed.id}")
        self._running[claimed.id] = (claimed, task)
        task.add_done_callback(partial(self._left, claimed.id))

    def _left(self, turn_id: int, _: asyncio.Task[None]) -> None:
        self._running.pop(turn_id, None)
        # The conversation's next turn may run now; but the answer goes out before work is sought.
        asyncio.get_running_loop().call_later(_SEEK_SECONDS, self._work.set)

    async def _renew(self) -> None:
        await asyncio.sleep(self._lease_seconds / 5)
        running = dict(self._running)
        fences = {turn_id: claimed.fence for turn_id, (claimed, _) in running.items()}
        if fences:
            # All at once: each commit waits for the disk, and messages wait in the same line.
            for turn_id in await WRITES.run(turn_leases_renew, fences=fences):
                running[turn_id][1].cancel()

    async def _watch(self) -> None:
        await asyncio.sleep(min(0.25, self._deadline_seconds / 20))
        for turn_id in await READS.run(turns_overdue):
            facts = await READS.run(turn_facts, turn_id=turn_id)
            reply = await self._expired_reply(facts)
            if await WRITES.run(turn_expire, turn_id=turn_id, reply=reply) is not None:
                self.drop(turn_id)
                self._switchboard.wake(facts.conversation_id)

    async def _expired_reply(self, facts: TurnFacts) -> Reply:
        question = question_of(facts, attempts=0, now=self._now())
        try:
            return reply_make(await self._ladder.fall_back(question, reason=Reason.DEADLINE))
        except Exception:
            logger.exception("The rules failed for a turn past its deadline.")
            return reply_apologise(question, reason=Reason.DEADLINE)

    async def _run(self, claimed: ClaimedTurn) -> None:
        live = LiveFeed(
            self._switchboard,
            conversation_id=claimed.conversation_id,
            reply_to=claimed.client_message_id,
            fence=claimed.fence,
        )
        if claimed.fence > 1:  # another claim may have shown something
            live.reset()
        live.status("thinking")
        try:
            reply = await self._reply(claimed, live)
            await self._finish(claimed, reply)
        except ConversationError as error:
            # The lease runs out, and the turn is claimed again or answered at its deadline.
            logger.warning("Turn %s was given up: %s.", claimed.id, error)
        finally:
            live.close()
            # In any case: the outcome may be stored although this task was cancelled after that.
            self._switchboard.wake(claimed.conversation_id)
        with contextlib.suppress(ConversationError):  # a busy database: labels are no promise
            await WRITES.run(labels_schedule, message_id=claimed.message_id)

    async def _reply(self, claimed: ClaimedTurn, live: LiveFeed) -> Reply:
        facts = await _patiently(lambda: READS.run(turn_facts, turn_id=claimed.id))
        question = question_of(facts, attempts=claimed.attempts, now=self._now())
        # The outcome must be stored before the deadline, not begin to be.
        margin = min(0.5, self._deadline_seconds / 20)
        deadline = Deadline.after(claimed.seconds_left - margin)
        try:
            return reply_make(await self._ladder.climb(question, live=live, deadline=deadline))
        except ConversationError:
            raise
        except Exception:
            logger.exception("The ladder failed for turn %s.", claimed.id)
            return reply_apologise(question, reason=None)

    async def _finish(self, claimed: ClaimedTurn, reply: Reply) -> None:
        await _patiently(
            lambda: WRITES.run(turn_finish, turn_id=claimed.id, fence=claimed.fence, reply=reply)
        )


@contextlib.asynccontextmanager
async def lease_kept(claimed: ClaimedTurn, *, seconds: float) -> AsyncIterator[None]:
    """Keep the lease of one turn while the body runs; for a turn outside any runner."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(seconds / 5)
            with contextlib.suppress(ConversationError):  # tried again before the lease ends
                await WRITES.run(turn_lease_renew, turn_id=claimed.id, fence=claimed.fence)

    task = asyncio.create_task(renew())
    try:
        yield
    finally:
        task.cancel()


def question_of(facts: TurnFacts, *, attempts: int, now: datetime) -> Question:
    """A turn's facts as the ladder takes them."""
    return Question(
        conversation=str(facts.conversation_id),
        site_id=facts.site_id,
        shop_name=name_in(facts.site_name, facts.language),
        mode=facts.mode,
        region=facts.region,
        region_is_signed=facts.region_is_signed,
        texts=facts.texts,
        language=facts.language,
        history=facts.history,
        offered=facts.offered,
        audiences=facts.audiences,
        actor=facts.actor,
        form=facts.form,
        attempts=attempts,
        now=now,
    )


async def _patiently(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Try until the database takes it; the lease and the deadline bound it from outside."""
    while True:
        try:
            return await work()
        except Unavailable:
            await asyncio.sleep(_STORE_RETRY_SECONDS)
