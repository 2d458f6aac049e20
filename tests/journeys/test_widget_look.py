"""The widget looks and handles the same on every page, screen and keyboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.conftest import HostPage, Visitor, visitor_make
from tests.journeys.fake_desk import FakeDesk, FakeTurn

pytestmark = pytest.mark.browser

HOSTILE = """
:root { font-size: 40px; }
* { font-family: cursive !important; letter-spacing: 9px !important; color: red !important;
    text-transform: uppercase !important; line-height: 4 !important; box-sizing: content-box; }
button, textarea, p, h2, ul, svg { display: none !important; background: lime !important; }
support-desk { display: none !important; opacity: 0 !important; transform: scale(0.2) !important;
    position: static !important; z-index: -1 !important; visibility: hidden !important; }
"""

COMPUTED = """
element => {
  const style = getComputedStyle(element);
  return ["display", "color", "fontFamily", "fontSize", "letterSpacing", "lineHeight",
    "textTransform", "backgroundColor", "visibility", "boxSizing"].map((name) => style[name]);
}
"""
PARTS = [".launcher", ".panel", ".header", ".shop", ".input", ".send", ".welcome-title"]


@pytest.fixture
def phone(chromium: Browser, shop: HostPage) -> Iterator[Visitor]:
    context = chromium.new_context(
        locale="zh-CN", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    context.set_default_timeout(5000)
    shop.attributes["language"] = "auto"
    made = visitor_make(context, shop)
    yield made
    context.close()
    assert made.problems == []


def styles(visitor: Visitor) -> dict[str, list[str]]:
    return {part: visitor.widget.locator(part).evaluate(COMPUTED) for part in PARTS}


def test_styles_of_the_page_do_not_reach_in(visitor: Visitor) -> None:
    plain = styles(visitor.open())
    visitor.page.evaluate("sessionStorage.clear()")
    visitor.shop.style = HOSTILE
    assert styles(visitor.open()) == plain
    box = visitor.launcher.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] == 1280 - 20
    host = visitor.widget.evaluate(
        "element => { const s = getComputedStyle(element);"
        " return [s.display, s.position, s.opacity, s.transform, s.zIndex]; }"
    )
    assert host == ["block", "fixed", "1", "none", "2147483000"]


def test_a_right_to_left_page_does_not_turn_the_chat_around(visitor: Visitor) -> None:
    visitor.shop.style = "html { direction: rtl }"
    visitor.open()
    assert visitor.panel.evaluate("(panel) => getComputedStyle(panel).direction") == "ltr"


def test_at_twice_the_size_the_whole_chat_is_on_the_screen(visitor: Visitor) -> None:
    """A browser's zoom of 200 % leaves half as many pixels in each direction."""
    visitor.page.set_viewport_size({"width": 683, "height": 450})
    visitor.open()
    for part in (visitor.input, visitor.panel.get_by_role("button", name="Close chat")):
        expect(part).to_be_in_viewport(ratio=1)


def test_styles_of_the_widget_do_not_reach_out(visitor: Visitor) -> None:
    visitor.page.goto("about:blank")
    visitor.visit()
    heading = visitor.page.locator("h1")
    assert heading.evaluate("element => getComputedStyle(element).fontSize") == "32px"


def test_an_enter_that_chooses_a_word_does_not_send(desk: FakeDesk, visitor: Visitor) -> None:
    visitor.open()
    visitor.input.fill("nihao")
    compose = (
        "(element, on) => element.dispatchEvent(new CompositionEvent("
        "on ? 'compositionstart' : 'compositionend', {bubbles: true}))"
    )
    visitor.input.evaluate(compose, True)
    visitor.input.press("Enter")
    visitor.input.evaluate(compose, False)
    safari = (
        "element => element.dispatchEvent(new KeyboardEvent('keydown',"
        " {key: 'Enter', keyCode: 229, bubbles: true, cancelable: true}))"
    )
    visitor.input.evaluate(safari)
    expect(visitor.widget.locator(".message.customer")).to_have_count(0)
    visitor.input.fill("你好")
    visitor.input.press("Enter")
    expect(visitor.answers.locator(".rich")).to_have_text("You said: 你好")
    assert [frame["text"] for frame in desk.frames("send")] == ["你好"]


def test_shift_enter_breaks_the_line_and_the_field_grows(desk: FakeDesk, visitor: Visitor) -> None:
    visitor.open()
    low = visitor.input.bounding_box()
    visitor.input.press_sequentially("one")
    visitor.input.press("Shift+Enter")
    visitor.input.press_sequentially("two")
    high = visitor.input.bounding_box()
    assert low is not None
    assert high is not None
    assert high["height"] > low["height"]
    visitor.input.press("Enter")
    expect(visitor.widget.locator(".bubble")).to_have_text("one\ntwo")
    assert desk.frames("send")[0]["text"] == "one\ntwo"


