"""What else a widget sends over plain HTTP: cancelling, asking for a person, rating."""

from __future__ import annotations

import time

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from conversations.desk import Desk
from conversations.limits import SlidingWindow
from conversations.models import Message, Rating
from tests.conversations.conftest import ORIGIN, Customer
from tests.conversations.widget_api.browser import (
    asked,
    bearer,
    post,
    session,
)


async def test_a_cancel_ends_the_turn_and_is_idempotent(
    browser: AsyncClient, alice: Customer
) -> None:
    opened = await session(browser, alice.site)
    message_id = await asked(browser, opened)
    frame = {"v": 1, "type": "cancel", "client_message_id": str(message_id)}

    answers = [await post(browser, "frames", frame, **bearer(opened)) for _ in range(2)]

    assert [(status, body) for status, body, _ in answers] == [(200, {}), (200, {})]
    outcome = await Message.objects.aget(reply_to__client_message_id=message_id)
    assert outcome.outcome == "cancelled"


async def test_a_person_is_asked_for_once(browser: AsyncClient, alice: Customer) -> None:
    opened = await session(browser, alice.site)

    for _ in range(2):
        status, body, response = await post(
            browser, "frames", {"v": 1, "type": "request_human"}, **bearer(opened)
        )
        assert (status, body) == (200, {})
        assert response["Access-Control-Allow-Origin"] == ORIGIN

    listed = await browser.get("/widget/v1/items?after=0", headers=bearer(opened))
    assert listed.json()["mode"] == "queued"
    assert len(listed.json()["items"]) == 1


async def test_an_answer_is_rated_as_over_the_socket(browser: AsyncClient, alice: Customer) -> None:
    opened = await session(browser, alice.site)
    await Message.objects.acreate(
        conversation_id=opened["conversation"], seq=1, role="assistant", text="您好。"
    )
    frame = {"v": 1, "type": "rate", "reply_seq": 1, "kind": "thumb", "score": 1}

    status, body, _ = await post(browser, "frames", frame, **bearer(opened))

    assert (status, body) == (200, {"type": "rated", "reply_seq": 1})
    assert (await Rating.objects.aget()).thumb is True


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "bad_json"),
        (b'{"type":"cancel","type":"cancel"}', 400, "bad_json"),
        (b"[1]", 400, "bad_frame"),
        (b'{"type":7}', 400, "bad_frame"),
        (b'{"type":"hello","token":"x"}', 400, "bad_frame"),
        (b'{"type":"rate","reply_seq":1,"score":6}', 400, "bad_frame"),
        (b'{"type":"cancel","client_message_id":"x"}', 400, "bad_frame"),
        (b'{"type":"what"}', 400, "unknown_type"),
        (b'{"type":"rate","reply_seq":9,"score":5}', 404, "not_found"),
        (b'{"type":"request_human","pad":"' + b"x" * 70_000 + b'"}', 400, "bad_frame"),
    ],
)
async def test_a_frame_that_cannot_be_taken_is_refused_with_the_sockets_code(
    browser: AsyncClient, alice: Customer, body: bytes, status: int, code: str
) -> None:
    opened = await session(browser, alice.site)

    answer = await post(browser, "frames", body, **bearer(opened))

    assert (answer[0], answer[1]["code"]) == (status, code)


async def test_nobody_sends_frames_for_somebody_else(
    browser: AsyncClient, alice: Customer, charlie: Customer
) -> None:
    opened = await session(browser, alice.site)
    theirs = await sync_to_async(charlie.send)("你好")
    frame = {"v": 1, "type": "cancel", "client_message_id": str(theirs.client_message_id)}

    without = await post(browser, "frames", frame)
    foreign = await post(browser, "frames", frame, origin="https://other.example", **bearer(opened))
    own = await post(browser, "frames", frame, **bearer(opened))

    assert [(status, body["code"]) for status, body, _ in (without, foreign, own)] == [
        (401, "forbidden"),
        (403, "forbidden"),
        (404, "not_found"),
    ]
    assert not await Message.objects.filter(reply_to__isnull=False).aexists()


async def test_a_flood_of_frames_is_told_when_to_come_back(
    browser: AsyncClient, alice: Customer, desk: Desk
) -> None:
    desk.frames = SlidingWindow(2, 60.0, clock=time.monotonic)
    opened = await session(browser, alice.site)

    answers = [
        await post(browser, "frames", {"type": "ping", "n": n}, **bearer(opened)) for n in range(3)
    ]

    assert [status for status, _, _ in answers] == [200, 200, 429]
    assert answers[1][1] == {"type": "pong", "n": 1}
    assert answers[2][1]["retry_ms"] > 0
