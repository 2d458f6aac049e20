"""The demo shop: a page of another origin that embeds the widget with one script tag.

    python -m supportdesk.demoshop --host 127.0.0.1 --port 8001 \
        --desk http://127.0.0.1:8000 --site-key KEY --orders demo_orders.sqlite3

Somebody may log in there as one of two invented customers: the shop then signs an identity for the
widget, with the secret in DEMOSHOP_IDENTITY_SECRET. The shop's orders have an API (demo_orders.py),
which the desk's tools call with the key in DEMOSHOP_API_KEY. It needs neither Django nor the desk's
database, and ends when the process that started it ends.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
import tomllib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt

from supportdesk.demo_orders import (
    API_PREFIX,
    BODY_MOST,
    CUSTOMERS,
    OrderApi,
    OrderBook,
)

TEMPLATES = Path(__file__).resolve().parent.parent / "templates" / "demoshop"
LANGUAGES = ("zh", "en")
PARENT_CHECK_SECONDS = 1.0
IDENTITY_SECONDS = 600


class PageTemplate(Template):
    """``{{ name }}`` and nothing more, so that editors and linters take the page for a template."""

    pattern = r"""
        \{\{ \s (?P<named>[a-z_]+) \s \}\}
        | (?P<escaped>(?!)) | (?P<braced>(?!)) | (?P<invalid>(?!))
    """  # type: ignore[assignment]  # typeshed gives the compiled form of what Template takes


@dataclass(frozen=True, slots=True)
class Shop:
    """Where the shop's desk is, and which site of it the shop is."""

    desk_url: str
    site_key: str
    identity_secret: str = ""

    @property
    def policy(self) -> str:
        """A strict Content-Security-Policy: what docs/embedding.md says a page must allow."""
        socket = "ws" + self.desk_url.removeprefix("http")
        return "; ".join(
            [
                "default-src 'none'",
                f"script-src 'self' {self.desk_url}",
                "style-src 'self'",
                "img-src 'self' data:",
                f"connect-src 'self' {self.desk_url} {socket}",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            ]
        )

    def identity(self, customer: str, language: str) -> str:
        """A signed identity (docs/embedding.md) for somebody who is logged in; good for ten minutes.

        Raises:
            KeyError: there is no such customer.
        """
        name = CUSTOMERS[customer][language]
        return jwt.encode(
            {
                "sub": customer,
                "aud": self.site_key,
                "name": name,
                "exp": int(time.time()) + IDENTITY_SECONDS,
                "jti": uuid.uuid4().hex,
            },
            self.identity_secret,
            algorithm="HS256",
            headers={"kid": "current"},
        )

    def page(self, language: str) -> str:
        """The shop's page in ``zh`` or ``en``."""
        content = tomllib.loads((TEMPLATES / "content.toml").read_text("utf-8"))
        words: dict[str, Any] = content[language]
        other = next(each for each in LANGUAGES if each != language)
        template = PageTemplate((TEMPLATES / "page.html").read_text("utf-8"))
        plain = {name: escape(value) for name, value in words.items() if isinstance(value, str)}
        return template.substitute(
            plain,
            language=language,
            other_tag=content[other]["tag"],
            widget=escape(f"{self.desk_url}/static/widget/supportdesk.js"),
            site_key=escape(self.site_key),
            nav=_join(words["nav"], lambda name: f'<a href="#goods">{escape(name)}</a>'),
            promises=_join(words["promises"], _promise),
            products=_join(words["products"], lambda one: _product(one, words["currency"])),
            questions=_join(words["questions"], _question),
            order_questions=_join(words["order_questions"], _question),
            customers=_join(
                list(CUSTOMERS.items()) if self.identity_secret else [],
                lambda one: _customer(one[0], one[1][language], words["customers"][one[0]]),
            ),
        )


def language_choose(accepted: str) -> str:
    """``zh`` when the browser's Accept-Language names Chinese before English, else ``en``."""
    for part in accepted.lower().split(","):
        primary = part.split(";")[0].strip().split("-")[0]
        if primary in LANGUAGES:
            return primary
    return "en"


def server_make(
    *, host: str, port: int, shop: Shop, orders: OrderApi | None = None
) -> ThreadingHTTPServer:
    """A server of the shop, bound but not serving; port 0 takes a free one.

    Without ``orders`` the shop has none.

    Raises:
        OSError: the port is taken.
    """

    class Handler(_Handler):
        pass

    Handler.shop = shop
    Handler.orders = orders
    return ThreadingHTTPServer((host, port), Handler)


