"""Streams an answer as server-sent events, in the shape of the OpenAI API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send


@asynccontextmanager
async def disconnect_watch(receive: Receive, gone: Callable[[], None]) -> AsyncIterator[None]:
    """Call ``gone`` as soon as the client hangs up while the body of the ``with`` runs.

    The request's body must have been read.
    """

    async def watch() -> None:
        while True:
            message: Message = await receive()
            if message["type"] == "http.disconnect":
                gone()
                return

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()


class EventStream(Response):
    """Sends ``data:`` lines as they come and ``data: [DONE]`` at the end, and nothing else.

    ``gone`` is called when the client hangs up; the events are then expected to end soon.
    """

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncGenerator[dict[str, object], None], *, gone: Callable[[], None]
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self._events = events
        self._gone = gone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with disconnect_watch(receive, self._gone), aclosing(self._events) as events:
            async for event in events:
                text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
                await self._line_send(send, text)
            await self._line_send(send, "[DONE]")
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _line_send(self, send: Send, text: str) -> None:
        body = f"data: {text}\n\n".encode()
        await send({"type": "http.response.body", "body": body, "more_body": True})
