"""A customer asks, watches the answer come, looks at what it rests on, and says what they think."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Visitor
from tests.journeys.fake_desk import FakeDesk, FakeTurn

pytestmark = pytest.mark.browser

CITATIONS = [
    {"id": "E1", "title": "Returns", "text": "Tea that is unopened may come back within 14 days."},
    {"id": "E2", "title": "Delivery", "text": "Parcels leave on working days."},
]


async def answer_cited(turn: FakeTurn) -> None:
    await turn.answer("Within **14 days**, unopened [1].", citations=CITATIONS)


def test_text_streams_and_the_final_item_replaces_it(desk: FakeDesk, visitor: Visitor) -> None:
    turns: list[FakeTurn] = []

    async def half(turn: FakeTurn) -> None:
        turns.append(turn)
        await turn.status("writing")
        await turn.delta("Within **thirt")

    desk.answer = half
    visitor.open().ask("How long may I wait?")
    live = visitor.widget.locator(".message.live")
    expect(live.locator("strong")).to_have_text("thirt")
    expect(live.locator(".live-words")).to_have_text("Writing")
    desk.run(turns[0].answer("Within **14 days**.", citations=[]))
    expect(visitor.answers.locator(".rich")).to_have_text("Within 14 days.")
    expect(live).to_have_count(0)


def test_a_reset_takes_back_what_was_shown(desk: FakeDesk, visitor: Visitor) -> None:
    async def twice(turn: FakeTurn) -> None:
        await turn.delta("Wrong beginning")
        await turn.reset()
        await turn.delta("Right beginning")

    desk.answer = twice
    visitor.open().ask("Hello")
    live = visitor.widget.locator(".message.live .rich")
    expect(live).to_have_text("Right beginning")


def test_a_lost_delta_stops_the_draft_but_not_the_answer(desk: FakeDesk, visitor: Visitor) -> None:
    turns: list[FakeTurn] = []

    async def holed(turn: FakeTurn) -> None:
        turns.append(turn)
        await turn.delta("You may ")
        await turn.delta("return it.", skip=1)

    desk.answer = holed
    visitor.open().ask("May I return it?")
    live = visitor.widget.locator(".message.live .rich")
    expect(live).to_have_text("You may")
    desk.run(turns[0].answer("You may not return it."))
    expect(visitor.answers.locator(".rich")).to_have_text("You may not return it.")


def test_a_number_opens_the_passage(desk: FakeDesk, visitor: Visitor) -> None:
    desk.answer = answer_cited
    visitor.open().ask("Can I return tea?")
    chip = visitor.answers.locator("button.cite")
    expect(chip).to_have_attribute("aria-label", "Source 1: Returns")
    chip.click()
    passage = visitor.answers.locator(".passage")
    expect(passage).to_contain_text("Tea that is unopened may come back within 14 days.")
    expect(chip).to_have_attribute("aria-expanded", "true")
    visitor.answers.locator(".source").nth(1).click()
    expect(passage).to_contain_text("Parcels leave on working days.")


def test_stop_asks_the_desk_and_keeps_what_was_written(desk: FakeDesk, visitor: Visitor) -> None:
    async def stoppable(turn: FakeTurn) -> None:
        await turn.delta("One, two")
        await turn.cancelled.wait()
        await turn.answer("One, two", outcome="cancelled")

    desk.answer = stoppable
    visitor.open().ask("Count")
    expect(visitor.widget.locator(".live .rich")).to_have_text("One, two")
    visitor.widget.get_by_role("button", name="Stop answering").click()
    expect(visitor.answers.locator(".stopped")).to_have_text("Answer stopped")
    expect(visitor.widget.locator(".round.stop")).to_be_hidden()
    [sent] = desk.frames("cancel")
    assert sent["client_message_id"] == desk.frames("send")[0]["client_message_id"]


def test_the_queue_tells_position_and_seconds(desk: FakeDesk, visitor: Visitor) -> None:
    async def queued(turn: FakeTurn) -> None:
        await turn.status("queued", position=2, eta_ms=9000)

    desk.answer = queued
    visitor.open().ask("Hello")
    words = visitor.widget.locator(".live-words")
    expect(words).to_have_text("In the queue · 2 ahead of you · about 9 s")
    expect(words).to_have_text("In the queue · 2 ahead of you · about 7 s")


def test_a_thumb_down_asks_why(desk: FakeDesk, visitor: Visitor) -> None:
    desk.answer = answer_cited
    visitor.open().ask("Can I return tea?")
    visitor.answers.get_by_role("button", name="Not helpful").click()
    visitor.answers.get_by_role("button", name="Incomplete").click()
    visitor.answers.get_by_label("Anything to add?").fill("And opened tea?")
    visitor.answers.get_by_role("button", name="Send feedback").click()
    expect(visitor.answers.locator(".thanks")).to_have_text("Thank you for telling us")
    first, second = desk.frames("rate")
    assert first == {"v": 1, "type": "rate", "reply_seq": 2, "kind": "thumb", "score": 0}
    assert second == {**first, "reasons": ["incomplete"], "comment": "And opened tea?"}


def test_stars_are_asked_for_once_when_the_customer_leaves(
    desk: FakeDesk, visitor: Visitor
) -> None:
    visitor.open().ask("Hello")
    expect(visitor.answers).to_have_count(1)
    visitor.panel.get_by_role("button", name="Close chat").click()
    sheet = visitor.widget.locator(".sheet")
    sheet.get_by_role("radio", name="4 stars, Good").check(force=True)
    sheet.get_by_role("button", name="Send feedback").click()
    expect(visitor.panel).to_be_hidden()
    [rate] = desk.frames("rate")
    assert rate == {"v": 1, "type": "rate", "reply_seq": 2, "kind": "stars", "score": 4}
    visitor.launcher.click()
    visitor.panel.get_by_role("button", name="Close chat").click()
    expect(visitor.panel).to_be_hidden()


def test_a_person_can_be_asked_for(desk: FakeDesk, visitor: Visitor) -> None:
    visitor.open()
    expect(visitor.panel.locator(".header .ai")).to_have_text("AI")
    expect(visitor.panel.locator(".disclosure")).to_contain_text("AI assistant")
    visitor.panel.get_by_role("button", name="Talk to a human").click()
    expect(visitor.panel.locator(".subtitle")).to_contain_text("Finding a person for you")
    expect(visitor.panel.locator(".note").last).to_contain_text("We have told our team")
    desk.run(desk.conversation.add("operator", "Hello, this is *Lin*."))
    expect(visitor.panel.locator(".subtitle")).to_contain_text("You are talking with a person")
    expect(visitor.panel.locator(".operator .rich")).to_have_text("Hello, this is *Lin*.")
    assert len(desk.frames("request_human")) == 1


def test_merged_turns_leave_no_empty_answer(desk: FakeDesk, visitor: Visitor) -> None:
    async def second_answers(turn: FakeTurn) -> None:
        if turn.text == "second":
            first = next(iter(turn.conversation.turns.values()))
            await first.answer("", outcome="merged")
            await turn.answer("Both answered.")

    desk.answer = second_answers
    visitor.open().ask("first")
    expect(visitor.widget.locator(".message.customer:not(.outgoing)")).to_have_count(1)
    visitor.ask("second")
    expect(visitor.answers.locator(".rich")).to_have_text("Both answered.")
    expect(visitor.widget.locator(".live")).to_have_count(0)


def test_news_while_the_chat_is_closed_are_counted(desk: FakeDesk, visitor: Visitor) -> None:
    visitor.open().ask("Hello")
    expect(visitor.answers).to_have_count(1)
    visitor.page.keyboard.press("Escape")
    visitor.page.keyboard.press("Escape")
    expect(visitor.panel).to_be_hidden()
    desk.run(desk.conversation.add("operator", "One more thing."))
    expect(visitor.launcher.locator(".badge")).to_have_text("1")
    expect(visitor.launcher).to_have_attribute("aria-label", "Ask us: open the chat, 1 unread")
    visitor.launcher.click()
    expect(visitor.launcher.locator(".badge")).to_be_hidden()


def test_reading_above_is_not_disturbed_by_news(desk: FakeDesk, visitor: Visitor) -> None:
    async def long(turn: FakeTurn) -> None:
        await turn.answer("\n\n".join(f"Paragraph {number}." for number in range(40)))

    desk.answer = long
    visitor.open().ask("Tell me everything")
    expect(visitor.answers).to_have_count(1)
    scroller = visitor.widget.locator(".scroller")
    scroller.evaluate("element => element.scrollTo(0, 0)")
    more = visitor.widget.locator(".more")
    expect(more).to_be_hidden()
    desk.run(desk.conversation.add("operator", "Anything else?"))
    expect(more).to_be_visible()
    assert scroller.evaluate("element => element.scrollTop") == 0
    more.click()
    expect(more).to_be_hidden()
    expect(visitor.widget.get_by_text("Anything else?").first).to_be_in_viewport()


def test_a_screen_reader_hears_whole_answers_only(desk: FakeDesk, visitor: Visitor) -> None:
    turns: list[FakeTurn] = []

    async def half(turn: FakeTurn) -> None:
        turns.append(turn)
        await turn.delta("Within ")

    desk.answer = half
    visitor.open().ask("How long?")
    announcer = visitor.panel.locator("[aria-live=polite]")
    expect(visitor.widget.locator(".live .rich")).to_have_text("Within")
    expect(announcer).to_be_empty()
    desk.run(turns[0].answer("Within **14 days** [1].", citations=CITATIONS))
    expect(announcer).to_have_text("AI assistant: Within 14 days .")
    expect(visitor.panel.get_by_role("log")).to_have_attribute("aria-live", "off")