class _Handler(BaseHTTPRequestHandler):
    server_version = "demoshop"
    sys_version = ""
    shop: Shop
    orders: OrderApi | None
    timeout = 10

    def do_GET(self) -> None:
        path = urlsplit(self.path).path.rstrip("/") or "/"
        if path.startswith(API_PREFIX):
            self._order_answer(path)
        elif path == "/identity":
            self._identity_answer()
        elif path == "/":
            language = language_choose(self.headers.get("Accept-Language", ""))
            self._answer(self.shop.page(language), "text/html")
        elif path in ("/zh", "/en"):
            self._answer(self.shop.page(path[1:]), "text/html")
        elif path == "/shop.css":
            self._answer((TEMPLATES / "shop.css").read_text("utf-8"), "text/css")
        elif path == "/shop.js":
            self._answer((TEMPLATES / "shop.js").read_text("utf-8"), "text/javascript")
        elif path == "/health":
            self._answer("ok", "text/plain")
        else:
            self._answer("Not found", "text/plain", HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        self._order_answer(urlsplit(self.path).path)

    def _order_answer(self, path: str) -> None:
        length = self.headers.get("Content-Length", "0")
        if self.orders is None or not length.isdecimal() or int(length) > BODY_MOST:
            self._answer("Not found", "text/plain", HTTPStatus.NOT_FOUND)
            return
        body = self.rfile.read(int(length))
        told = self.orders.answer(self.command, path, dict(self.headers.items()), body)
        self._answer(json.dumps(told.body, ensure_ascii=False), "application/json", told.status)

    def _identity_answer(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        language = asked.get("language", ["zh"])[0]
        try:
            if not self.shop.identity_secret or language not in LANGUAGES:
                raise KeyError(language)
            token = self.shop.identity(asked.get("customer", [""])[0], language)
        except KeyError:
            self._answer("Not found", "text/plain", HTTPStatus.NOT_FOUND)
            return
        self._answer(token, "text/plain")

    def _answer(self, text: str, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", self.shop.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Vary", "Accept-Language")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: the shop is scenery."""


def _join(values: Sequence[Any], render: Callable[[Any], str]) -> str:
    return "\n".join(render(value) for value in values)


def _question(text: str) -> str:
    return f'<li><button type="button" class="question">{escape(text)}</button></li>'


def _customer(key: str, name: str, orders: str) -> str:
    return (
        f'<li><button type="button" class="customer" data-customer="{escape(key)}"'
        f' aria-pressed="false"><strong>{escape(name)}</strong>'
        f"<span>{escape(orders)}</span></button></li>"
    )


def _promise(words: dict[str, str]) -> str:
    return f"<li><strong>{escape(words['title'])}</strong><span>{escape(words['text'])}</span></li>"


def _product(product: dict[str, Any], currency: str) -> str:
    return (
        '<li class="product">'
        f'<svg aria-hidden="true"><use href="#{escape(product["drawing"])}" /></svg>'
        f'<div class="product-line"><span>{escape(product["name"])}</span>'
        f'<span class="price">{escape(currency)}{product["price"]}</span></div>'
        f"<small>{escape(product['note'])}</small></li>"
    )


def _end_with_parent(server: ThreadingHTTPServer, parent: int) -> None:
    """Stop the server once the process that started it is gone."""
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(PARENT_CHECK_SECONDS)
    server.shutdown()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until the parent ends or Ctrl-C; 1 when the port is taken."""
    parser = argparse.ArgumentParser(prog="supportdesk.demoshop", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--desk", required=True, help="address of the desk, http://host:port")
    parser.add_argument("--site-key", required=True)
    parser.add_argument("--orders", type=Path, help="file of the shop's orders")
    given = parser.parse_args(arguments)
    parent = os.getppid()
    shop = Shop(
        desk_url=given.desk.rstrip("/"),
        site_key=given.site_key,
        identity_secret=os.environ.get("DEMOSHOP_IDENTITY_SECRET", ""),
    )
    orders = None
    if given.orders is not None:
        orders = OrderApi(OrderBook(given.orders), os.environ.get("DEMOSHOP_API_KEY", ""))
    try:
        server = server_make(host=given.host, port=given.port, shop=shop, orders=orders)
    except OSError as error:
        sys.stderr.write(f"The demo shop cannot listen on {given.host}:{given.port}: {error}\n")
        return 1
    threading.Thread(target=_end_with_parent, args=(server, parent), daemon=True).start()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0
    finally:
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
