"""A real Chromium, a shop's page on another origin, and a desk that does as it is told."""

from __future__ import annotations

import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, sync_playwright

from tests.journeys.fake_desk import FakeDesk

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def playwright_driver() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def chromium(playwright_driver: Playwright) -> Iterator[Browser]:
    """The browser of the machine; set SUPPORTDESK_CHROMIUM to name another program."""
    program = os.environ.get("SUPPORTDESK_CHROMIUM") or shutil.which("chromium")
    if program is None:
        pytest.skip("No Chromium on PATH; install it or set SUPPORTDESK_CHROMIUM.")
    browser = playwright_driver.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
    yield browser
    browser.close()


@pytest.fixture
def desk() -> Iterator[FakeDesk]:
    running = FakeDesk().start()
    yield running
    running.stop()


@dataclass
class HostPage:
    """A page of a shop: its HTML, its headers, and where it is served."""

    desk_url: str
    style: str = ""
    body: str = "<h1>Lantern Tea</h1><p>Loose leaves, weighed by hand.</p>"
    attributes: dict[str, str] = field(default_factory=lambda: {"language": "en"})
    url: str = ""
    site_key: str = "test"

    def html(self) -> str:
        data = " ".join(f'data-{name}="{value}"' for name, value in self.attributes.items())
        return (
            "<!doctype html><html><head><meta charset=utf-8>"
            '<meta name=viewport content="width=device-width,initial-scale=1,viewport-fit=cover">'
            '<link rel=stylesheet href="/shop.css">'
            f'<script src="{self.desk_url}/static/widget/supportdesk.js"'
            f' data-site-key="{self.site_key}"'
            f" {data} async></script></head><body>{self.body}</body></html>"
        )

    @property
    def policy(self) -> str:
        """The strictest policy that docs/embedding.md promises to be enough."""
        socket = self.desk_url.replace("http", "ws", 1)
        return (
            f"default-src 'none'; style-src 'self'; script-src {self.desk_url};"
            f" connect-src {self.desk_url} {socket}; base-uri 'none'; form-action 'none'"
        )


@contextmanager
def shop_serve(page: HostPage) -> Iterator[HostPage]:
    """Serve a page under a strict Content-Security-Policy, on an origin that is not the desk's."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            css = self.path == "/shop.css"
            self.send_response(200)
            self.send_header("Content-Type", "text/css" if css else "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", page.policy)
            self.end_headers()
            self.wfile.write((page.style if css else page.html()).encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    page.url = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        yield page
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture
def shop(desk: FakeDesk) -> Iterator[HostPage]:
    """The shop of the desk that does as it is told."""
    with shop_serve(HostPage(desk_url=desk.url)) as page:
        yield page


@dataclass
class Visitor:
    """A customer in front of the shop's page."""

    page: Page
    shop: HostPage
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def widget(self) -> Locator:
        return self.page.locator("support-desk")

    @property
    def launcher(self) -> Locator:
        return self.widget.locator(".launcher")

    @property
    def panel(self) -> Locator:
        return self.widget.locator(".panel")

    @property
    def input(self) -> Locator:
        return self.widget.locator(".input")

    @property
    def answers(self) -> Locator:
        return self.widget.locator(".message.assistant:not(.live)")

    def visit(self) -> Visitor:
        self.page.goto(self.shop.url)
        self.launcher.wait_for(state="attached")
        return self

    def open(self) -> Visitor:
        self.visit()
        self.launcher.click()
        self.panel.wait_for()
        return self

    def ask(self, text: str) -> None:
        self.input.fill(text)
        self.input.press("Enter")


def visitor_make(context: BrowserContext, shop: HostPage) -> Visitor:
    """A visitor in ``context`` whose console errors and requests are kept."""
    visitor = Visitor(context.new_page(), shop)
    visitor.page.on("pageerror", lambda error: visitor.problems.append(str(error)))
    visitor.page.on("request", lambda request: visitor.requests.append(request.url))
    visitor.page.on("websocket", lambda socket: visitor.requests.append(socket.url))
    return visitor


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    made = chromium.new_context(locale="en-GB", viewport={"width": 1280, "height": 800})
    made.set_default_timeout(5000)
    yield made
    made.close()


@pytest.fixture
def visitor(context: BrowserContext, shop: HostPage) -> Iterator[Visitor]:
    """One customer at a desk-sized screen; the page must not throw."""
    made = visitor_make(context, shop)
    yield made
    assert made.problems == []
