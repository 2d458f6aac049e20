"""Tells sockets and long polls of this process that a conversation has something new.

Two kinds of news. *Wakes* say only "read the database": they come from this process, from others
through the channel layer, and from a poll that makes up for both, so a lost one costs at most
``POLL_SECONDS``. *Live frames* (deltas, status) exist only here, in bounded queues; they may be lost,
and they never go through the channel layer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

from channels.layers import get_channel_layer

from conversations.errors import ConversationError
from conversations.lanes import READS
from conversations.selectors import conversation_heads
from conversations.wakes import wakes_heard

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0
SOCKETS_PER_VISITOR = 5
GROUP = "supportdesk.wake"
_LIVE_MOST = 64
_LAYER_SECONDS = 1.0

Frame = Mapping[str, object]


class Subscription:
    """One socket's or long poll's view of a conversation."""

    def __init__(self, *, conversation_id: UUID, visitor_id: UUID) -> None:
        self.conversation_id = conversation_id
        self.visitor_id = visitor_id
        self.superseded = False
        self.drain_frame: Frame | None = None
        self.told = asyncio.Event()
        self.head_seen = 0
        self.mode_seen = ""
        self._changed = True
        self._live: deque[Frame] = deque(maxlen=_LIVE_MOST)
        self._news = asyncio.Event()
        self._news.set()
        self._idle = asyncio.Event()

    async def news(self) -> bool:
        """Wait for news; ``True`` when the database has to be read."""
        if not self._news.is_set():
            self._idle.set()
        await self._news.wait()
        self._news.clear()
        changed, self._changed = self._changed, False
        return changed

    def live_take(self) -> list[Frame]:
        """The live frames since the last call."""
        frames = list(self._live)
        self._live.clear()
        return frames

    async def idle(self) -> None:
        """Wait until all news were told."""
        await self._idle.wait()

    def end(self) -> None:
        """Nobody listens any more; nobody needs to wait for it."""
        self.told.set()
        self._idle.set()

    def wake(self) -> None:
        """The database has something new."""
        self._changed = True
        self._tell()

    def offer(self, frame: Frame) -> None:
        """Queue a live frame; a reader that is too slow loses the oldest ones."""
        self._live.append(frame)
        self._tell()

    def supersede(self) -> None:
        """A newer socket of the same visitor takes this one's place."""
        self.superseded = True
        self._tell()

    def drain(self, frame: Frame) -> None:
        """The process is about to stop; ``told`` is set when the client was sent the frame."""
        self.drain_frame = frame
        self._tell()

    def _tell(self) -> None:
        self._idle.clear()
        self._news.set()


class Switchboard:
    """All subscriptions of this process."""

    def __init__(self, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._poll_seconds = poll_seconds
        self._by_conversation: dict[UUID, set[Subscription]] = {}
        self._by_visitor: dict[UUID, list[Subscription]] = {}
        self._announcements: set[asyncio.Task[None]] = set()
        self._name = uuid4().hex
        self.work_wake: Callable[[], None] = lambda: None

    def subscribe(
        self, *, conversation_id: UUID, visitor_id: UUID, is_socket: bool = True
    ) -> Subscription:
        """Begin to listen. A visitor's sixth socket supersedes the oldest."""
        subscription = Subscription(conversation_id=conversation_id, visitor_id=visitor_id)
        self._by_conversation.setdefault(conversation_id, set()).add(subscription)
        if is_socket:
            sockets = self._by_visitor.setdefault(visitor_id, [])
            sockets.append(subscription)
            if len(sockets) > SOCKETS_PER_VISITOR:
                sockets.pop(0).supersede()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop listening; idempotent."""
        subscription.end()
        listeners = self._by_conversation.get(subscription.conversation_id, set())
        listeners.discard(subscription)
        if not listeners:
            self._by_conversation.pop(subscription.conversation_id, None)
        sockets = self._by_visitor.get(subscription.visitor_id, [])
        if subscription in sockets:
            sockets.remove(subscription)
        if not sockets:
            self._by_visitor.pop(subscription.visitor_id, None)

    def wake(self, conversation_id: UUID) -> None:
        """Tell the listeners of this process, and those of others through the channel layer."""
        self._wake_here(conversation_id)
        task = asyncio.get_running_loop().create_task(self._announce(conversation_id))
        self._announcements.add(task)
        task.add_done_callback(self._announcements.discard)

    def publish(self, conversation_id: UUID, frame: Frame) -> None:
        """Offer a live frame to the listeners of this process."""
        for subscription in self._by_conversation.get(conversation_id, ()):
            subscription.offer(frame)

    def subscriptions(self) -> list[Subscription]:
        return [each for listeners in self._by_conversation.values() for each in listeners]

    async def poll(self) -> None:
        """Look for changes that no wake told of, until cancelled."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            listeners = self.subscriptions()
            if not listeners:
                continue
            ids = {subscription.conversation_id for subscription in listeners}
            try:
                heads = await READS.run(conversation_heads, conversation_ids=ids)
            except ConversationError:
                continue  # the database is away; the next round tries again
            for subscription in listeners:
                head_seq, mode = heads.get(subscription.conversation_id, (0, ""))
                if head_seq > subscription.head_seen or mode != subscription.mode_seen:
                    subscription.wake()

    async def listen(self) -> None:
        """Take wakes from the services of this process and from other processes, until cancelled.

        The channel layer only wakes: whatever it raises (a Redis that died, for one) is logged,
        and it is tried again while the poll stands in.
        """
        loop = asyncio.get_running_loop()

        def heard(conversation_id: UUID) -> None:  # in the thread of a service
            loop.call_soon_threadsafe(self.wake, conversation_id)

        with wakes_heard(heard):
            while True:
                try:
                    await self._listen()
                except Exception:
                    logger.exception("The channel layer failed; the poll stands in for it.")
                    await asyncio.sleep(self._poll_seconds)

    async def _listen(self) -> None:
        layer = get_channel_layer()
        if layer is None:
            await asyncio.Event().wait()
            return
        channel = await layer.new_channel()
        await layer.group_add(GROUP, channel)
        while True:
            message: dict[str, Any] = await layer.receive(channel)
            if message["sender"] == self._name:
                continue  # its listeners were told before
            self._wake_here(UUID(message["conversation"]))
            self.work_wake()

    async def _announce(self, conversation_id: UUID) -> None:
        layer = get_channel_layer()
        if layer is None:
            return
        message = {
            "type": "conversation.wake",
            "conversation": str(conversation_id),
            "sender": self._name,
        }
        try:
            async with asyncio.timeout(_LAYER_SECONDS):
                await layer.group_send(GROUP, message)
        except Exception:
            logger.exception("The channel layer took no wake; the poll stands in for it.")

    def _wake_here(self, conversation_id: UUID) -> None:
        for subscription in self._by_conversation.get(conversation_id, ()):
            subscription.wake()