def test_the_limit_counts_code_points(visitor: Visitor) -> None:
    visitor.open()
    send = visitor.widget.locator(".send")
    counter = visitor.widget.locator(".counter")
    visitor.input.fill("🍵" * 4000)
    expect(counter).to_have_text("0 characters left")
    expect(send).to_be_enabled()
    visitor.input.fill("🍵" * 4001)
    expect(counter).to_have_text("1 characters too many")
    expect(send).to_be_disabled()
    visitor.input.fill("\u200b \u2060")
    expect(send).to_be_disabled()


def test_the_keyboard_is_enough(visitor: Visitor) -> None:
    visitor.visit()
    visitor.page.keyboard.press("Tab")
    expect(visitor.launcher).to_be_focused()
    visitor.page.keyboard.press("Enter")
    expect(visitor.input).to_be_focused()
    visitor.page.keyboard.press("Escape")
    expect(visitor.panel).to_be_hidden()
    expect(visitor.launcher).to_be_focused()


def test_keys_typed_in_the_chat_are_no_shortcuts_of_the_page(visitor: Visitor) -> None:
    visitor.open()
    visitor.page.evaluate(
        "window.keys = []; document.addEventListener('keydown', (e) => window.keys.push(e.key))"
    )
    visitor.input.press_sequentially("gk")
    assert visitor.page.evaluate("window.keys") == []


def test_on_a_phone_the_chat_fills_the_screen_and_keeps_the_focus(
    desk: FakeDesk, phone: Visitor
) -> None:
    async def cited(turn: FakeTurn) -> None:
        await turn.answer(
            "七天内可以[1]。", citations=[{"id": "E1", "title": "退货", "text": "七天"}]
        )

    desk.answer = cited
    phone.open().ask("可以退货吗？")
    expect(phone.answers.locator(".rich")).to_contain_text("七天内可以")
    box = phone.panel.bounding_box()
    assert box == {"x": 0, "y": 0, "width": 390, "height": 844}
    expect(phone.launcher).to_be_hidden()
    assert phone.panel.get_attribute("aria-modal") == "true"
    assert phone.page.evaluate("document.documentElement.style.overflow") == "hidden"
    for _ in range(20):
        phone.page.keyboard.press("Tab")
        assert phone.page.evaluate("document.activeElement.localName") == "support-desk"
    small = phone.widget.evaluate(
        "element => [...element.shadowRoot.querySelectorAll('.header button, .composer .round')]"
        ".filter((b) => b.getClientRects().length && b.getBoundingClientRect().height < 40).length"
    )
    assert small == 0
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
    phone.panel.get_by_role("button", name="关闭对话").click()
    phone.panel.get_by_role("button", name="暂不评价").click()
    expect(phone.panel).to_be_hidden()
    assert phone.page.evaluate("document.documentElement.style.overflow") == ""


def test_the_language_follows_the_browser(phone: Visitor) -> None:
    phone.open()
    expect(phone.widget.locator(".root")).to_have_attribute("lang", "zh-Hans")
    expect(phone.panel.locator(".disclosure")).to_contain_text("AI 助手")


def test_dark_and_still_when_the_customer_wants_it(chromium: Browser, shop: HostPage) -> None:
    context = chromium.new_context(color_scheme="dark", reduced_motion="reduce")
    visitor = visitor_make(context, shop).open()
    background = visitor.panel.evaluate("element => getComputedStyle(element).backgroundColor")
    assert background == "rgb(22, 27, 25)"
    duration = visitor.panel.evaluate("element => getComputedStyle(element).animationDuration")
    assert duration == "0.001s"
    context.close()


def test_the_colour_of_the_shop_stays_readable(visitor: Visitor) -> None:
    visitor.shop.attributes["accent"] = "#ffeb3b"
    visitor.visit()
    expect(visitor.launcher).not_to_have_css("background-color", "rgb(29, 107, 89)")
    expect(visitor.launcher).not_to_have_css("background-color", "rgb(255, 235, 59)")


def test_the_page_can_open_the_chat_with_a_question(visitor: Visitor) -> None:
    visitor.visit()
    visitor.page.evaluate("window.SupportDesk.open('How long is delivery?')")
    expect(visitor.panel).to_be_visible()
    expect(visitor.input).to_have_value("How long is delivery?")
    visitor.page.evaluate("window.SupportDesk.close()")
    expect(visitor.panel).to_be_hidden()
