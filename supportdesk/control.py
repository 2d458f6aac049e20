"""A door in the loopback interface through which commands ask a running ``serve`` for something.

A request is one line of JSON with the key of the desk's engines, which only the user who runs the
desk can read (``serve.json``). The answer is lines of JSON: ``{"line": ...}`` tells how it goes,
and the last one is ``{"done": true}`` or ``{"error": sentence}``.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

from supportdesk.sentences import gettext as _

Tell = Callable[[str], None]
Handler = Callable[[dict[str, Any], Tell], Awaitable[None]]

_LINE_BYTES: Final = 65536
_REQUEST_SECONDS: Final = 5.0


class ControlRefused(Exception):
    """The request is not carried out; ``str()`` is one sentence."""


@asynccontextmanager
async def control_open(key: str, handlers: dict[str, Handler]) -> AsyncIterator[int]:
    """Take requests while the body runs; yields the port. Handlers raise ``ControlRefused``."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def send(**row: object) -> None:
            writer.write(json.dumps(row).encode() + b"\n")

        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                request = json.loads(await reader.readline())
            if not hmac.compare_digest(str(request.get("key")).encode(), key.encode()):
                raise ControlRefused(_("The key is wrong."))
            handler = handlers.get(str(request.get("command")))
            if handler is None:
                raise ControlRefused(_("There is no such command."))
            await handler(request, lambda line: send(line=line))
            send(done=True)
        except ControlRefused as refusal:
            send(error=str(refusal))
        except (ValueError, AttributeError, TimeoutError):
            send(error=_("The request cannot be understood."))
        finally:
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0, limit=_LINE_BYTES)
    async with server:
        yield server.sockets[0].getsockname()[1]


def control_ask(port: int, key: str, *, seconds: float, **request: object) -> Iterator[str]:
    """Ask the desk at that port; yields what it tells on the way.

    Raises:
        ControlRefused: it will not, or it does not answer within ``seconds`` from line to line.
    """
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection,
            connection.makefile("rw", encoding="utf-8") as file,
        ):
            file.write(json.dumps({"key": key, **request}) + "\n")
            file.flush()
            for line in file:
                row = json.loads(line)
                if "error" in row:
                    raise ControlRefused(row["error"])
                if row.get("done"):
                    return
                yield str(row.get("line", ""))
    except OSError as error:
        raise ControlRefused(_("The running desk does not answer.")) from error
    raise ControlRefused(_("The desk ended before it was done."))
