"""The database is locked, or its disk is full: nothing half stored, and nothing lost afterwards."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from urllib.request import Request, urlopen

from asgiref.sync import sync_to_async
from django.db import connection
from websockets.asyncio.client import ClientConnection

from conversations.models import Message, Turn
from knowledge.models import Site
from tests.faults.desk_process import Client, WebProcess
from tests.faults.invariants import violations

invariants_broken = sync_to_async(violations, thread_sensitive=True)
rows_stored = sync_to_async(
    lambda: (Message.objects.count(), Turn.objects.count()), thread_sensitive=True
)
FILLER_BYTES = 1024 * 1024
LONG = "很长的话" * 900


@contextmanager
def another_program() -> Iterator[sqlite3.Connection]:
    """A connection of somebody else to the same file."""
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
        yield other


async def error_of(
    customer: Client, socket: ClientConnection, message_id: uuid.UUID
) -> dict[str, object]:
    return await customer.until(
        socket,
        lambda frame: frame["type"] == "error" and frame["client_message_id"] == str(message_id),
    )


def items_read(web: WebProcess, token: str) -> list[dict[str, object]]:
    """What a reader over HTTP gets."""
    request = Request(
        f"http://127.0.0.1:{web.port}/widget/v1/items?after=0",
        headers={"Authorization": f"Bearer {token}"},
    )
    with urlopen(request, timeout=10) as response:  # noqa: S310
        items: list[dict[str, object]] = json.load(response)["items"]
        return items


async def test_a_short_lock_makes_the_ack_late_and_reads_go_on(
    web_start: Callable[..., WebProcess], shop: Site
) -> None:
    web = web_start(SQLITE_TIMEOUT="15")
    customer = Client(web, shop.key)
    message_id = uuid.uuid4()
    async with customer.connected() as socket:
        session = await asyncio.to_thread(web.session, shop.key)
        with another_program() as other:
            other.execute("BEGIN EXCLUSIVE")
            await customer.send(socket, "产品保修期多久", message_id)
            for _ in range(5):
                assert await asyncio.to_thread(items_read, web, session["token"]) == []
            assert other.execute("SELECT count(*) FROM conversations_message").fetchone() == (0,)
            other.execute("ROLLBACK")
        ack = await customer.acknowledged(socket, message_id)
        answer = await customer.answered(socket, message_id)

    assert (ack["seq"], ack["duplicate"]) == (1, False)
    assert not any(frame["type"] == "error" for frame in customer.frames)
    assert answer["outcome"] == "answer"
    assert await invariants_broken(customer.acks) == []


async def test_a_long_lock_is_told_as_unavailable_and_stores_nothing(
    web_start: Callable[..., WebProcess], shop: Site
) -> None:
    web = web_start(SQLITE_TIMEOUT="0.2")
    customer = Client(web, shop.key)
    message_id = uuid.uuid4()
    async with customer.connected() as socket:
        with another_program() as other:
            other.execute("BEGIN EXCLUSIVE")
            for _ in range(2):
                await customer.send(socket, "产品保修期多久", message_id)
                error = await error_of(customer, socket, message_id)
                assert (error["code"], error["fatal"]) == ("unavailable", False)
                assert error["retry_ms"] == 1000
            other.execute("ROLLBACK")
        assert await rows_stored() == (0, 0)

        # The same socket, the same id: the client sends what was not acknowledged again.
        await customer.send(socket, "产品保修期多久", message_id)
        ack = await customer.acknowledged(socket, message_id)
        answer = await customer.answered(socket, message_id)

    assert (ack["seq"], ack["duplicate"], answer["outcome"]) == (1, False, "answer")
    assert await invariants_broken(customer.acks) == []


async def test_a_lock_while_the_answer_is_stored_delays_it(
    web_start: Callable[..., WebProcess], shop: Site
) -> None:
    web = web_start(SQLITE_TIMEOUT="0.2", SUPPORTDESK_DEADLINE_SECONDS="15")
    customer = Client(web, shop.key)
    message_id = uuid.uuid4()
    async with customer.connected() as socket:
        await customer.send(socket, "产品保修期多久", message_id)
        await customer.acknowledged(socket, message_id)
        with another_program() as other:
            other.execute("BEGIN EXCLUSIVE")
            refused = uuid.uuid4()
            await customer.send(socket, "在吗", refused)
            await error_of(customer, socket, refused)
            other.execute("ROLLBACK")
        answer = await customer.answered(socket, message_id)

    assert answer["outcome"] == "answer"
    assert await invariants_broken(customer.acks) == []


async def test_a_full_disk_is_told_as_unavailable_until_there_is_room(
    web_start: Callable[..., WebProcess], shop: Site
) -> None:
    with another_program() as other:
        other.execute("VACUUM")
        other.execute("CREATE TABLE filler (bytes BLOB)")
        try:
            other.execute("INSERT INTO filler VALUES (zeroblob(?))", [FILLER_BYTES])
            # The file may not grow at all: a limit below its size is its size.
            web = web_start(SQLITE_MAX_PAGES="1")
            customer = Client(web, shop.key)
            async with customer.connected() as socket:
                accepted, refused = await _sent_until_refused(customer, socket)
                assert await rows_stored() == (len(accepted), len(accepted))
                read = await asyncio.to_thread(items_read, web, customer.token)
                assert [item["role"] for item in read] == ["customer"] * len(accepted)

                other.execute("DELETE FROM filler")
                await customer.send(socket, LONG, refused)
                await customer.acknowledged(socket, refused)
                for message_id in (*accepted, refused):
                    assert (await customer.answered(socket, message_id))["outcome"]
        finally:
            other.execute("DROP TABLE filler")

    assert await invariants_broken(customer.acks) == []


async def _sent_until_refused(
    customer: Client, socket: ClientConnection
) -> tuple[list[uuid.UUID], uuid.UUID]:
    """The ids that were acknowledged, and the one that the full disk refused."""
    accepted: list[uuid.UUID] = []
    for _ in range(9):
        message_id = uuid.uuid4()
        await customer.send(socket, LONG, message_id)
        frame = await customer.until(
            socket, lambda each: each.get("client_message_id") and each["type"] in ("ack", "error")
        )
        assert frame["client_message_id"] == str(message_id)
        if frame["type"] == "error":
            assert frame["code"] == "unavailable"
            return accepted, message_id
        accepted.append(message_id)
    raise AssertionError("the disk did not become full")
