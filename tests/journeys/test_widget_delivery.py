"""What the customer wrote arrives once, whatever the network does."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.journeys.conftest import HostPage, Visitor, visitor_make
from tests.journeys.fake_desk import FakeDesk, FakeTurn

pytestmark = pytest.mark.browser


def wait_until(visitor: Visitor, condition: Callable[[], bool], seconds: float = 8) -> None:
    """Let the browser go on until ``condition`` holds; fail after ``seconds``."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "the condition did not come true in time"
        visitor.page.wait_for_timeout(50)


def test_a_message_written_offline_is_sent_when_the_network_is_back(
    desk: FakeDesk, visitor: Visitor, context: BrowserContext
) -> None:
    visitor.open()
    expect(visitor.widget.locator(".notice")).to_be_hidden()
    context.set_offline(True)
    expect(visitor.widget.locator(".notice")).to_contain_text("Connection lost")
    visitor.ask("Are you there?")
    expect(visitor.widget.locator(".outgoing .state")).to_contain_text("Waiting to send")
    context.set_offline(False)
    expect(visitor.answers.locator(".rich")).to_have_text("You said: Are you there?")
    expect(visitor.widget.locator(".outgoing")).to_have_count(0)
    assert len(desk.frames("send")) == 1


def test_the_outbox_survives_a_reload_and_keeps_the_id(desk: FakeDesk, visitor: Visitor) -> None:
    desk.acks = False
    visitor.open().ask("Do not lose me")
    wait_until(visitor, lambda: len(desk.frames("send")) == 1)
    desk.acks = True
    visitor.page.reload()
    expect(visitor.panel).to_be_visible()
    expect(visitor.answers.locator(".rich")).to_have_text("You said: Do not lose me")
    first, second = desk.frames("send")
    assert first["client_message_id"] == second["client_message_id"]
    expect(visitor.widget.locator(".message.customer")).to_have_count(1)


def test_a_reload_in_the_middle_of_an_answer_loses_nothing(
    desk: FakeDesk, visitor: Visitor
) -> None:
    turns: list[FakeTurn] = []

    async def half(turn: FakeTurn) -> None:
        turns.append(turn)
        await turn.delta("Half of ")

    desk.answer = half
    visitor.open().ask("Go on")
    expect(visitor.widget.locator(".live .rich")).to_have_text("Half of")
    visitor.page.reload()
    expect(visitor.widget.locator(".live")).to_be_visible()
    desk.run(turns[0].delta("it"))  # comes without its beginning: not shown
    desk.run(turns[0].answer("Half of it, and the rest."))
    expect(visitor.answers.locator(".rich")).to_have_text("Half of it, and the rest.")


def test_messages_keep_their_order_when_the_desk_is_busy(desk: FakeDesk, visitor: Visitor) -> None:
    visitor.open()
    expect(visitor.widget.locator(".notice")).to_be_hidden()
    desk.error = {"code": "rate_limited", "retry_ms": 600}
    visitor.ask("one")
    visitor.ask("two")
    wait_until(visitor, lambda: len(desk.frames("send")) >= 1)
    desk.error = None
    expect(visitor.answers).to_have_count(2)
    said = [item["text"] for item in desk.conversation.items if item["role"] == "customer"]
    assert said == ["one", "two"]


def test_a_refused_message_can_be_tried_again_or_deleted(desk: FakeDesk, visitor: Visitor) -> None:
    desk.error = {"code": "forbidden"}
    visitor.open().ask("Hello")
    failed = visitor.widget.locator(".failed")
    expect(failed.locator(".state")).to_have_text("This chat takes no messages")
    desk.error = None
    failed.get_by_role("button", name="Try again").click()
    expect(visitor.answers).to_have_count(1)
    expect(failed).to_have_count(0)


@pytest.mark.parametrize("code", [1012, 1011, 4408])
def test_a_closed_socket_is_opened_again_from_the_last_item(
    desk: FakeDesk, visitor: Visitor, code: int
) -> None:
    visitor.open().ask("Hello")
    expect(visitor.answers).to_have_count(1)
    desk.close_sockets(code)
    wait_until(visitor, lambda: len(desk.frames("hello")) == 2)
    assert desk.frames("hello")[1]["last_seq"] == 2
    visitor.ask("Still there?")
    expect(visitor.answers).to_have_count(2)


def test_a_drain_is_followed_by_a_return_at_the_told_time(desk: FakeDesk, visitor: Visitor) -> None:
    visitor.open()
    wait_until(visitor, lambda: len(desk.frames("hello")) == 1)
    wait_until(visitor, lambda: bool(desk.conversation.sockets))
    desk.run(desk.conversation.tell({"type": "drain", "reconnect_ms": 1500}))
    closed_at = time.monotonic()
    desk.close_sockets(1012)
    wait_until(visitor, lambda: len(desk.frames("hello")) == 2)
    assert 1.4 < time.monotonic() - closed_at < 4


