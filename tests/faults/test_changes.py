"""A confirmed change is made once and told once, whatever dies around its call."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from conversations.enums import Role
from conversations.models import Conversation, Message, ToolAction, Visitor
from conversations.services.actions import action_confirm
from knowledge.models import Site, Tool
from knowledge.tools.stored import tool_spec
from supportdesk.demo_orders import OrderApi, OrderBook
from supportdesk.demoshop import Shop, server_make
from tests.faults.desk_process import WebProcess
from tests.faults.invariants import violations

KEY = "key-of-the-shop"
NEW = "上海市徐汇区漕溪北路1号"
END_SECONDS = 20.0


@pytest.fixture
def orders(tmp_path: Path) -> Iterator[tuple[OrderBook, int]]:
    """The demo shop's order system at a port of its own."""
    book = OrderBook(tmp_path / "orders.sqlite3")
    server = server_make(
        host="127.0.0.1", port=0, shop=Shop("http://desk", "key"), orders=OrderApi(book, KEY)
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield book, server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def confirmed(shop: Site, orders: tuple[OrderBook, int]) -> ToolAction:
    """Lin has confirmed a new address; no process has seen it yet."""
    tool = Tool.objects.create(
        site=shop,
        key="update_delivery_address",
        title="New address",
        changes=True,
        method="PUT",
        url=f"http://127.0.0.1:{orders[1]}/api/orders/{{order_number}}/address",
        headers="Authorization: Bearer {secret.orders}\nX-Customer-Id: {actor.id}",
        is_repeatable=True,
        parameters={
            "type": "object",
            "properties": {"order_number": {"type": "string"}, "address": {"type": "string"}},
        },
    )
    tool.wordings.create(language="zh-hans", reply="已修改。", confirm="改吗？")
    visitor = Visitor.objects.create(site=shop, external_id="demo-lin")
    conversation = Conversation.objects.create(site=shop, visitor=visitor, head_seq=1)
    item = Message.objects.create(
        conversation=conversation, seq=1, role=Role.SYSTEM, text="改吗？", language="zh-hans"
    )
    action = ToolAction.objects.create(
        conversation=conversation,
        visitor=visitor,
        actor_id="demo-lin",
        tool=tool,
        tool_key=tool.key,
        tool_revision=tool_spec(tool, tool.wordings.all()).revision,
        arguments={"order_number": "123456", "address": NEW},
        digest="0" * 32,
        language="zh-hans",
        asked_in=item,
        expires_at=timezone.now() + timedelta(minutes=5),
    )
    return action_confirm(
        conversation_id=conversation.pk,
        visitor_id=visitor.pk,
        action_id=action.pk,
        digest=action.digest,
    )


@pytest.mark.parametrize(
    ("failpoint", "made"),
    [("action_claimed", 0), ("action_uncalled", 0), ("action_called", 1), ("action_unfinished", 1)],
)
def test_killed_around_the_call_the_change_is_made_once(
    web_start: Callable[..., WebProcess],
    orders: tuple[OrderBook, int],
    confirmed: ToolAction,
    failpoint: str,
    made: int,
) -> None:
    book, port = orders
    allowed = {
        "SUPPORTDESK_TOOL_HOSTS": f"127.0.0.1:{port}",
        "SUPPORTDESK_TOOL_SECRET_ORDERS": KEY,
    }
    web = web_start(SUPPORTDESK_FAILPOINTS=failpoint, **allowed)
    assert web.wait() == -signal.SIGKILL
    assert book.changes("123456") == made
    confirmed.refresh_from_db()
    assert (confirmed.state, confirmed.settled_in) == ("running", None)

    ToolAction.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    web.start(SUPPORTDESK_FAILPOINTS="", **allowed)
    limit = timezone.now() + timedelta(seconds=END_SECONDS)
    pause = threading.Event()
    while confirmed.state == "running" and timezone.now() < limit:
        pause.wait(0.1)
        confirmed.refresh_from_db()

    assert (confirmed.state, confirmed.attempts) == ("done", 2)
    assert book.changes("123456") == 1
    told = book.order("123456", "demo-lin")
    assert told is not None
    assert told["address"] == NEW
    assert confirmed.conversation.messages.filter(text="已修改。").count() == 1
    assert violations() == []
