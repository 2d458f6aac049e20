"""Confirming over plain requests: with a token of the card's own visitor, and no other."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.test import AsyncClient

from conversations.desk import Desk, desk_install
from conversations.engines import Engines, ladder_make
from conversations.models import ToolAction
from conversations.tokens import Session, session_token_make
from inference.engines.scripted import ScriptedChatClient
from tests.conversations.conftest import Customer
from tests.conversations.ladder.cast import FakeKnowledge
from tests.conversations.tools.conftest import FakeCaller, customer_make
from tests.conversations.tools.talk import say


@pytest.fixture(autouse=True)
def desk() -> Any:
    chat = ScriptedChatClient("您好。")
    made = Desk(engines=Engines(ladder_make(chat=chat, knowledge=FakeKnowledge()), chat, None))
    desk_install(made)
    yield made
    desk_install(None)


@pytest.fixture
def offered(lin: Customer, caller: FakeCaller) -> ToolAction:
    say(lin, "把订单123456的地址改成上海市徐汇区漕溪北路1号", caller)
    return ToolAction.objects.select_related("conversation__site").get()


@pytest.fixture
def wang(offered: ToolAction) -> Customer:
    return customer_make("demo-wang", "王敏")


def token_of(visitor_id: uuid.UUID, conversation_id: uuid.UUID, action: ToolAction) -> str:
    site = action.conversation.site
    return session_token_make(Session(site.pk, site.origins[0], visitor_id, conversation_id))


async def frame(token: str, offered: ToolAction, **body: object) -> tuple[int, dict[str, Any]]:
    response = await AsyncClient().post(
        "/widget/v1/frames",
        json.dumps({"v": 1, "action": str(offered.pk), **body}).encode(),
        content_type="application/json",
        headers={
            "origin": offered.conversation.site.origins[0],
            **({"authorization": f"Bearer {token}"} if token else {}),
        },
    )
    return response.status_code, json.loads(response.content)


async def test_the_cards_own_visitor_confirms_it(offered: ToolAction) -> None:
    token = token_of(offered.visitor_id, offered.conversation_id, offered)
    for _ in range(2):
        status, answer = await frame(token, offered, type="confirm", digest=offered.digest)
        assert (status, answer["state"]) == (200, "confirmed")
    status, answer = await frame(token, offered, type="decline")
    assert answer == {"type": "action", "action": str(offered.pk), "state": "confirmed"}


async def test_nobody_else_confirms_or_declines_it(offered: ToolAction, wang: Customer) -> None:
    foreign = token_of(wang.visitor.pk, wang.conversation.pk, offered)
    mixed = token_of(wang.visitor.pk, offered.conversation_id, offered)
    for token, expected in ((foreign, 404), (mixed, 404), ("", 401), ("forged", 401)):
        for body in ({"type": "confirm", "digest": offered.digest}, {"type": "decline"}):
            status, _ = await frame(token, offered, **body)
            assert status == expected
    await offered.arefresh_from_db()
    assert offered.state == "pending"


@pytest.mark.parametrize(
    "body",
    [
        {"type": "confirm"},
        {"type": "confirm", "digest": 7},
        {"type": "confirm", "digest": "x" * 32},
        {"type": "confirm", "digest": "0" * 31},
        {"type": "confirm", "digest": "0" * 32, "action": "not-a-uuid"},
        {"type": "decline", "action": None},
    ],
)
async def test_a_frame_that_is_none_confirms_nothing(
    offered: ToolAction, body: dict[str, object]
) -> None:
    token = token_of(offered.visitor_id, offered.conversation_id, offered)
    status, answer = await frame(token, offered, **body)
    assert (status, answer["code"]) == (400, "bad_frame")
    await offered.arefresh_from_db()
    assert offered.state == "pending"


async def test_another_digest_is_a_conflict(offered: ToolAction) -> None:
    token = token_of(offered.visitor_id, offered.conversation_id, offered)
    status, answer = await frame(token, offered, type="confirm", digest="0" * 32)
    assert (status, answer["code"]) == (409, "idempotency_conflict")
