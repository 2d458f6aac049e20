"""The whole desk on real weights: customers in two languages, a manager, an admin."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.desk import Desk
from tests.journeys.demo_shop import ask, shop_open
from tests.journeys.staff import staff_sign_in

pytestmark = [pytest.mark.browser, pytest.mark.weights]


@pytest.fixture(scope="module")
def real_desk(desk_on_weights: Callable[..., Desk]) -> Desk:
    return desk_on_weights()


@pytest.fixture
def customer(chromium: Browser, real_desk: Desk) -> Iterator[Page]:
    """An English customer in front of the demo shop."""
    with_context = chromium.new_context(locale="en-GB")
    yield shop_open(with_context, real_desk)
    with_context.close()


def test_customers_are_answered_in_their_language_with_sources(
    chromium: Browser, real_desk: Desk
) -> None:
    chinese = chromium.new_context(locale="zh-CN")
    english = chromium.new_context(locale="en-GB")
    try:
        zh, en = shop_open(chinese, real_desk), shop_open(english, real_desk)
        assert "7天" in ask(zh, "7天内可以退货吗?")
        assert re.search(r"7 days", ask(en, "How many days do I have to return something?"))
        for page in (zh, en):
            sources = page.locator("support-desk .message.assistant:not(.live)").last
            expect(sources.locator(".source, button.cite").first).to_be_visible()
    finally:
        chinese.close()
        english.close()


def test_what_the_knowledge_does_not_hold_is_not_made_up(customer: Page) -> None:
    answer = ask(customer, "Who won the world cup in 1998?")
    assert "cannot confirm" in answer


def test_a_rating_reaches_the_manager(customer: Page, chromium: Browser, real_desk: Desk) -> None:
    ask(customer, "How many days do I have to return something?")
    customer.locator("support-desk .message.assistant:not(.live) .thumb").first.click()
    context = chromium.new_context(locale="en-GB")
    try:
        page = staff_sign_in(context, real_desk, "manager")
        page.goto(f"{real_desk.url}/admin/reports/satisfaction/")
        expect(page.locator(".desk-figures")).to_contain_text("1 of")
        expect(page.locator("canvas").first).to_be_visible()
    finally:
        context.close()


def test_an_edited_entry_changes_the_next_answer(
    customer: Page, chromium: Browser, real_desk: Desk
) -> None:
    question = "What is your return policy?"
    assert "7 days" in ask(customer, question)
    context = chromium.new_context(locale="en-GB")
    try:
        page = staff_sign_in(context, real_desk, "admin")
        page.goto(f"{real_desk.url}/admin/knowledge/entry/?q=What+is+your+return+policy")
        page.locator("#result_list a", has_text="What is your return policy?").first.click()
        answer = page.locator("[name=answer]")
        answer.fill(answer.input_value().replace("within 7 days", "within 21 days"))
        page.locator("[name=_save]").first.click()
        page.wait_for_load_state()
    finally:
        context.close()
    assert "21 days" in ask(customer, question)


def test_nothing_leaves_the_machine_while_customers_chat(customer: Page, real_desk: Desk) -> None:
    tree = psutil.Process(real_desk.pid)
    remotes = set()
    answers = customer.locator("support-desk .message.assistant:not(.live)")
    for number, question in enumerate(
        ["Which ways can I pay?", "How long is the warranty?", "Tell me a joke"], start=1
    ):
        field = customer.locator("support-desk .input")
        field.fill(question)
        field.press("Enter")
        while answers.count() < number:
            for process in [tree, *tree.children(recursive=True)]:
                for connection in process.net_connections("inet"):
                    if connection.raddr:
                        remotes.add(connection.raddr.ip)
            customer.wait_for_timeout(20)
    assert remotes, "the processes of the desk talk to each other"
    assert {ip.removeprefix("::ffff:") for ip in remotes} <= {"127.0.0.1", "::1"}
