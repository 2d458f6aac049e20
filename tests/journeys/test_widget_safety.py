"""Nothing that anybody writes runs on the shop's page or reaches an address outside."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Visitor
from tests.journeys.fake_desk import FakeDesk, FakeTurn

pytestmark = pytest.mark.browser

PAYLOADS = [
    "<img src=x onerror=\"document.title='owned'\">",
    "<svg/onload=document.title='owned'>",
    "<script>document.title='owned'</script>",
    "<iframe srcdoc=\"<script>parent.document.title='owned'</script>\"></iframe>",
    "[press](javascript:document.title='owned')",
    "[press](JaVaScRiPt&colon;document.title='owned')",
    "[press](java\tscript:document.title='owned')",
    "[press](data:text/html,<script>parent.document.title='owned'</script>)",
    "<javascript:document.title='owned'>",
    "![x](x \"onerror=document.title='owned'\")",
    "![canary](http://canary.invalid/pixel.png?secret)",
    "[![canary](http://canary.invalid/pixel.png)](http://canary.invalid/)",
    "[1]: javascript:document.title='owned'\n\n[1]",
    "`<img src=x onerror=document.title='owned'>`",
    "```html\n<img src=x onerror=document.title='owned'>\n```",
    "|<img src=x onerror=document.title='owned'>|b|\n|-|-|\n|<b onmouseover=1>|2|",
    '<a href="http://x" onclick="document.title=\'owned\'">x</a>',
    "<style>*{display:none}</style>",
    "<math><mtext></p><img src onerror=document.title='owned'>",
    "{{constructor.constructor('document.title=1')()}}",
]
DANGEROUS = (
    "script, iframe, img, object, embed, style, link, form:not(.composer, .why, .sheet-body),"
    " [onerror], [onload], [onclick], [onmouseover], [srcdoc]"
)


def test_payloads_from_everywhere_stay_words(desk: FakeDesk, visitor: Visitor) -> None:
    async def repeat(turn: FakeTurn) -> None:
        await turn.delta(turn.text)
        citation = {"id": turn.text, "title": turn.text, "text": turn.text}
        await turn.answer(turn.text + " [1]", citations=[citation])

    desk.answer = repeat
    desk.site_name = PAYLOADS[0]
    visitor.open()
    visitor.page.evaluate("document.title = 'shop'")
    for number, payload in enumerate(PAYLOADS, start=1):
        visitor.ask(payload)
        expect(visitor.answers).to_have_count(number)
        desk.run(desk.conversation.add("operator", payload))
        desk.conversation.mode = "bot"
        desk.run(desk.conversation.tell({"type": "mode", "mode": "bot"}))
    for source in visitor.answers.locator("button.source").all():
        source.click()
    assert visitor.page.title() == "shop"
    shadow = visitor.widget.locator(".root")
    assert shadow.locator(DANGEROUS).count() == 0
    for link in shadow.locator("a").all():
        assert urlsplit(link.get_attribute("href") or "").scheme in {
            "http",
            "https",
            "mailto",
            "tel",
        }
        assert link.get_attribute("rel") == "noopener noreferrer nofollow"
        assert link.get_attribute("target") == "_blank"


def test_only_the_shop_and_the_desk_are_asked(desk: FakeDesk, visitor: Visitor) -> None:
    async def with_pictures(turn: FakeTurn) -> None:
        await turn.answer("![p](https://canary.invalid/p.png) https://canary.invalid/page")

    desk.answer = with_pictures
    visitor.open().ask("Hello")
    expect(visitor.answers.locator("a")).to_have_attribute("href", "https://canary.invalid/page")
    known = {urlsplit(desk.url).netloc, urlsplit(visitor.shop.url).netloc}
    assert {urlsplit(url).netloc for url in visitor.requests} == known


def test_a_strict_policy_of_the_page_is_kept(desk: FakeDesk, visitor: Visitor) -> None:
    violations: list[str] = []
    visitor.page.on("console", lambda message: violations.append(message.text))
    visitor.open().ask("Hello")
    expect(visitor.answers).to_have_count(1)
    visitor.answers.get_by_role("button", name="Not helpful").click()
    assert [text for text in violations if "Content Security Policy" in text] == []
    assert "unsafe" not in visitor.shop.policy


def test_the_token_is_in_no_address(desk: FakeDesk, visitor: Visitor) -> None:
    visitor.open().ask("Hello")
    expect(visitor.answers).to_have_count(1)
    token = desk.frames("hello")[0]["token"]
    assert [url for url in visitor.requests if token in url] == []
    assert visitor.page.context.cookies() == []
