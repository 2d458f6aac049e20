"""Two web processes over one database file: what one accepts, the other may answer and show."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections.abc import Callable

from asgiref.sync import sync_to_async

from knowledge.models import Site
from tests.faults.desk_process import Client, WebProcess
from tests.faults.invariants import violations

invariants_broken = sync_to_async(violations, thread_sensitive=True)
QUESTION = "产品保修期多久"


async def test_a_customer_with_a_tab_at_each_sees_the_same_conversation(
    web_start: Callable[..., WebProcess], shop: Site
) -> None:
    left = Client(web_start(), shop.key)
    other = web_start()
    message_id = uuid.uuid4()
    async with left.connected() as socket:
        right = left.at(other)
        async with right.connected() as tab:
            assert right.conversation == left.conversation

            await right.send(tab, QUESTION, message_id)
            await right.acknowledged(tab, message_id)
            seen = [
                await left.answered(socket, message_id),
                await right.answered(tab, message_id),
            ]

    assert seen[0] == seen[1]
    assert left.items == right.items
    assert await invariants_broken([*left.acks, *right.acks]) == []


async def test_messages_that_come_to_both_at_once_keep_one_order_and_one_outcome_each(
    web_start: Callable[..., WebProcess], shop: Site
) -> None:
    webs = [web_start(), web_start()]
    customers = [Client(webs[n % 2], shop.key) for n in range(2)]

    async def talk(customer: Client, web: WebProcess) -> list[Client]:
        """Three messages in each of two tabs of the same customer, all at once."""
        async with customer.connected() as socket:
            tab = customer.at(web)
            async with tab.connected() as second:
                await asyncio.gather(said(customer, socket), said(tab, second))
        return [customer, tab]

    async def said(customer: Client, socket: object) -> None:
        ids = [uuid.uuid4() for _ in range(3)]
        for each in ids:
            await customer.send(socket, QUESTION, each)  # type: ignore[arg-type]
            await customer.acknowledged(socket, each)  # type: ignore[arg-type]
        for each in ids:
            await customer.answered(socket, each)  # type: ignore[arg-type]

    tabs = await asyncio.gather(talk(customers[0], webs[1]), talk(customers[1], webs[0]))

    assert await invariants_broken([ack for pair in tabs for tab in pair for ack in tab.acks]) == []


async def test_what_a_killed_process_had_accepted_the_other_answers(
    web_start: Callable[..., WebProcess], shop: Site
) -> None:
    dying, living = web_start(SUPPORTDESK_FAILPOINTS="answer_uncommitted"), web_start()
    customer = Client(dying, shop.key)
    message_id = uuid.uuid4()
    async with customer.connected() as socket:
        await customer.send(socket, QUESTION, message_id)
        await customer.close_code(socket)
    assert dying.wait() == -signal.SIGKILL

    after = customer.at(living)
    async with after.connected() as socket:
        answer = await after.answered(socket, message_id)

    assert answer["outcome"] == "answer"
    assert await invariants_broken([*customer.acks, *after.acks]) == []


async def test_a_process_that_was_stopped_for_a_while_writes_no_second_answer(
    web_start: Callable[..., WebProcess], shop: Site
) -> None:
    """Its lease runs out, the other process answers; its own late answer meets the fence."""
    stopped, living = web_start(), web_start()
    customer = Client(stopped, shop.key)
    message_id = uuid.uuid4()
    async with customer.connected() as socket:
        await customer.send(socket, QUESTION, message_id)
        await customer.acknowledged(socket, message_id)
        stopped.signal(signal.SIGSTOP)
        after = customer.at(living)
        async with after.connected() as tab:
            answer = await after.answered(tab, message_id)
        stopped.signal(signal.SIGCONT)
        again = await customer.answered(socket, message_id)

    assert again == answer
    assert await invariants_broken([*customer.acks, *after.acks]) == []
