"""Makes the changes that customers confirmed: one task that claims, one for each call."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from conversations.errors import ConversationError
from conversations.failpoints import failpoint
from conversations.ladder import wording
from conversations.ladder.ports import Tools
from conversations.ladder.tool import call_record, reply_words
from conversations.lanes import WRITES
from conversations.services.actions import (
    ATTEMPTS_MOST,
    LEASE_SECONDS,
    ClaimedAction,
    action_claim,
    action_finish,
    action_retry_later,
)
from conversations.switchboard import Switchboard
from knowledge.tools.values import CallOutcome, CallResult, ToolSpec

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 2.0
"""Before the second attempt; doubled before each further one."""
_CHANGED: Final = "The tool was changed or switched off after the customer was asked."
_UNKNOWN: Final = "A process ended during the call; its outcome is not known."


class ActionRunner:
    """Runs confirmed changes as tasks of the event loop; several processes may have one each.

    Args:
        tools: what there is, and what calls it.
        switchboard: told of conversations that have something new.
        now: the local time that templates may name.
    """

    def __init__(
        self,
        *,
        tools: Tools,
        switchboard: Switchboard,
        now: Callable[[], datetime],
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._tools = tools
        self._switchboard = switchboard
        self._now = now
        self._retry_seconds = retry_seconds
        self._work = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start to claim; what a dead process left is taken up when its lease ends."""
        self._task = asyncio.create_task(self._forever(), name="actions: claim")

    def wake(self) -> None:
        """There may be a change that was confirmed."""
        self._work.set()

    async def drain(self, seconds: float) -> None:
        """Claim nothing more, and let the calls that run finish within ``seconds``."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._running:
            await asyncio.wait(set(self._running), timeout=seconds)
        for task in self._running:
            task.cancel()  # its lease runs out, and another process looks after it

    async def run_next(self) -> bool:
        """Claim one change and make it; ``False`` when none waits."""
        claimed = await WRITES.run(action_claim)
        if claimed is None:
            return False
        await self._run(claimed)
        return True

    async def _forever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._work.wait()
            self._work.clear()
            try:
                while (claimed := await WRITES.run(action_claim)) is not None:
                    task = asyncio.create_task(self._run(claimed), name=f"action {claimed.id}")
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
            except ConversationError:
                continue  # the database is away; the next round tries again
            except Exception:
                logger.exception("A round of the changes failed.")

    async def _run(self, claimed: ClaimedAction) -> None:
        try:
            specs = await self._tools.tools(site_id=claimed.site_id)
            spec = next((each for each in specs if each.key == claimed.tool_key), None)
            called = await self._called(claimed, spec)
            again = (
                called.outcome is CallOutcome.UNCERTAIN
                and spec is not None
                and spec.is_repeatable
                and claimed.attempts < ATTEMPTS_MOST
            )
            if again:
                pause = self._retry_seconds * 2 ** (claimed.attempts - 1)
                await WRITES.run(
                    action_retry_later, action_id=claimed.id, fence=claimed.fence, seconds=pause
                )
                asyncio.get_running_loop().call_later(pause, self.wake)
                return
            await WRITES.run(
                action_finish,
                action_id=claimed.id,
                fence=claimed.fence,
                outcome=called.outcome,
                text=self._words(claimed, spec, called),
                call=call_record(claimed.tool_key, claimed.arguments, called),
            )
        except ConversationError as error:
            # The lease runs out, and the change is claimed again: with the same key.
            logger.warning("Change %s was given up: %s.", claimed.id, error)
        except Exception:
            logger.exception("Change %s failed; it is tried again when its lease ends.", claimed.id)
        finally:
            self._switchboard.wake(claimed.conversation_id)

    async def _called(self, claimed: ClaimedAction, spec: ToolSpec | None) -> CallResult:
        if spec is None or spec.revision != claimed.tool_revision:
            outcome = CallOutcome.UNCERTAIN if claimed.was_begun else CallOutcome.FAILED
            return CallResult(outcome, problem=_CHANGED)
        if claimed.was_begun and not spec.is_repeatable:
            return CallResult(CallOutcome.UNCERTAIN, problem=_UNKNOWN)
        failpoint("action_uncalled")
        called = await self._tools.call(
            spec,
            claimed.arguments,
            actor=claimed.actor,
            seconds=LEASE_SECONDS / 2,
            idempotency_key=str(claimed.id),
        )
        failpoint("action_called")
        if called.problem:
            logger.warning("Tool %s: %s", spec.key, called.problem)
        if claimed.was_begun and called.outcome is CallOutcome.FAILED:
            # This attempt did nothing; the one before may have.
            return CallResult(CallOutcome.UNCERTAIN, problem=called.problem, status=called.status)
        return called

    def _words(self, claimed: ClaimedAction, spec: ToolSpec | None, called: CallResult) -> str:
        if called.outcome is CallOutcome.UNCERTAIN:
            return wording.change_uncertain(claimed.language)
        if spec is None or called.outcome is CallOutcome.FAILED:
            return wording.change_failed(claimed.language)
        variables: dict[str, object] = {
            "arguments": dict(claimed.arguments),
            "result": dict(called.result),
            "checked": {},
            "customer": claimed.actor.name,
            "shop_name": claimed.shop_name,
            "current_time": self._now().strftime("%Y-%m-%d %H:%M"),
            "language": claimed.language,
        }
        return reply_words(spec, called, variables)
