"""An answer of the real model is written before the customer's eyes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser

from benchmarks.desk import Desk
from tests.journeys.demo_shop import ask, shop_open

pytestmark = [pytest.mark.browser, pytest.mark.weights]

# Which of them pass the support check depends on the model; one has to.
QUESTIONS = (
    "How long is the warranty of small appliances, and what about damage by the user?",
    "How long does delivery take to most regions and to remote regions?",
    "What do silver members and gold members get?",
    "When do you send the refund and when does it reach me?",
)


@pytest.fixture(scope="module")
def real_desk(desk_on_weights: Callable[..., Desk]) -> Desk:
    # No entry is sent as it stands, so that the model has to answer; and it may take its time,
    # because this is about what is seen, however busy the machine.
    return desk_on_weights(
        SUPPORTDESK_DIRECT_PROBABILITY="1",
        SUPPORTDESK_FIRST_TOKEN_SECONDS="20",
        SUPPORTDESK_DEADLINE_SECONDS="40",
    )


def test_text_is_shown_while_the_model_writes_and_the_answer_takes_its_place(
    chromium: Browser, real_desk: Desk
) -> None:
    context = chromium.new_context(locale="en-GB")
    page = shop_open(context, real_desk)
    page.evaluate(
        """() => {
          const root = document.querySelector('support-desk').shadowRoot;
          window.seen = [];
          new MutationObserver(() => {
            const live = root.querySelector('.message.live .rich');
            if (live && live.textContent) window.seen.push(live.textContent);
          }).observe(root, {subtree: true, childList: true, characterData: true});
        }"""
    )
    try:
        for question in QUESTIONS:
            page.evaluate("window.seen = []")
            final = ask(page, question)
            seen = page.evaluate("window.seen")
            if seen and seen[-1][:20] in final:
                return
    finally:
        context.close()
    pytest.fail("the model answered none of the questions")
