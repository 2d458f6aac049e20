"""A web master's first day at a whole desk: a site of their own, prompts, roles, no demo any more."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import jwt
import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from benchmarks.desk import Desk
from tests.journeys.conftest import HostPage, shop_serve, visitor_make
from tests.journeys.demo_shop import shop_open
from tests.journeys.staff import sidebar, staff_sign_in

pytestmark = [pytest.mark.browser, pytest.mark.weights]

SECRET = "0123456789abcdef0123456789abcdef"
ENDLESS = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}"
READING = ["/admin/conversations/conversation/", "/admin/knowledge/entry/"]


@pytest.fixture(scope="module")
def real_desk(desk_on_weights: Callable[..., Desk]) -> Desk:
    return desk_on_weights()


@pytest.fixture(scope="module")
def admin_state(chromium: Browser, real_desk: Desk) -> StorageState:
    """The cookies of an admin who has signed in."""
    context = chromium.new_context(locale="en-GB")
    staff_sign_in(context, real_desk, "admin")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def admin_page(chromium: Browser, real_desk: Desk, admin_state: StorageState) -> Iterator[Page]:
    context = chromium.new_context(
        locale="en-GB", viewport={"width": 1366, "height": 900}, storage_state=admin_state
    )
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.goto(f"{real_desk.url}/admin/")
    yield page
    context.close()


@pytest.fixture
def prompt_page(admin_page: Page, real_desk: Desk) -> Page:
    """The English prompt that answers from the knowledge."""
    admin_page.goto(f"{real_desk.url}/admin/knowledge/prompttemplate/?language__exact=en")
    admin_page.locator("#result_list tbody a").first.click()
    expect(admin_page.locator("#prompt_form")).to_be_visible()
    return admin_page


def language_choose(page: Page, name: str) -> None:
    with page.expect_navigation():
        page.locator(".desk-language button", has_text=name).click()


def test_a_shop_gets_a_site_and_its_customers_region_is_known_by_the_best_source(
    admin_page: Page, chromium: Browser, real_desk: Desk
) -> None:
    with shop_serve(HostPage(desk_url=real_desk.url)) as shop:
        page = admin_page
        page.goto(f"{real_desk.url}/admin/knowledge/site/add/")
        page.fill("[name=name]", "Lantern Tea")
        page.fill("[name=allowed_origins]", shop.url)
        page.select_option("select[name=language]", "en")
        page.fill("[name=region]", "the island of the site")
        page.locator("[name=_continue]").click()
        snippet = page.locator("#desk-snippet").inner_text()
        key = re.search(r'data-site-key="([^"]+)"', snippet)
        assert key is not None
        assert f'src="{real_desk.url}/static/widget/supportdesk.js"' in snippet
        page.locator("summary, h2", has_text="Customers who are logged in").first.click()
        page.fill("[name=identity_secret]", SECRET)
        page.locator("[name=_continue]").click()

        page.goto(f"{real_desk.url}/admin/knowledge/rule/add/")
        page.fill("[name=name]", "Where am I")
        page.fill("[name=keywords_any]", "where am i")
        page.fill("[name=reply]", "You are in {{ user_region }}.")
        page.locator("[name=_save]").click()
        expect(page.locator("#result_list")).to_be_visible()

        shop.site_key = key[1]
        signed = jwt.encode(
            {
                "sub": "7",
                "aud": key[1],
                "exp": int(time.time()) + 600,
                "region": "the town of the identity",
            },
            SECRET,
            "HS256",
            headers={"kid": "current"},
        )
        for attributes, region in (
            ({}, "the island of the site"),
            ({"region": "the city of the page"}, "the city of the page"),
            (
                {"region": "the city of the page", "identity": signed},
                "the town of the identity",
            ),
        ):
            shop.attributes = {"language": "en", **attributes}
            context = chromium.new_context(locale="en-GB")
            visitor = visitor_make(context, shop).open()
            visitor.ask("Where am I?")
            expect(visitor.answers.last).to_contain_text(f"You are in {region}.")
            context.close()


def test_a_prompt_that_would_never_end_is_refused_in_the_readers_language(
    prompt_page: Page,
) -> None:
    page = prompt_page
    language_choose(page, "中文")
    page.fill("#id_user", "{{ question }}" + ENDLESS)
    preview = page.locator("[hx-post] [role=alert]")
    expect(preview).to_contain_text("模板的运算量太大")
    page.locator("[name=_publish]").click()
    expect(page.locator("[role=alert]").first).to_contain_text("未发布")
    expect(page.locator("[role=alert]").first).to_contain_text("模板的运算量太大")
    expect(page.locator(".desk-pill--success").first).to_contain_text("版本 1")
    expect(page.locator("#id_user")).to_have_value("{{ question }}" + ENDLESS)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ question", "Line 1"),
        ("{{ question }} {{ custmer }}", "Unknown variable custmer"),
        ("", "required"),
        ("   {# nothing #}  ", "The message of the prompt is empty."),
    ],
)
def test_a_template_that_does_not_render_cannot_be_published(
    prompt_page: Page, text: str, reason: str
) -> None:
    page = prompt_page
    page.fill("#id_user", text)
    page.locator("[name=_publish]").click()
    expect(page.locator("#content")).to_contain_text(reason)
    expect(page.locator(".desk-pill--success").first).to_contain_text("Version 1 is published")


def test_a_version_is_published_and_an_earlier_one_comes_back(prompt_page: Page) -> None:
    page = prompt_page
    before = page.locator(".desk-versions tbody tr").count()
    first = page.locator(".desk-versions tbody tr").last
    original = first.locator("pre").last.text_content()
    page.fill("#id_user", "Answer in one word. {{ question }}")
    page.locator("[name=_publish]").click()
    expect(page.locator(".desk-versions tbody tr").first).to_contain_text("Published")
    assert page.locator(".desk-versions tbody tr").count() >= before
    earlier = page.locator(".desk-versions tbody tr", has_text="Version 1")
    earlier.locator("summary", has_text="Bring back").click()
    earlier.get_by_label("Why").fill("One word was too few")
    earlier.get_by_role("button", name="Publish this text again").click()
    newest = page.locator(".desk-versions tbody tr").first
    expect(newest).to_contain_text("Published")
    expect(newest).to_contain_text("One word was too few")
    assert newest.locator("pre").last.text_content() == original
    expect(page.locator(".desk-versions .desk-pill--primary")).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("manager", {"/admin/knowledge/site/", "/admin/auth/user/"}),
        (
            "operator",
            {
                "/admin/knowledge/site/",
                "/admin/auth/user/",
                "/admin/knowledge/rule/",
                "/admin/knowledge/prompttemplate/",
                "/admin/reports/satisfaction/",
                "/admin/conversations/rating/",
            },
        ),
    ],
)
def test_colleagues_see_what_their_role_may(
    admin_page: Page, chromium: Browser, real_desk: Desk, name: str, missing: set[str]
) -> None:
    everything = set(sidebar(admin_page))
    context = chromium.new_context(locale="en-GB", viewport={"width": 1366, "height": 900})
    page = staff_sign_in(context, real_desk, name)
    offered = sidebar(page)
    assert set(READING) <= set(offered)
    assert missing <= everything
    assert missing.isdisjoint(offered)
    for address in sorted(missing):
        answer = page.goto(real_desk.url + address)
        assert answer is not None
        assert answer.status == 403
    page.goto(f"{real_desk.url}/admin/knowledge/entry/")
    page.locator("#result_list tbody a").first.click()
    expect(page.locator("#content")).to_contain_text("Other phrasings")
    expect(page.locator("[name=_save]")).to_have_count(0)
    context.close()


def test_the_demo_goes_with_one_button(
    admin_page: Page, chromium: Browser, real_desk: Desk
) -> None:
    page = admin_page
    page.goto(f"{real_desk.url}/admin/")
    page.locator(".desk-demo a").click()
    page.get_by_role("button", name="Remove the demo data").click()
    expect(page.get_by_role("main")).to_contain_text("The demo data is gone.")
    expect(page.locator(".desk-demo")).to_have_count(0)
    page.goto(f"{real_desk.url}/admin/knowledge/entry/")
    expect(page.locator("#result_list tbody a")).to_have_count(0)
    page.goto(f"{real_desk.url}/admin/knowledge/site/")
    expect(page.locator("#content")).not_to_contain_text("Greenstem")
    page.goto(real_desk.url)
    expect(page.locator(".doors li")).to_have_count(1)  # the admin; no demo shop
    visitor = chromium.new_context(locale="en-GB")
    shop = shop_open(visitor, real_desk)  # its page is served until the desk stops
    expect(shop.locator("support-desk .panel")).to_contain_text("not available")
    visitor.close()
