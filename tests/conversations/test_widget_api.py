"""Sessions and messages over plain HTTP: who may speak, from which page."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from conversations.desk import Desk, desk_install
from conversations.engines import Engines, ladder_make
from conversations.limits import SlidingWindow
from conversations.models import Conversation, Message, Rating, ResumeToken, Visitor
from conversations.services.handoff import conversation_take
from inference.engines.scripted import ScriptedChatClient
from knowledge.models import Site
from tests.conversations.conftest import ORIGIN, Customer
from tests.conversations.ladder.cast import FakeKnowledge
from tests.conversations.test_origins import LOOK_ALIKES, NOT_ORIGINS

SECRET = "s" * 40
PREVIOUS = "p" * 40


@pytest.fixture(autouse=True)
def desk() -> Iterator[Desk]:
    chat = ScriptedChatClient("您好。")
    made = Desk(engines=Engines(ladder_make(chat=chat, knowledge=FakeKnowledge()), chat, None))
    desk_install(made)
    yield made
    desk_install(None)


@pytest.fixture
def browser() -> AsyncClient:
    return AsyncClient()


async def post(
    browser: AsyncClient, path: str, body: Any, *, origin: str | None = ORIGIN, **headers: str
) -> tuple[int, dict[str, Any], Any]:
    """Status, JSON and response."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {**headers, **({"origin": origin} if origin is not None else {})}
    response = await browser.post(
        f"/widget/v1/{path}", raw, content_type="application/json", headers=sent
    )
    return response.status_code, json.loads(response.content), response


async def session(browser: AsyncClient, site: Site, **fields: str) -> dict[str, Any]:
    status, answer, _ = await post(browser, "session", {"site_key": site.key, **fields})
    assert status == 200
    return answer


def bearer(opened: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {opened['token']}"}


async def visitor_of(opened: dict[str, Any]) -> Visitor:
    conversation = await Conversation.objects.select_related("visitor").aget(
        pk=opened["conversation"]
    )
    return conversation.visitor


def identity(site: Site, *, secret: str = SECRET, kid: str = "current", **claims: Any) -> str:
    payload = {"sub": "customer-7", "aud": site.key, "exp": int(time.time()) + 300, **claims}
    return jwt.encode(payload, secret, algorithm="HS256", headers={"kid": kid})


async def test_a_session_tells_everything_that_a_widget_needs(
    browser: AsyncClient, alice: Customer
) -> None:
    status, answer, response = await post(browser, "session", {"site_key": alice.site.key})

    assert status == 200
    assert set(answer) == {
        "token",
        "expires_in",
        "resume_token",
        "conversation",
        "mode",
        "head_seq",
        "socket_url_path",
        "site",
        "limits",
    }
    assert response["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Credentials" not in response
    assert not response.cookies


@pytest.mark.parametrize("origin", [None, *NOT_ORIGINS[:-1], *LOOK_ALIKES])
async def test_a_foreign_page_gets_no_session(
    browser: AsyncClient, alice: Customer, origin: str | None
) -> None:
    status, answer, response = await post(
        browser, "session", {"site_key": alice.site.key}, origin=origin
    )

    assert (status, answer["code"]) == (403, "forbidden")
    assert "Access-Control-Allow-Origin" not in response


async def test_the_page_of_one_shop_opens_no_session_of_another(
    browser: AsyncClient, alice: Customer, charlie: Customer
) -> None:
    status, _, _ = await post(browser, "session", {"site_key": charlie.site.key}, origin=ORIGIN)

    assert status == 403


async def test_any_page_learns_that_the_desk_is_there_and_nothing_else(
    browser: AsyncClient,
) -> None:
    answer = await browser.get("/widget/v1/alive", headers={"origin": "https://evil.example"})

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer["Access-Control-Allow-Origin"] == "*"


async def test_a_preflight_names_exactly_the_origin(browser: AsyncClient, alice: Customer) -> None:
    allowed = await browser.options("/widget/v1/messages", headers={"origin": ORIGIN})
    foreign = await browser.options(
        "/widget/v1/messages", headers={"origin": "https://evil.example"}
    )

    assert (allowed.status_code, allowed["Access-Control-Allow-Origin"]) == (204, ORIGIN)
    assert "Idempotency-Key" in allowed["Access-Control-Allow-Headers"]
    assert foreign.status_code == 403


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"\xff", "bad_json"),
        (b"[" * 60_000, "bad_json"),
        (b'{"site_key":NaN}', "bad_json"),
        (b"[1]", "bad_frame"),
        (b"null", "bad_frame"),
        (b'{"site_key":7}', "bad_frame"),
        (b'{"site_key":"' + b"x" * 70_000 + b'"}', "bad_frame"),
        (b'{"site_key":"unknown"}', "not_found"),
        (b"{}", "not_found"),
    ],
)
async def test_a_bad_body_is_a_typed_error(
    browser: AsyncClient, alice: Customer, body: bytes, code: str
) -> None:
    status, answer, _ = await post(browser, "session", body)

    assert answer["code"] == code
    assert 400 <= status < 500