@pytest.mark.parametrize(
    ("code", "words"), [(4403, "not available"), (4406, "Please reload the page")]
)
def test_a_final_refusal_is_not_argued_with(
    desk: FakeDesk, visitor: Visitor, code: int, words: str
) -> None:
    desk.hello_close = code
    visitor.open()
    expect(visitor.widget.locator(".notice")).to_contain_text(words)
    visitor.page.wait_for_timeout(1500)
    assert len(desk.frames("hello")) == 1


def test_a_page_that_the_desk_does_not_know_is_told(desk: FakeDesk, visitor: Visitor) -> None:
    desk.session_status = 403
    visitor.open()
    expect(visitor.widget.locator(".notice")).to_contain_text("not available on this page")
    assert len(desk.sessions) == 1


def test_a_refused_token_is_replaced(desk: FakeDesk, visitor: Visitor) -> None:
    desk.hello_close = 4401
    visitor.open()
    wait_until(visitor, lambda: len(desk.sessions) >= 2)
    desk.hello_close = None
    visitor.ask("Hello")
    expect(visitor.answers).to_have_count(1)


def test_without_sockets_the_chat_goes_on_over_requests(desk: FakeDesk, visitor: Visitor) -> None:
    desk.sockets_open = False
    visitor.open().ask("Over plain requests")
    expect(visitor.answers.locator(".rich")).to_have_text(
        "You said: Over plain requests", timeout=15_000
    )
    [sent] = desk.frames("send")
    assert sent["http"]
    desk.run(desk.conversation.add("operator", "A person too."))
    expect(visitor.widget.locator(".operator .rich")).to_have_text("A person too.")


def test_a_gap_is_filled_by_requests(desk: FakeDesk, visitor: Visitor) -> None:
    visitor.open().ask("Hello")
    expect(visitor.answers).to_have_count(1)
    for number in range(7):
        desk.run(desk.conversation.add("operator", f"Note {number}"))
    desk.page_size = 3
    visitor.page.reload()
    expect(visitor.widget.locator(".operator")).to_have_count(7)
    expect(visitor.widget.locator(".missing")).to_be_hidden()


def test_an_item_that_was_dropped_on_the_way_is_fetched(desk: FakeDesk, visitor: Visitor) -> None:
    visitor.open().ask("Hello")
    expect(visitor.answers).to_have_count(1)
    sockets = desk.conversation.sockets
    desk.conversation.sockets = []
    desk.run(desk.conversation.add("operator", "Lost on the way"))
    desk.conversation.sockets = sockets
    desk.run(desk.conversation.add("operator", "Arrived"))
    expect(visitor.widget.locator(".operator .rich")).to_have_text(["Lost on the way", "Arrived"])


def test_two_tabs_show_one_conversation(
    desk: FakeDesk, visitor: Visitor, context: BrowserContext, shop: HostPage
) -> None:
    visitor.open().ask("From the first tab")
    expect(visitor.answers).to_have_count(1)
    other = visitor_make(context, shop).open()
    expect(other.answers).to_have_count(1)
    other.ask("From the second tab")
    for tab in (visitor, other):
        expect(tab.answers).to_have_count(2)
        expect(tab.widget.locator(".message.customer")).to_have_count(2)
        expect(tab.widget.locator(".outgoing")).to_have_count(0)
    assert len(desk.frames("send")) == 2
    assert other.problems == []


def test_frames_that_make_no_sense_are_ignored(desk: FakeDesk, visitor: Visitor) -> None:
    visitor.open()
    wait_until(visitor, lambda: bool(desk.conversations) and bool(desk.conversation.sockets))
    for frame in (
        {"type": "item"},
        {"type": "item", "seq": -1, "role": "assistant"},
        {"type": "item", "seq": 1, "role": "robot", "text": "x"},
        {"type": "delta", "reply_to": None, "fence": 1, "n": 1, "text": "x"},
        {"type": "from_the_future", "text": "x"},
        {"type": "ack", "client_message_id": "unknown", "seq": 99, "duplicate": False},
    ):
        desk.run(desk.conversation.tell(frame))
    visitor.ask("Still fine?")
    expect(visitor.answers.locator(".rich")).to_have_text("You said: Still fine?")


def test_the_identity_goes_with_the_session(desk: FakeDesk, visitor: Visitor) -> None:
    visitor.shop.attributes["identity"] = "header.claims.signature"
    visitor.open()
    wait_until(visitor, lambda: len(desk.sessions) == 1)
    assert desk.sessions[0]["identity_jwt"] == "header.claims.signature"
    visitor.page.evaluate("window.SupportDesk.identify(() => Promise.resolve('fresh.one.here'))")
    wait_until(visitor, lambda: len(desk.sessions) == 2)
    assert desk.sessions[1]["identity_jwt"] == "fresh.one.here"
    visitor.page.evaluate("window.SupportDesk.identify(null)")
    wait_until(visitor, lambda: len(desk.sessions) == 3)
    assert "identity_jwt" not in desk.sessions[2]
    assert "resume_token" not in desk.sessions[2]
