"""What a customer sees of an answer while it is made: status and deltas."""

from __future__ import annotations

import asyncio
from uuid import UUID

from conversations.switchboard import Switchboard

DELTA_SECONDS = 0.1
"""At most ten deltas a second."""


class LiveFeed:
    """Publishes the live frames of one claim of a turn; used on the event loop only."""

    def __init__(
        self, switchboard: Switchboard, *, conversation_id: UUID, reply_to: UUID, fence: int
    ) -> None:
        self._switchboard = switchboard
        self._conversation_id = conversation_id
        self._reply_to = str(reply_to)
        self._fence = fence
        self._n = 0
        self._pending = ""
        self._flushed_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def status(
        self,
        state: str,
        *,
        position: int | None = None,
        eta_ms: int | None = None,
        label: str = "",
    ) -> None:
        """Tell what is going on: ``queued``, ``thinking``, ``tool`` or ``writing``.

        ``label`` are words for it in the customer's language.
        """
        frame: dict[str, object] = {"type": "status", "reply_to": self._reply_to, "state": state}
        if position is not None:
            frame["position"] = position
        if eta_ms is not None:
            frame["eta_ms"] = eta_ms
        if label:
            frame["label"] = label
        self._publish(frame)

    def delta(self, text: str) -> None:
        """Show more text; pieces that come quickly are sent together."""
        if self._closed:
            return
        self._pending += text
        if self._timer is None:
            loop = asyncio.get_running_loop()
            wait = max(0.0, self._flushed_at + DELTA_SECONDS - loop.time())
            self._timer = loop.call_later(wait, self._flush)

    def reset(self) -> None:
        """Take back everything that was shown."""
        self._pending = ""
        self._n = 0
        self._publish({"type": "reset", "reply_to": self._reply_to, "fence": self._fence})

    def close(self) -> None:
        """Nothing more is shown: the item is there, or the turn is another's."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _flush(self) -> None:
        self._timer = None
        self._flushed_at = asyncio.get_running_loop().time()
        if self._pending:
            self._n += 1
            text, self._pending = self._pending, ""
            self._publish(
                {
                    "type": "delta",
                    "reply_to": self._reply_to,
                    "fence": self._fence,
                    "n": self._n,
                    "text": text,
                }
            )

    def _publish(self, frame: dict[str, object]) -> None:
        if not self._closed:
            self._switchboard.publish(self._conversation_id, frame)
