"""What one web process keeps in memory: the switchboard, the runner, the limits."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from conversations.errors import ConversationError
from conversations.limits import SlidingWindow
from conversations.runner import TurnRunner
from conversations.switchboard import POLL_SECONDS, Switchboard
from conversations.tools.access import SiteTools
from conversations.tools.actions import ActionRunner

if TYPE_CHECKING:
    from conversations.engines import Engines
    from conversations.services.messages import Receipt

SENDS_MOST = 10
SENDS_SECONDS = 10.0
FRAMES_MOST = 20
FRAMES_SECONDS = 1.0
TYPING_SECONDS = 2.0
"""More signs of typing than one in so many seconds are left out."""
SESSIONS_MOST = 30
SESSIONS_SECONDS = 60.0
SOCKETS_MOST = 5000
_RECONNECT_MS = 1200
_TOLD_SECONDS = 1.0


class Desk:
    """The parts of a web process, put together in one place.

    ``poll_seconds``: how long a change that no wake told of may stay unseen.
    """

    def __init__(self, *, engines: Engines, poll_seconds: float = POLL_SECONDS) -> None:
        self.engines = engines
        self.switchboard = Switchboard(poll_seconds=poll_seconds)
        self.runner = TurnRunner(
            ladder=engines.ladder,
            switchboard=self.switchboard,
            lease_seconds=settings.LEASE_SECONDS,
            deadline_seconds=settings.DEADLINE_SECONDS,
            now=timezone.localtime,
        )
        self.actions = ActionRunner(
            tools=engines.tools or SiteTools(),
            switchboard=self.switchboard,
            now=timezone.localtime,
        )
        self.switchboard.work_wake = self._work_wake
        self.sends = SlidingWindow(SENDS_MOST, SENDS_SECONDS, clock=time.monotonic)
        self.frames = SlidingWindow(FRAMES_MOST, FRAMES_SECONDS, clock=time.monotonic)
        self.typing = SlidingWindow(1, TYPING_SECONDS, clock=time.monotonic)
        self.sessions = SlidingWindow(SESSIONS_MOST, SESSIONS_SECONDS, clock=time.monotonic)
        self.sockets = 0
        self.draining = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start to run turns and to listen; call once, on the event loop."""
        await self.runner.start()
        await self.actions.start()
        for work in (self.switchboard.listen(), self.switchboard.poll(), self._warm()):
            self._task(work)

    async def drain(self, seconds: float) -> None:
        """Tell the clients, claim nothing more, and finish what runs within ``seconds``."""
        self.draining = True
        began = time.monotonic()
        frame = {"type": "drain", "reconnect_ms": _RECONNECT_MS}
        subscriptions = self.switchboard.subscriptions()
        for subscription in subscriptions:
            subscription.drain(frame)
        await _within(_TOLD_SECONDS, (each.told.wait() for each in subscriptions))
        left = max(0.0, seconds - (time.monotonic() - began))
        await asyncio.gather(self.runner.drain(left), self.actions.drain(left))
        # What has just been stored, before the sockets are closed.
        await _within(_TOLD_SECONDS, (each.idle() for each in self.switchboard.subscriptions()))

    async def stop(self) -> None:
        """End the tasks and close the clients of the engines."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.engines.aclose()

    async def message_accepted(self, conversation_id: UUID, *, text: str, receipt: Receipt) -> None:
        """A message was stored: show it, and work on its turn."""
        self.switchboard.wake(conversation_id)
        if receipt.turn_id is not None:
            self.engines.anticipate(text)
        if receipt.claimed is not None:
            await self.runner.take(receipt.claimed)
        elif receipt.turn_id is not None:
            self.runner.wake()

    def _work_wake(self) -> None:
        self.runner.wake()
        self.actions.wake()

    async def _warm(self) -> None:
        with contextlib.suppress(ConversationError):  # the first question does it then
            await self.engines.warm()
        if self.engines.watch is not None:
            await self.engines.watch.run()

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work))


async def _within(seconds: float, waits: Iterable[Awaitable[object]]) -> None:
    """Wait for one after another, but no longer than ``seconds`` in all."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            for wait in waits:
                await wait


_desks: list[Desk] = []


def desk_current() -> Desk:
    """The desk of this process; made at the first call."""
    if not _desks:
        # Retrieval brings numpy and its index: nothing for commands that only load the URLs.
        from conversations.engines import engines_make

        _desks.append(Desk(engines=engines_make()))
    return _desks[0]


def desk_install(desk: Desk | None) -> None:
    """Put another desk in place (tests), or none, so that the next call makes one."""
    _desks[:] = [] if desk is None else [desk]
