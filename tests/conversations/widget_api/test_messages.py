"""Messages over plain HTTP: sent, read and waited for as over the socket."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from conversations.desk import Desk
from conversations.models import Message
from conversations.services.handoff import conversation_take
from tests.conversations.conftest import Customer
from tests.conversations.widget_api.browser import (
    bearer,
    post,
    session,
)


async def test_messages_and_items_have_the_sockets_semantics(
    browser: AsyncClient, alice: Customer
) -> None:
    opened = await session(browser, alice.site)
    headers = {**bearer(opened), "idempotency-key": str(uuid.uuid4())}

    first = await post(browser, "messages", {"text": "你好"}, **headers)
    again = await post(browser, "messages", {"text": "你好"}, **headers)
    other = await post(browser, "messages", {"text": "再见"}, **headers)
    listed = await browser.get("/widget/v1/items?after=0", headers=bearer(opened))

    assert (first[0], first[1]["seq"], first[1]["duplicate"]) == (201, 1, False)
    assert (again[0], again[1]["seq"], again[1]["duplicate"]) == (200, 1, True)
    assert (other[0], other[1]["code"]) == (409, "idempotency_conflict")
    assert [item["text"] for item in listed.json()["items"]] == ["你好"]
    assert listed.json()["head_seq"] == 1


async def test_a_long_poll_returns_as_soon_as_there_is_an_item(
    browser: AsyncClient, alice: Customer
) -> None:
    opened = await session(browser, alice.site)
    poll = asyncio.create_task(
        browser.get("/widget/v1/items?after=0&wait=25", headers=bearer(opened))
    )
    async with asyncio.timeout(10):
        headers = {**bearer(opened), "idempotency-key": str(uuid.uuid4())}
        await post(browser, "messages", {"text": "你好"}, **headers)
        response = await poll

    assert [item["seq"] for item in response.json()["items"]] == [1]


@pytest.mark.parametrize(
    "query",
    [
        "mode=x",
        "after=-1",
        "after=9223372036854775808",
        "after=x",
        "after=1.5",
        "wait=-1",
        "after=٣",
    ],
)
async def test_a_bad_query_is_a_bad_frame(
    browser: AsyncClient, alice: Customer, query: str
) -> None:
    opened = await session(browser, alice.site)

    response = await browser.get(f"/widget/v1/items?{query}", headers=bearer(opened))

    assert (response.status_code, response.json()["code"]) == (400, "bad_frame")


@pytest.mark.parametrize("token", ["", "x", "eyJhbGciOiJub25lIn0.e30."])
async def test_without_a_good_token_nothing_is_told(
    browser: AsyncClient, alice: Customer, token: str
) -> None:
    response = await browser.get("/widget/v1/items", headers={"authorization": f"Bearer {token}"})

    assert response.status_code == 401


async def test_a_token_is_bound_to_its_origin(
    browser: AsyncClient, alice: Customer, charlie: Customer
) -> None:
    opened = await session(browser, alice.site)

    status, answer, _ = await post(
        browser,
        "messages",
        {"text": "你好"},
        origin="https://other.example",
        **bearer(opened),
        **{"idempotency-key": str(uuid.uuid4())},
    )

    assert (status, answer["code"]) == (403, "forbidden")
    assert not await Message.objects.aexists()


async def test_the_eleventh_message_in_ten_seconds_is_told_when_to_come_back(
    browser: AsyncClient, alice: Customer
) -> None:
    opened = await session(browser, alice.site)

    statuses = [
        await post(
            browser,
            "messages",
            {"text": "你好"},
            **bearer(opened),
            **{"idempotency-key": str(uuid.uuid4())},
        )
        for _ in range(11)
    ]

    assert [status for status, _, _ in statuses] == [201] * 10 + [429]
    assert 0 < statuses[-1][1]["retry_ms"] <= 10_001
    assert await sync_to_async(Message.objects.filter(role="customer").count)() == 10


@pytest.mark.parametrize("known", ["", "&mode=bot"])
async def test_a_long_poll_returns_as_soon_as_a_person_takes_over(
    browser: AsyncClient, alice: Customer, desk: Desk, known: str
) -> None:
    await desk.start()
    opened = await session(browser, alice.site)
    url = f"/widget/v1/items?after=0&wait=25{known}"
    poll = asyncio.create_task(browser.get(url, headers=bearer(opened)))
    async with asyncio.timeout(10):
        while not any(each.mode_seen for each in desk.switchboard.subscriptions()):
            await browser.get("/health/live")  # lets the poll go on
        await sync_to_async(conversation_take)(conversation_id=uuid.UUID(opened["conversation"]))
        response = await poll
    await desk.drain(1)
    await desk.stop()

    assert (response.json()["mode"], response.json()["items"]) == ("human", [])


async def test_a_long_poll_that_knows_an_older_mode_returns_at_once(
    browser: AsyncClient, alice: Customer
) -> None:
    opened = await session(browser, alice.site)
    await sync_to_async(conversation_take)(conversation_id=uuid.UUID(opened["conversation"]))

    async with asyncio.timeout(10):
        response = await browser.get(
            "/widget/v1/items?after=0&wait=25&mode=bot", headers=bearer(opened)
        )

    assert response.json()["mode"] == "human"
