"""The socket over ASGI: handshake, frames, close codes, resume."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator

from conversations.consumers import SupportConsumer
from conversations.desk import Desk
from conversations.engines import Engines, ladder_make
from conversations.enums import Mode, Outcome, Role
from conversations.lanes import WRITES
from conversations.models import Conversation, Message, Rating
from conversations.selectors import ITEMS_PAGE
from conversations.services.handoff import (
    conversation_close,
    conversation_return,
    conversation_take,
    operator_message_send,
)
from conversations.tokens import Session, session_token_make
from inference.engines.scripted import ScriptedChatClient, ScriptedReply
from tests.conversations.conftest import ORIGIN, Customer
from tests.conversations.ladder.cast import RETURNS, FakeKnowledge, passage
from tests.faults.invariants import violations

QUESTION = "可以退货吗?"
ANSWER = "您好，支持7天无理由退货，商品需完好。"
invariants_broken = sync_to_async(violations, thread_sensitive=False)


@pytest.fixture
def engine() -> ScriptedChatClient:
    return ScriptedChatClient(
        ScriptedReply(ANSWER, match="慢", stall_after=3, where="prompt"), ANSWER
    )


@pytest.fixture
def poll_seconds() -> float:
    """So long that the wakes alone have to tell the sockets."""
    return 3600.0


@pytest.fixture
async def desk(
    engine: ScriptedChatClient, poll_seconds: float, transactional_db: None
) -> AsyncIterator[Desk]:
    knowledge = FakeKnowledge(passages=(passage(1, RETURNS, 0.6),))
    engines = Engines(ladder_make(chat=engine, knowledge=knowledge), engine, None)
    made = Desk(engines=engines, poll_seconds=poll_seconds)
    await made.start()
    yield made
    engine.release()
    await made.drain(5)
    await made.stop()


class Socket:
    """One socket of a customer, as a browser would speak."""

    def __init__(self, desk: Desk, customer: Customer, origin: str | None = ORIGIN) -> None:
        headers = [(b"origin", origin.encode())] if origin is not None else []
        self.communicator = WebsocketCommunicator(
            SupportConsumer.as_asgi(desk=desk), "/widget/v1/socket", headers=headers
        )
        self.customer = customer
        self.frames: list[dict[str, Any]] = []

    def token(self) -> str:
        return session_token_make(
            Session(
                self.customer.site.pk,
                ORIGIN,
                self.customer.visitor.pk,
                self.customer.conversation.pk,
            )
        )

    async def send(self, **frame: Any) -> None:
        await self.communicator.send_to(text_data=json.dumps({"v": 1, **frame}))

    async def hello(self, **values: Any) -> dict[str, Any]:
        assert (await self.communicator.connect(timeout=10))[0]
        await self.send(**{"type": "hello", "token": self.token(), "last_seq": 0, **values})
        return await self.until(lambda frame: frame["type"] == "welcome")

    async def until(self, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        while True:
            frame = json.loads(await self.communicator.receive_from(timeout=10))
            self.frames.append(frame)
            if wanted(frame):
                return frame

    async def code_of_error(self) -> str:
        return str((await self.until(lambda frame: frame["type"] == "error"))["code"])

    async def close_code(self) -> int:
        while True:
            event = await self.communicator.receive_output(timeout=10)
            if event["type"] == "websocket.close":
                return int(event.get("code", 1000))

    async def outcome(self, message_id: uuid.UUID) -> dict[str, Any]:
        wanted = str(message_id)
        return await self.until(lambda f: f.get("outcome") and f["reply_to"] == wanted)

    async def ask(self, text: str) -> uuid.UUID:
        message_id = uuid.uuid4()
        await self.send(type="send", client_message_id=str(message_id), text=text)
        await self.until(lambda frame: frame["type"] == "ack")
        return message_id


@pytest.fixture
async def socket(desk: Desk, alice: Customer) -> AsyncIterator[Socket]:
    opened = Socket(desk, alice)
    yield opened
    await opened.communicator.disconnect(timeout=10)


async def test_an_answer_streams_and_ends_with_an_item(socket: Socket) -> None:
    welcome = await socket.hello()
    message_id = await socket.ask(QUESTION)

    item = await socket.outcome(message_id)

    assert (welcome["mode"], welcome["head_seq"]) == ("bot", 0)
    assert (item["tier"], item["text"], item["seq"]) == ("generated", ANSWER, 2)
    assert [citation["id"] for citation in item["citations"]] == ["E1"]
    shown = "".join(frame["text"] for frame in socket.frames if frame["type"] == "delta")
    assert ANSWER.startswith(shown)
    assert await invariants_broken() == []


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"v": 2}, 4406),
        ({"v": "1"}, 4406),
        ({"v": True}, 4406),
        ({"token": "forged"}, 4401),
        ({"token": ""}, 4401),
    ],
)
async def test_a_hello_that_cannot_be_taken_closes_the_socket(
    socket: Socket, values: dict[str, Any], code: int
) -> None:
    await socket.communicator.connect(timeout=10)
    await socket.send(**{"type": "hello", "token": socket.token(), "last_seq": 0, **values})

    assert await socket.close_code() == code


async def test_a_token_from_another_page_is_forbidden(desk: Desk, alice: Customer) -> None:
    alice.site.allowed_origins = f"{ORIGIN}\nhttps://second.example"
    await alice.site.asave()
    socket = Socket(desk, alice, origin="https://second.example")
    await socket.communicator.connect(timeout=10)
    await socket.send(type="hello", token=socket.token(), last_seq=0)

    assert await socket.close_code() == 4403


async def test_nothing_is_taken_before_hello(socket: Socket) -> None:
    await socket.communicator.connect(timeout=10)
    await socket.send(type="send", client_message_id=str(uuid.uuid4()), text=QUESTION)

    assert await socket.code_of_error() == "bad_frame"
    assert not await Message.objects.aexists()


async def test_the_third_protocol_error_closes_with_4400(socket: Socket) -> None:
    await socket.hello()
    for text in ("{", "[1]", '{"type":"what"}'):
        await socket.communicator.send_to(text_data=text)

    codes = [await socket.code_of_error() for _ in range(3)]

    assert codes == ["bad_json", "bad_frame", "unknown_type"]
    assert [frame["fatal"] for frame in socket.frames[-3:]] == [False, False, True]
    assert await socket.close_code() == 4400


async def test_binary_closes_with_1003(socket: Socket) -> None:
    await socket.hello()
    await socket.communicator.send_to(bytes_data=b"\x00")

    assert await socket.close_code() == 1003


@pytest.mark.parametrize(
    ("text", "code"), [("退" * 4001, "text_too_long"), ("\u200b", "empty_text"), ("", "empty_text")]
)
async def test_a_text_that_cannot_be_taken_is_refused_with_its_id(
    socket: Socket, text: str, code: str
) -> None:
    await socket.hello()
    message_id = str(uuid.uuid4())
    await socket.send(type="send", client_message_id=message_id, text=text)

    assert await socket.code_of_error() == code
    assert socket.frames[-1]["client_message_id"] == message_id


async def test_a_reused_id_with_another_text_is_a_conflict(socket: Socket) -> None:
    await socket.hello()
    message_id = await socket.ask(QUESTION)
    await socket.send(type="send", client_message_id=str(message_id), text="别的")

    assert await socket.code_of_error() == "idempotency_conflict"


async def test_a_reader_who_comes_back_gets_what_is_missing_and_no_more(
    socket: Socket, desk: Desk, alice: Customer
) -> None:
    await socket.hello()
    await socket.outcome(await socket.ask(QUESTION))
    second = Socket(desk, alice)

    welcome = await second.hello(last_seq=1)
    item = await second.until(lambda frame: frame["type"] == "item")

    assert (welcome["head_seq"], item["seq"]) == (2, 2)
    await second.communicator.disconnect(timeout=10)


async def test_a_long_absence_is_told_as_a_gap(socket: Socket, alice: Customer) -> None:
    total = ITEMS_PAGE + 50
    await Message.objects.abulk_create(
        Message(conversation=alice.conversation, seq=seq, role=Role.SYSTEM, text=str(seq))
        for seq in range(1, total + 1)
    )
    await Conversation.objects.aupdate(head_seq=total)

    await socket.hello()
    gap = await socket.until(lambda frame: frame["type"] == "gap")
    first = await socket.until(lambda frame: frame["type"] == "item")

    assert (gap["from_seq"], gap["head_seq"], first["seq"]) == (1, total, 51)


async def test_cancel_stops_the_engine_and_is_idempotent(
    socket: Socket, engine: ScriptedChatClient
) -> None:
    await socket.hello()
    message_id = await socket.ask("慢 可以退货吗?")
    await engine.request_wait()
    for _ in range(2):
        await socket.send(type="cancel", client_message_id=str(message_id))

    item = await socket.outcome(message_id)

    await socket.send(type="ping", n=7)
    assert (await socket.until(lambda frame: frame["type"] == "pong"))["n"] == 7
    assert item["outcome"] == "cancelled"
    assert not any(frame["type"] == "error" for frame in socket.frames)
    assert engine.running == 0
    assert await invariants_broken() == []


async def test_a_person_who_is_asked_for_stops_the_model(
    socket: Socket, engine: ScriptedChatClient, alice: Customer
) -> None:
    await socket.hello()
    message_id = await socket.ask("慢 可以退货吗?")
    await engine.request_wait()
    await socket.send(type="request_human")

    item = await socket.outcome(message_id)
    engine.release()

    assert (item["outcome"], item["mode"]) == ("handoff", "queued")
    later = await socket.ask("有人吗?")
    assert not await Message.objects.filter(reply_to__client_message_id=later).aexists()
    assert not await Message.objects.filter(role=Role.ASSISTANT).aexists()
    assert await invariants_broken() == []


async def test_a_second_question_waits_for_the_first(
    socket: Socket, engine: ScriptedChatClient
) -> None:
    await socket.hello()
    first = await socket.ask("慢 可以退货吗?")
    await engine.request_wait()
    second = await socket.ask("有人吗 可以退货吗?")
    third = await socket.ask("商品需完好吗 可以退货吗?")
    engine.release()

    await socket.outcome(third)

    outcomes = {
        frame["reply_to"]: frame["outcome"] for frame in socket.frames if frame.get("outcome")
    }
    assert outcomes == {
        str(first): Outcome.ANSWER,
        str(second): Outcome.MERGED,
        str(third): Outcome.ANSWER,
    }
    assert await invariants_broken() == []


async def test_an_answer_is_rated_by_thumb_and_by_stars(socket: Socket) -> None:
    await socket.hello()
    item = await socket.outcome(await socket.ask(QUESTION))
    await socket.send(type="rate", reply_seq=item["seq"], kind="thumb", score=0, reasons=["wrong"])
    await socket.until(lambda frame: frame["type"] == "rated")
    await socket.send(type="rate", reply_seq=item["seq"], score=4)
    await socket.until(lambda frame: frame["type"] == "rated")

    rating = await Rating.objects.aget()
    assert (rating.thumb, rating.stars, rating.reasons) == (False, 4, ["wrong"])


@pytest.mark.parametrize("frame", [{"type": "rate", "score": 5}, {"type": "cancel"}])
async def test_nobody_touches_what_belongs_to_somebody_else(
    socket: Socket, charlie: Customer, frame: dict[str, Any]
) -> None:
    receipt = await WRITES.run(charlie.send, "你好")
    await socket.hello()
    await socket.send(
        reply_seq=receipt.seq, client_message_id=str(receipt.client_message_id), **frame
    )

    assert await socket.code_of_error() == "not_found"


async def test_the_eleventh_message_is_rate_limited(socket: Socket) -> None:
    await socket.hello()
    for _ in range(10):
        await socket.ask(QUESTION)
    await socket.send(type="send", client_message_id=str(uuid.uuid4()), text=QUESTION)

    assert await socket.code_of_error() == "rate_limited"
    assert socket.frames[-1]["retry_ms"] > 0


async def test_a_foreign_origin_is_refused_before_the_handshake(
    desk: Desk, alice: Customer
) -> None:
    for origin in (None, "null", "https://evil.example"):
        connected, _ = await Socket(desk, alice, origin=origin).communicator.connect(timeout=10)
        assert not connected


async def test_a_person_who_takes_over_and_goes_again_is_told_at_once(
    socket: Socket, alice: Customer
) -> None:
    await socket.hello()
    modes = []
    for change in (conversation_take, conversation_return, conversation_close):
        # As the admin does it: in a thread that is none of the lanes.
        await sync_to_async(change, thread_sensitive=False)(conversation_id=alice.conversation.pk)
        modes.append((await socket.until(lambda frame: frame["type"] == "mode"))["mode"])

    assert modes == ["human", "bot", "closed"]
    assert sum(frame["type"] == "mode" for frame in socket.frames) == 3


@pytest.mark.parametrize("poll_seconds", [0.05])
async def test_a_mode_that_another_process_changed_is_told_by_the_poll(
    socket: Socket, alice: Customer
) -> None:
    await socket.hello()
    await Conversation.objects.filter(pk=alice.conversation.pk).aupdate(mode="human")

    frame = await socket.until(lambda frame: frame["type"] == "mode")

    assert frame == {"v": 1, "type": "mode", "mode": "human"}


async def test_what_a_person_writes_arrives_at_once(socket: Socket, alice: Customer) -> None:
    await socket.hello()
    for service, values in ((conversation_take, {}), (operator_message_send, {"text": "我是小王"})):
        await sync_to_async(service, thread_sensitive=False)(
            conversation_id=alice.conversation.pk, **values
        )

    item = await socket.until(lambda frame: frame["type"] == "item")

    assert (item["role"], item["text"]) == ("operator", "我是小王")


async def test_typing_to_a_person_and_what_was_seen_are_kept(
    socket: Socket, alice: Customer
) -> None:
    await Conversation.objects.filter(pk=alice.conversation.pk).aupdate(mode=Mode.HUMAN)
    await socket.hello()
    await socket.ask(QUESTION)

    await socket.send(type="typing")
    await socket.send(type="typing")  # too soon: left out, and no error
    await socket.send(type="seen", seq=1)
    await socket.send(type="ping", n=1)
    await socket.until(lambda frame: frame["type"] == "pong")

    kept = await Conversation.objects.aget(pk=alice.conversation.pk)
    assert kept.typing_at is not None
    assert kept.seen_seq == 1
    assert not [frame for frame in socket.frames if frame["type"] == "error"]


async def test_nobody_sees_what_is_not_there(socket: Socket) -> None:
    await socket.hello()

    await socket.send(type="seen", seq=7)

    assert await socket.code_of_error() == "bad_frame"
