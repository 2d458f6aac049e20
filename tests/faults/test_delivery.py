"""What was acknowledged gets one outcome, in order, once, whatever dies."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Callable

import pytest
from asgiref.sync import sync_to_async
from websockets.exceptions import ConnectionClosed

from conversations.models import Message
from knowledge.models import Site
from tests.faults.desk_process import Client, WebProcess
from tests.faults.invariants import violations

invariants_broken = sync_to_async(violations, thread_sensitive=True)
customer_messages = sync_to_async(
    lambda: Message.objects.filter(role="customer").count(), thread_sensitive=True
)


@pytest.mark.parametrize(
    ("failpoint", "stored"), [("message_uncommitted", 0), ("message_committed", 1)]
)
async def test_killed_around_the_commit_the_resent_message_gets_one_answer(
    web_start: Callable[..., WebProcess], shop: Site, failpoint: str, stored: int
) -> None:
    web = web_start(SUPPORTDESK_FAILPOINTS=failpoint)
    customer = Client(web, shop.key)
    message_id = uuid.uuid4()
    async with customer.connected() as socket:
        await customer.send(socket, "产品保修期多久", message_id)
        with pytest.raises(ConnectionClosed):
            await customer.acknowledged(socket, message_id)
    assert web.wait() == -signal.SIGKILL
    assert await customer_messages() == stored

    web.start(SUPPORTDESK_FAILPOINTS="")
    async with customer.connected() as socket:
        await customer.send(socket, "产品保修期多久", message_id)
        ack = await customer.acknowledged(socket, message_id)
        answer = await customer.answered(socket, message_id)

    assert (ack["seq"], ack["duplicate"]) == (1, bool(stored))
    assert answer["outcome"] == "answer"
    assert await customer_messages() == 1
    assert await invariants_broken(customer.acks) == []


@pytest.mark.parametrize("failpoint", ["answer_uncommitted", "answer_committed"])
async def test_killed_around_the_answers_commit_the_answer_comes_once(
    web_start: Callable[..., WebProcess], shop: Site, failpoint: str
) -> None:
    web = web_start(SUPPORTDESK_FAILPOINTS=failpoint)
    customer = Client(web, shop.key)
    message_id = uuid.uuid4()
    async with customer.connected() as socket:
        await customer.send(socket, "产品保修期多久", message_id)
        with pytest.raises(ConnectionClosed):
            await customer.answered(socket, message_id)
    assert web.wait() == -signal.SIGKILL

    web.start(SUPPORTDESK_FAILPOINTS="")
    async with customer.connected() as socket:
        answer = await customer.answered(socket, message_id)

    assert answer["outcome"] == "answer"
    assert await invariants_broken(customer.acks) == []


async def test_a_stop_tells_the_clients_and_what_was_accepted_is_answered_after_the_restart(
    web: WebProcess, customer: Client
) -> None:
    message_id = uuid.uuid4()
    async with customer.connected() as socket:
        await customer.send(socket, "你好", message_id)
        await customer.acknowledged(socket, message_id)
        web.signal(signal.SIGTERM)
        await customer.until(socket, lambda frame: frame["type"] == "drain")
        assert await customer.close_code(socket) == 1012
    assert web.wait(15) == 0

    web.start()
    async with customer.connected() as socket:
        answer = await customer.answered(socket, message_id)

    assert answer["outcome"] == "answer"
    assert await invariants_broken(customer.acks) == []


async def test_killed_again_and_again_nothing_is_lost_doubled_or_out_of_order(
    web_start: Callable[..., WebProcess], shop: Site
) -> None:
    web = web_start()
    customer = Client(web, shop.key)
    ids = []
    for _ in range(4):
        async with customer.connected() as socket:
            for _ in range(2):
                ids.append(uuid.uuid4())
                await customer.send(socket, "产品保修期多久", ids[-1])
                await customer.acknowledged(socket, ids[-1])
            web.signal(signal.SIGKILL)
            web.wait()
        web.start()

    async with customer.connected() as socket:
        outcomes = [(await customer.answered(socket, each))["outcome"] for each in ids]

    assert len(outcomes) == len(ids)
    assert set(outcomes) <= {"answer", "merged"}
    assert await customer_messages() == len(ids)
    assert await invariants_broken(customer.acks) == []


async def test_a_taken_port_is_said_in_one_sentence(
    web: WebProcess, web_start: Callable[..., WebProcess]
) -> None:
    status, complaint = web.second_at_the_same_port()

    assert status == 1
    assert str(web.port) in complaint
    assert "Traceback" not in complaint
