"""Orders on the whole desk with real weights: looked up, and an address changed, in two languages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from benchmarks.desk import Desk
from tests.journeys.demo_shop import ask, shop_open
from tests.journeys.staff import staff_sign_in

pytestmark = [pytest.mark.browser, pytest.mark.weights]

# Who it is, what they say and must read: question, answer, change, new address, receipt, and what
# they read of somebody else's order.
SCENES = {
    "zh-CN": (
        "demo-lin",
        "我的订单#123456还没发货,能查一下吗?",
        r"订单 123456.*还没有发货.*\d{4}-\d\d-\d\d",
        "把订单123456的地址改成上海市徐汇区漕溪北路1号",
        "上海市徐汇区漕溪北路1号",
        "已修改",
        ("234567发货了吗", "没有订单 234567"),
    ),
    "en-GB": (
        "demo-wang",
        "My order #234567 has not been sent yet, can you check?",
        r"Order 234567 .*has not been sent yet.*\d{4}-\d\d-\d\d",
        "Change the address of order 234567 to 12 Garden Road, Xuhui, Shanghai",
        "12 Garden Road, Xuhui, Shanghai",
        "Done: order 234567 now goes to",
        ("Has order 123456 been sent?", "no order 123456"),
    ),
}


@pytest.fixture(scope="module")
def real_desk(desk_on_weights: Callable[..., Desk]) -> Desk:
    return desk_on_weights()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    made = chromium.new_context(viewport={"width": 1280, "height": 800})
    made.set_default_timeout(15_000)
    yield made
    made.close()


def card(page: Page) -> Locator:
    return page.locator("support-desk .action").last


def log_in(page: Page, customer: str = "demo-lin") -> None:
    button = page.locator(f".customer[data-customer={customer}]")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")


def say(page: Page, text: str) -> None:
    """Write something and wait for its answer, in a conversation that may have a past."""
    page.locator("support-desk .input").fill(text)
    page.locator("support-desk .input").press("Enter")
    messages = page.locator("support-desk .rows .message")
    expect(page.locator("support-desk .message.customer .bubble").last).to_have_text(text)
    expect(messages.last).to_have_class(re.compile(r"^message assistant$"), timeout=30_000)


@pytest.mark.parametrize("locale", list(SCENES))
def test_a_customer_looks_an_order_up_and_changes_its_address(
    chromium: Browser, real_desk: Desk, locale: str
) -> None:
    customer, question, answer, wish, address, receipt, (other, refused) = SCENES[locale]
    context = chromium.new_context(locale=locale, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(15_000)
    try:
        page = shop_open(context, real_desk)
        assert re.search("登录|log in", ask(page, question))
        log_in(page, customer)
        expect(page.locator("support-desk .message.customer")).to_have_count(0)
        assert re.search(answer, ask(page, question), re.S)
        assert refused in ask(page, other)

        asked = ask(page, wish)
        assert address in asked
        cancel = card(page).get_by_role("button").nth(1)
        cancel.press("Enter")  # by keyboard
        expect(card(page)).to_have_attribute("data-state", "cancelled")

        ask(page, wish)
        answers = page.locator("support-desk .message.assistant:not(.live)")
        before = answers.count()
        card(page).get_by_role("button").first.focus()
        page.keyboard.press("Space")
        expect(answers).to_have_count(before + 1)
        expect(answers.last).to_contain_text(receipt)
        expect(answers.last).to_contain_text(address)
        expect(card(page)).to_have_attribute("data-state", "done")

        page.reload()  # what became of a card is still there
        page.locator("support-desk .panel").wait_for()
        expect(card(page)).to_have_attribute("data-state", "done")
        expect(card(page).get_by_role("button", include_hidden=False)).to_have_count(0)
    finally:
        context.close()


def test_a_card_waits_through_a_restart_of_the_page_and_works_without_a_socket(
    context: BrowserContext, real_desk: Desk
) -> None:
    page = context.new_page()
    page.add_init_script("window.WebSocket = class { constructor() { throw new Error('no'); } };")
    page.goto(f"{real_desk.shop_origin}/zh")
    log_in(page)
    page.locator("support-desk .launcher").click()
    page.locator("support-desk .panel").wait_for()
    say(page, "把订单123456的地址改成南京市鼓楼区中山路 88 号")
    expect(card(page)).to_have_attribute("data-state", "pending")
    page.reload()
    page.locator("support-desk .panel").wait_for()
    expect(card(page)).to_have_attribute("data-state", "pending")
    card(page).get_by_role("button").first.click()
    expect(card(page)).to_have_attribute("data-state", "done")
    answers = page.locator("support-desk .message.assistant:not(.live)")
    expect(answers.last).to_contain_text("南京市鼓楼区中山路 88 号")


def test_staff_see_what_was_looked_up(
    chromium: Browser, context: BrowserContext, real_desk: Desk
) -> None:
    page = context.new_page()
    page.goto(f"{real_desk.shop_origin}/en")
    log_in(page)
    page.locator("support-desk .launcher").click()
    page.locator("support-desk .panel").wait_for()
    say(page, "Where is my parcel? Order 123457")
    staff = chromium.new_context(locale="en-GB")
    try:
        console = staff_sign_in(staff, real_desk, "manager")
        console.goto(f"{real_desk.url}/admin/conversations/conversation/?q=demo-lin")
        console.locator("#result_list tbody th a").first.click()
        expect(console.locator("body")).to_contain_text("delivery_status")
    finally:
        staff.close()
