"""The real server: limits, close codes and duplicates, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket as sockets
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest
from asgiref.sync import sync_to_async
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from conversations.enums import Role
from conversations.models import Conversation, Message
from knowledge.models import Site
from tests.faults.desk_process import ORIGIN, Client, WebProcess
from tests.faults.invariants import violations

MEGABYTE = 1024 * 1024

invariants_broken = sync_to_async(violations, thread_sensitive=True)


async def test_a_message_is_acknowledged_shown_and_answered(customer: Client) -> None:
    message_id = uuid.uuid4()
    async with customer.connected() as socket:
        await customer.send(socket, "产品保修期多久", message_id)
        ack = await customer.acknowledged(socket, message_id)
        answer = await customer.answered(socket, message_id)

    assert (ack["seq"], ack["duplicate"]) == (1, False)
    assert (answer["outcome"], answer["role"]) == ("answer", "assistant")
    assert answer["text"]
    assert await invariants_broken(customer.acks) == []


async def test_duplicates_on_one_and_on_two_sockets_are_one_message(
    customer: Client, web: WebProcess
) -> None:
    message_id = uuid.uuid4()
    async with customer.connected() as first, customer.connected() as second:
        for socket in (first, first, second, second):
            await customer.send(socket, "你好", message_id)
        acks = [
            await customer.acknowledged(socket, message_id)
            for socket in (first, first, second, second)
        ]
        await customer.answered(first, message_id)

    assert {ack["seq"] for ack in acks} == {1}
    assert sorted(ack["duplicate"] for ack in acks) == [False, True, True, True]
    assert await invariants_broken(customer.acks) == []


async def test_what_was_missed_comes_with_the_next_socket(customer: Client) -> None:
    message_id = uuid.uuid4()
    async with customer.connected() as socket:
        await customer.send(socket, "你好", message_id)
        await customer.acknowledged(socket, message_id)

    async with customer.connected() as socket:
        answer = await customer.answered(socket, message_id)

    assert answer["outcome"] == "answer"
    assert sorted(customer.items) == list(range(1, len(customer.items) + 1))


@pytest.mark.parametrize("fragments", [1, 160])
async def test_a_frame_of_ten_megabytes_ends_with_1009(
    customer: Client, web: WebProcess, fragments: int
) -> None:
    async with customer.connected() as socket:
        before = await asyncio.to_thread(web.memory_settled)
        part = "x" * (10 * MEGABYTE // fragments)
        with suppress(ConnectionClosed):  # the server need not wait for the end of it
            await socket.send(part if fragments == 1 else [part] * fragments)
        assert await customer.close_code(socket) == 1009
        assert web.memory - before < 10 * MEGABYTE


async def test_a_frame_of_the_largest_size_is_read(customer: Client) -> None:
    async with customer.connected() as socket:
        await socket.send(json.dumps({"type": "ping", "n": 7}).ljust(64 * 1024))
        pong = await customer.until(socket, lambda frame: frame["type"] == "pong")
        assert pong["n"] == 7
        await socket.send(json.dumps({"type": "ping", "n": 7}).ljust(64 * 1024 + 1))
        assert await customer.close_code(socket) == 1009


async def test_binary_ends_with_1003(customer: Client) -> None:
    async with customer.connected() as socket:
        await socket.send(b"\x00\x01")
        assert await customer.close_code(socket) == 1003


async def test_text_that_is_not_utf8_ends_with_1007(customer: Client) -> None:
    async with customer.connected() as socket:
        await socket.send(b"\xff\xfe", text=True)
        assert await customer.close_code(socket) == 1007


async def test_a_flood_ends_with_4429(customer: Client, web: WebProcess) -> None:
    async with customer.connected() as socket:
        before = await asyncio.to_thread(web.memory_settled)
        with suppress(ConnectionClosed):
            for n in range(20_000):
                await socket.send(json.dumps({"type": "ping", "n": n, "pad": "x" * 2000}))
        assert await customer.close_code(socket) == 4429
        assert web.memory - before < 10 * MEGABYTE


async def test_a_silent_socket_ends_with_4408(shop: Site, web_start: object) -> None:
    web = web_start(SUPPORTDESK_HELLO_SECONDS="0.2")  # type: ignore[operator]
    url = f"ws://127.0.0.1:{web.port}/widget/v1/socket"
    async with connect(url, origin=ORIGIN, proxy=None) as socket:
        assert await Client(web, shop.key).close_code(socket) == 4408


@pytest.mark.parametrize(
    "origin", [None, "null", "http://[", "https://shop.example.evil.example", "http://shop.example"]
)
async def test_a_foreign_page_gets_no_socket(web: WebProcess, origin: str | None) -> None:
    url = f"ws://127.0.0.1:{web.port}/widget/v1/socket"
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, origin=origin, proxy=None):
            pass
    assert refused.value.response.status_code == 403


async def test_a_sixth_socket_closes_the_oldest_with_4409(customer: Client) -> None:
    async with asyncio.timeout(20), customer.connected() as oldest:
        others = [customer.connected() for _ in range(5)]
        for other in others:
            await other.__aenter__()
        assert await customer.close_code(oldest) == 4409
        for other in others:
            await other.__aexit__(None, None, None)


@pytest.fixture
def stalling_web(web_start: Callable[..., WebProcess], shop: Site) -> WebProcess:
    return web_start(SUPPORTDESK_STALL_SECONDS="0.5")


async def test_a_reader_that_stalls_for_good_is_dropped_and_costs_little_memory(
    stalling_web: WebProcess, shop: Site
) -> None:
    customer = Client(stalling_web, shop.key)
    process = psutil.Process(stalling_web.pid)
    async with customer.connected() as socket:
        session = await asyncio.to_thread(stalling_web.session, shop.key)
        await sync_to_async(history_write, thread_sensitive=True)(session["conversation"])
        before = await asyncio.to_thread(stalling_web.memory_settled)
        with reader(stalling_web, session["token"]) as raw:
            port = raw.getsockname()[1]
            # The server goes on serving others meanwhile.
            message_id = uuid.uuid4()
            await customer.send(socket, "你好", message_id)
            await customer.answered(socket, message_id)
            async with asyncio.timeout(20):
                while await asyncio.to_thread(is_connected, process, port):
                    await (await socket.ping())
        assert stalling_web.memory - before < 10 * MEGABYTE


async def test_a_reader_that_comes_back_late_reads_why_it_was_closed(
    stalling_web: WebProcess, shop: Site
) -> None:
    session = await asyncio.to_thread(stalling_web.session, shop.key)
    await sync_to_async(history_write, thread_sensitive=True)(session["conversation"])
    codes = []
    # Between the close and the end of the connection there are 2 s; a machine that is busy at the
    # wrong moment gets another try.
    for _ in range(3):
        with reader(stalling_web, session["token"]) as raw:
            await asyncio.to_thread(raw.recv, 1, sockets.MSG_PEEK)
            await asyncio.sleep(1.5)  # this is the customer who does not read
            codes.append(await asyncio.to_thread(close_code_read, raw))
        if codes[-1] == 4408:
            break

    assert codes[-1] == 4408, codes


def history_write(conversation_id: str) -> None:
    """Two megabytes for whoever connects."""
    Message.objects.bulk_create(
        Message(conversation_id=conversation_id, seq=seq, role=Role.SYSTEM, text="长" * 4000)
        for seq in range(1, 181)
    )
    Conversation.objects.filter(pk=conversation_id).update(head_seq=180)


@contextmanager
def reader(web: WebProcess, token: str) -> Iterator[sockets.socket]:
    """A raw client with a small buffer that said hello and has not read anything yet."""
    with sockets.socket() as raw:
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        raw.settimeout(20)
        raw.connect(("127.0.0.1", web.port))
        raw.sendall(handshake(web.port))
        raw.sendall(masked({"v": 1, "type": "hello", "token": token}))
        yield raw


def is_connected(process: psutil.Process, port: int) -> bool:
    return any(
        each.raddr and each.raddr.port == port for each in process.net_connections(kind="tcp")
    )


def close_code_read(raw: sockets.socket) -> int | None:
    """Read to the end; the code in the close frame, which is the last one."""
    tail = b""
    with suppress(ConnectionError):
        while part := raw.recv(65536):
            tail = (tail + part)[-4:]
            if tail[:2] == b"\x88\x02":
                return int.from_bytes(tail[2:], "big")
    return None


def handshake(port: int) -> bytes:
    lines = [
        "GET /widget/v1/socket HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        f"Origin: {ORIGIN}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def masked(frame: dict[str, object]) -> bytes:
    payload = json.dumps(frame).encode()
    return b"\x81\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload
