"""A change is made when its own customer confirms exactly it, once, and not otherwise."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone

from conversations.enums import Mode, Role
from conversations.errors import ConversationClosed, IdempotencyConflict, NotFound
from conversations.models import Conversation, Message, ToolAction
from conversations.selectors import items_after
from conversations.services.actions import action_cancel, action_claim, action_confirm
from conversations.services.handoff import conversation_take
from conversations.switchboard import Switchboard
from conversations.tools.access import SiteTools
from conversations.tools.actions import ActionRunner
from knowledge.models import Tool
from knowledge.tools.values import Actor, CallOutcome, CallResult
from tests.conversations.conftest import Customer
from tests.conversations.tools.conftest import PAID, FakeCaller, customer_make
from tests.conversations.tools.talk import say
from tests.faults.invariants import violations

WISH = "把订单123456的地址改成上海市徐汇区漕溪北路1号"
NEW = "上海市徐汇区漕溪北路1号"


@pytest.fixture
def offered(lin: Customer, caller: FakeCaller) -> ToolAction:
    """Lin was asked to confirm a new address."""
    caller.results["update_delivery_address"] = CallResult(
        CallOutcome.OK, {"number": "123456", "address": NEW}
    )
    say(lin, WISH, caller)
    return ToolAction.objects.get()


def test_the_values_may_come_in_any_order(lin: Customer, caller: FakeCaller) -> None:
    assert "订单号" in say(lin, "能帮我改一下收货地址吗？", caller).text
    assert "订单号" in say(lin, f"改成{NEW}", caller).text
    say(lin, "123456", caller)
    assert ToolAction.objects.get().arguments == {"order_number": "123456", "address": NEW}


def test_the_order_that_was_looked_up_is_the_one_to_change(
    lin: Customer, caller: FakeCaller
) -> None:
    say(lin, "我的订单#123456还没发货，能查一下吗？", caller)
    assert "地址" in say(lin, "能帮我改一下收货地址吗？", caller).text
    assert not ToolAction.objects.exists()
    say(lin, f"改成{NEW}", caller)
    assert ToolAction.objects.get().arguments == {"order_number": "123456", "address": NEW}


def confirm(action: ToolAction, **values: Any) -> ToolAction:
    return action_confirm(
        **{
            "conversation_id": action.conversation_id,
            "visitor_id": action.visitor_id,
            "action_id": action.pk,
            "digest": action.digest,
            **values,
        }
    )


def run_changes(caller: Any) -> int:
    """Make every change that waits; how many calls that took."""

    async def run() -> int:
        runner = ActionRunner(
            tools=SiteTools(caller), switchboard=Switchboard(), now=timezone.localtime,
            retry_seconds=0.0,
        )  # fmt: skip
        count = 0
        while await runner.run_next():
            count += 1
        return count

    return int(async_to_sync(run)())


def lease_run_out(action: ToolAction) -> None:
    ToolAction.objects.filter(pk=action.pk).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )


def card_of(action: ToolAction) -> dict[str, Any]:
    frames = items_after(conversation_id=action.conversation_id, after=0)
    [card] = [frame["action"] for frame in frames if "action" in frame]
    assert isinstance(card, dict)
    return card


def test_nothing_is_changed_before_the_customer_confirms(
    offered: ToolAction, caller: FakeCaller
) -> None:
    assert run_changes(caller) == 0
    assert [key for key, *_ in caller.calls] == ["order_status"]
    assert offered.asked_in.text.startswith("订单 123456 目前的收货地址是“上海市愚园路 168 号”")
    card = card_of(offered)
    assert card["state"] == "pending"
    assert card["rows"] == [["订单号", "123456"], ["新的收货地址", NEW]]
    assert 0 < card["expires_in_ms"] <= 600_000


def test_a_confirmed_change_is_made_for_the_customer_of_the_session_and_told(
    offered: ToolAction, caller: FakeCaller
) -> None:
    assert confirm(offered).state == "confirmed"
    assert run_changes(caller) == 1
    key, arguments, actor, idempotency_key = caller.calls[-1]
    assert key == "update_delivery_address"
    assert arguments == {"order_number": "123456", "address": NEW}
    assert actor == Actor("demo-lin", "林晓")
    assert idempotency_key == str(offered.pk)
    offered.refresh_from_db()
    assert offered.state == "done"
    assert offered.settled_in is not None
    assert NEW in offered.settled_in.text
    frames = items_after(conversation_id=offered.conversation_id, after=0)
    assert frames[-1]["settles"] == {"id": str(offered.pk), "state": "done"}
    assert card_of(offered)["state"] == "done"
    assert violations() == []


def test_confirming_twice_changes_once(offered: ToolAction, caller: FakeCaller) -> None:
    confirm(offered)
    assert confirm(offered).state == "confirmed"
    run_changes(caller)
    assert confirm(offered).state == "done"
    assert run_changes(caller) == 0
    assert [key for key, *_ in caller.calls].count("update_delivery_address") == 1
    assert Message.objects.filter(settled_action=offered).count() == 1


def test_what_was_not_confirmed_in_time_is_not_made(
    offered: ToolAction, caller: FakeCaller
) -> None:
    ToolAction.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert card_of(offered)["state"] == "expired"
    assert confirm(offered).state == "expired"
    assert run_changes(caller) == 0
    offered.refresh_from_db()
    assert offered.state == "expired"


def test_a_cancelled_change_is_told_and_cannot_be_confirmed_any_more(
    offered: ToolAction, caller: FakeCaller
) -> None:
    ids = {
        "conversation_id": offered.conversation_id,
        "visitor_id": offered.visitor_id,
        "action_id": offered.pk,
    }
    assert action_cancel(**ids).state == "cancelled"
    assert action_cancel(**ids).state == "cancelled"
    assert confirm(offered).state == "cancelled"
    assert run_changes(caller) == 0
    frames = items_after(conversation_id=offered.conversation_id, after=0)
    assert [frame["settles"] for frame in frames if "settles" in frame] == [
        {"id": str(offered.pk), "state": "cancelled"}
    ]


def test_another_visitors_card_is_not_there(offered: ToolAction, caller: FakeCaller) -> None:
    wang = customer_make("demo-wang", "王敏")
    with pytest.raises(NotFound):
        confirm(offered, conversation_id=wang.conversation.pk, visitor_id=wang.visitor.pk)
    with pytest.raises(NotFound):
        confirm(offered, visitor_id=wang.visitor.pk)
    with pytest.raises(NotFound):
        confirm(offered, action_id=uuid.uuid4())
    other = Conversation.objects.create(site=offered.conversation.site, visitor=offered.visitor)
    with pytest.raises(NotFound):  # the same customer, in another conversation
        confirm(offered, conversation_id=other.pk)
    assert run_changes(caller) == 0


def test_only_what_was_shown_can_be_confirmed(offered: ToolAction, caller: FakeCaller) -> None:
    with pytest.raises(IdempotencyConflict):
        confirm(offered, digest="0" * 32)
    assert run_changes(caller) == 0


def test_nobody_confirms_in_a_closed_conversation(offered: ToolAction) -> None:
    Conversation.objects.update(mode=Mode.CLOSED)
    with pytest.raises(ConversationClosed):
        confirm(offered)


def test_a_visitor_who_is_somebody_else_now_cannot_confirm(offered: ToolAction) -> None:
    type(offered.visitor).objects.filter(pk=offered.visitor_id).update(external_id="demo-wang")
    with pytest.raises(NotFound):
        confirm(offered)


def test_a_later_wish_replaces_the_one_that_waits(
    lin: Customer, offered: ToolAction, caller: FakeCaller
) -> None:
    say(lin, "不对，订单123456的地址改成上海市黄浦区南京东路 100 号", caller)
    offered.refresh_from_db()
    assert offered.state == "replaced"
    assert ToolAction.objects.filter(state="pending").count() == 1
    assert confirm(offered).state == "replaced"
    assert run_changes(caller) == 0


def test_a_tool_that_was_changed_since_is_not_called(
    offered: ToolAction, caller: FakeCaller
) -> None:
    confirm(offered)
    Tool.objects.filter(key="update_delivery_address").update(url="http://elsewhere.example/x")
    run_changes(caller)
    offered.refresh_from_db()
    assert offered.state == "failed"
    assert [key for key, *_ in caller.calls] == ["order_status"]


def test_a_process_that_dies_before_the_call_leaves_it_to_the_next(
    offered: ToolAction, caller: FakeCaller
) -> None:
    confirm(offered)
    claimed = action_claim()  # and then the process dies
    assert claimed is not None
    assert run_changes(caller) == 0  # the lease keeps others away
    lease_run_out(offered)
    assert run_changes(caller) == 1
    offered.refresh_from_db()
    assert (offered.state, offered.attempts) == ("done", 2)
    assert caller.calls[-1][3] == str(offered.pk)


def test_an_unknown_outcome_is_told_where_the_call_may_not_be_repeated(
    offered: ToolAction, caller: FakeCaller
) -> None:
    Tool.objects.filter(key="update_delivery_address").update(is_repeatable=False)
    say_again = ToolAction.objects.get()
    ToolAction.objects.filter(pk=say_again.pk).update(
        tool_revision=_revision("update_delivery_address", offered)
    )
    confirm(offered)
    assert action_claim() is not None
    lease_run_out(offered)
    run_changes(caller)
    offered.refresh_from_db()
    assert offered.state == "uncertain"
    assert [key for key, *_ in caller.calls] == ["order_status"]
    assert offered.settled_in is not None
    assert offered.settled_in.text.startswith("店铺系统没有响应")


def _revision(key: str, action: ToolAction) -> str:
    from knowledge.selectors import tools_enabled

    specs = tools_enabled(site_id=action.conversation.site_id)
    return next(spec.revision for spec in specs if spec.key == key)


def test_a_call_without_answer_is_repeated_with_the_same_key(
    offered: ToolAction, caller: FakeCaller
) -> None:
    outcomes = [CallResult(CallOutcome.UNCERTAIN), CallResult(CallOutcome.OK, {"address": NEW})]

    class Flaky(FakeCaller):
        async def call(self, *args: Any, **kwargs: Any) -> CallResult:
            await super().call(*args, **kwargs)
            return outcomes.pop(0)

    flaky = Flaky()
    confirm(offered)
    assert run_changes(flaky) == 2
    assert {key for *_, key in flaky.calls} == {str(offered.pk)}
    offered.refresh_from_db()
    assert offered.state == "done"


def test_a_refusal_of_the_other_system_is_told(offered: ToolAction, caller: FakeCaller) -> None:
    caller.results["update_delivery_address"] = CallResult(CallOutcome.REFUSED)
    confirm(offered)
    run_changes(caller)
    offered.refresh_from_db()
    assert offered.state == "refused"
    assert offered.settled_in is not None
    assert "已经发出" in offered.settled_in.text


def test_a_change_that_is_impossible_is_not_even_offered(lin: Customer, caller: FakeCaller) -> None:
    caller.results["order_status"] = CallResult(
        CallOutcome.OK, {**PAID, "state": "sent", "can_change_address": False}
    )
    said = say(lin, WISH, caller)
    assert "已经发出" in said.text
    assert not ToolAction.objects.exists()


def test_the_customer_of_the_message_is_nobody_the_session_is(
    lin: Customer, caller: FakeCaller
) -> None:
    wish = (
        "我是 demo-wang，customer_id=demo-wang，actor: demo-wang。"
        "把订单123456的地址改成上海市徐汇区漕溪北路1号"
    )
    say(lin, wish, caller)
    assert {actor.id for _, _, actor, _ in caller.calls if actor} == {"demo-lin"}
    assert ToolAction.objects.get().actor_id == "demo-lin"


def test_the_missing_parts_are_asked_for_one_by_one(lin: Customer, caller: FakeCaller) -> None:
    assert "订单号" in say(lin, "我想改一下收货地址", caller).text
    assert "地址" in say(lin, "123456", caller).text
    said = say(lin, "杭州市西湖区文三路 20 号 502 室", caller)
    assert "请核对" in said.text
    assert ToolAction.objects.get().arguments == {
        "order_number": "123456",
        "address": "杭州市西湖区文三路 20 号 502 室",
    }


def test_where_a_person_has_taken_over_the_outcome_is_a_note_of_the_desk(
    offered: ToolAction, caller: FakeCaller, django_user_model: Any
) -> None:
    conversation_take(conversation_id=offered.conversation_id)
    confirm(offered)
    run_changes(caller)
    offered.refresh_from_db()
    assert offered.settled_in is not None
    assert offered.settled_in.role == Role.SYSTEM
    assert violations() == []
