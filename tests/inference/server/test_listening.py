"""How the server's own socket is made."""

from __future__ import annotations

import asyncio
import socket

import pytest

from inference.server.__main__ import _listen


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_what_is_written_goes_out_at_once(host: str, socket_enabled: None) -> None:
    undelayed: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        undelayed.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with _listen(host, 0) as listener:
        async with await asyncio.start_server(taken, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname()[:2])
            async with asyncio.timeout(5):
                assert await undelayed == 1
            writer.close()
