"""A customer is asked which of several answers they want, and chooses."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Visitor
from tests.journeys.fake_desk import FakeDesk, FakeTurn

pytestmark = pytest.mark.browser

TITLES = ["How do I return tea?", "Who pays for a return?"]
TEXT = (
    "Which of these do you mean?\n1. How do I return tea?\n2. Who pays for a return?\nOr a number."
)


async def offer(turn: FakeTurn) -> None:
    if turn.text in TITLES:
        await turn.answer("We pay for it.")
    else:
        await turn.answer(TEXT, choices=TITLES)


def test_a_choice_is_a_button_that_says_the_title(desk: FakeDesk, visitor: Visitor) -> None:
    desk.answer = offer
    visitor.open().ask("return")

    choices = visitor.widget.get_by_role("group", name="Choose one").get_by_role("button")
    expect(choices).to_have_text(TITLES)
    expect(visitor.answers.first.locator(".rich")).not_to_contain_text("1.")
    expect(visitor.answers.first.locator(".rich")).to_contain_text("Or a number.")

    choices.nth(1).focus()
    visitor.page.keyboard.press("Enter")

    expect(visitor.widget.locator(".message.customer .bubble").last).to_have_text(TITLES[1])
    expect(visitor.answers.last.locator(".rich")).to_have_text("We pay for it.")
    expect(choices.first).to_be_disabled()


def test_a_desk_that_sends_no_choices_has_its_list_shown(desk: FakeDesk, visitor: Visitor) -> None:
    async def plainly(turn: FakeTurn) -> None:
        await turn.answer(TEXT)

    desk.answer = plainly
    visitor.open().ask("return")

    expect(visitor.answers.first.locator("li")).to_have_count(2)
    expect(visitor.widget.locator(".choice")).to_have_count(0)
