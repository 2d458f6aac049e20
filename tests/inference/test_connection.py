"""Connections that are kept between requests, towards a server that does not keep them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from inference.connection import Connection
from inference.errors import EngineDown


@dataclass
class Forgetful:
    """Answers the first ``answers`` requests of each connection; at the next one it hangs up."""

    answers: int
    url: str = ""
    seen: list[int] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen.append(0)
        connection = len(self.seen) - 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.seen[connection] += 1
                if self.seen[connection] > self.answers:
                    return
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def running(answers: int) -> AsyncIterator[Forgetful]:
    told = Forgetful(answers)
    server = await asyncio.start_server(told.talk, "127.0.0.1", 0)
    told.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield told


async def test_a_kept_connection_that_the_server_has_closed_is_replaced() -> None:
    async with running(answers=1) as server, aclosing(Connection(server.url, "")) as connection:
        for _ in range(3):
            assert (await connection.get("/health")).text == "ok"
        assert server.seen == [2, 2, 1]


async def test_a_server_that_always_hangs_up_is_down() -> None:
    async with running(answers=0) as server, aclosing(Connection(server.url, "")) as connection:
        with pytest.raises(EngineDown):
            await connection.get("/health")
        assert server.seen == [1, 1]