async def test_the_resume_token_brings_back_the_visitor_and_is_rotated(
    browser: AsyncClient, alice: Customer
) -> None:
    first = await session(browser, alice.site)
    second = await session(browser, alice.site, resume_token=first["resume_token"])

    assert second["conversation"] == first["conversation"]
    assert second["resume_token"] != first["resume_token"]
    stored = [token.token_hash async for token in ResumeToken.objects.all()]
    assert first["resume_token"] not in stored


async def test_a_used_resume_token_is_worth_nothing_after_its_grace(
    browser: AsyncClient, alice: Customer
) -> None:
    first = await session(browser, alice.site)
    await session(browser, alice.site, resume_token=first["resume_token"])
    await ResumeToken.objects.filter(rotated_at__isnull=False).aupdate(
        rotated_at="2020-01-01T00:00:00Z"
    )

    third = await session(browser, alice.site, resume_token=first["resume_token"])

    assert third["conversation"] != first["conversation"]


async def test_a_signed_identity_makes_a_known_customer(
    browser: AsyncClient, alice: Customer
) -> None:
    await Site.objects.filter(pk=alice.site.pk).aupdate(
        identity_secret=SECRET, identity_secret_previous=PREVIOUS
    )
    known = await session(
        browser, alice.site, identity_jwt=identity(alice.site, name="Alice", region="上海")
    )
    again = await session(
        browser, alice.site, identity_jwt=identity(alice.site, secret=PREVIOUS, kid="previous")
    )
    anonymous = await session(browser, alice.site, resume_token=again["resume_token"])

    visitor = await visitor_of(known)
    assert (visitor.external_id, visitor.name, visitor.region) == ("customer-7", "Alice", "上海")
    assert visitor.region_is_signed
    assert again["conversation"] == known["conversation"]
    assert anonymous["conversation"] != known["conversation"]


async def test_the_widgets_region_never_replaces_a_signed_one(
    browser: AsyncClient, alice: Customer
) -> None:
    await Site.objects.filter(pk=alice.site.pk).aupdate(identity_secret=SECRET)
    token = identity(alice.site, region="上海")

    opened = await session(browser, alice.site, identity_jwt=token, region="北京")

    assert (await visitor_of(opened)).region == "上海"


@pytest.mark.parametrize(
    "forge",
    [
        lambda site: "x",
        lambda site: "a.b.c",
        lambda site: jwt.encode({"sub": "7", "aud": site.key, "exp": 2**31}, None, "none"),
        lambda site: identity(site, secret="w" * 40),
        lambda site: identity(site, kid="../../etc/passwd"),
        lambda site: identity(site, kid="previous"),
        lambda site: identity(site, exp=int(time.time()) - 3600),
        lambda site: identity(site, exp=int(time.time()) + 86400),
        lambda site: identity(site, aud="another-site"),
        lambda site: identity(site, sub=""),
        lambda site: identity(site, sub="x" * 121),
        lambda site: identity(site, name=["Alice"]),
        lambda site: jwt.encode(
            {"sub": "7", "aud": site.key, "exp": int(time.time()) + 60},
            SECRET,
            "HS512",
            headers={"kid": "current"},
        ),
    ],
)
async def test_a_forged_identity_is_refused(
    browser: AsyncClient, alice: Customer, forge: Any
) -> None:
    await Site.objects.filter(pk=alice.site.pk).aupdate(identity_secret=SECRET)
    body = {"site_key": alice.site.key, "identity_jwt": forge(alice.site)}

    status, answer, _ = await post(browser, "session", body)

    assert (status, answer["code"]) == (403, "forbidden")
    assert not await Visitor.objects.exclude(external_id="").aexists()


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


async def asked(browser: AsyncClient, opened: dict[str, Any]) -> uuid.UUID:
    """The id of a message that was taken."""
    message_id = uuid.uuid4()
    headers = {**bearer(opened), "idempotency-key": str(message_id)}
    status, _, _ = await post(browser, "messages", {"text": "你好"}, **headers)
    assert status == 201
    return message_id


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
