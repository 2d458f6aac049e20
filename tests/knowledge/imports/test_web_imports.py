"""Imports from the web: off by default, from named hosts, through the same preview and undo."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.utils import translation
from pytest_socket import enable_socket

from knowledge.documents.blocks import DocumentRefused
from knowledge.models import Document, Entry, KnowledgeImport, Site
from knowledge.services.imports.applying import (
    import_apply,
    import_start,
    import_undo,
    import_undo_start,
)
from knowledge.services.imports.planning import import_plan, import_web_create

pytestmark = pytest.mark.django_db


class Shop:
    """A small website on this machine."""

    def __init__(self) -> None:
        self.pages = {
            "/returns": "<title>Help</title><h1>Returns</h1><p>Within 7 days.</p>",
            "/delivery": "<title>Help</title><h1>Delivery</h1><p>Three days.</p>",
        }
        self.asked: list[str] = []
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shop.asked.append(self.path)
                body = shop.body(self.path)
                status, headers = shop.status(self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                kind = "application/xml" if self.path.endswith(".xml") else "text/html"
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"

    def listed(self) -> list[str]:
        return list(self.pages)

    def status(self, path: str) -> tuple[int, dict[str, str]]:
        if path == "/away":
            return 302, {"Location": f"http://localhost:{self.server.server_port}/returns"}
        return (200 if self.body(path) else 404), {}

    def body(self, path: str) -> bytes:
        if path == "/sitemap.xml":
            rows = "".join(f"<url><loc>http://{self.host}{p}</loc></url>" for p in self.listed())
            return f"<urlset>{rows}</urlset>".encode()
        return self.pages.get(path, "").encode()


@pytest.fixture
def shop(settings) -> Iterator[Shop]:
    enable_socket()
    made = Shop()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    settings.WEB_IMPORT = True
    settings.WEB_IMPORT_PRIVATE_HOSTS = [made.host]
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def run(site: Site, address: str, **more: object) -> KnowledgeImport:
    batch = import_plan(batch=import_web_create(site=site, address=address, **more))
    return import_apply(batch=import_start(batch=batch)) if batch.state == "planned" else batch


def test_it_is_off_by_default(site: Site) -> None:
    with pytest.raises(DocumentRefused, match="SUPPORTDESK_WEB_IMPORT"):
        import_web_create(site=site, address="https://shop.example/")


def test_a_private_address_is_refused_unless_it_is_listed(site: Site, shop: Shop, settings) -> None:
    settings.WEB_IMPORT_PRIVATE_HOSTS = []
    batch = run(site, f"http://{shop.host}/returns")
    assert batch.state == "failed"
    assert f"list {shop.host} in SUPPORTDESK_WEB_IMPORT_PRIVATE_HOSTS" in batch.problem
    assert shop.asked == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "localhost"])
def test_a_private_address_in_disguise_is_refused(site: Site, shop: Shop, host: str) -> None:
    port = shop.server.server_port
    batch = run(site, f"http://{host}:{port}/returns")
    assert batch.state == "failed"
    assert shop.asked == []


def test_a_page_becomes_entries_that_name_it_and_reading_it_again_updates_them(
    site: Site, shop: Shop
) -> None:
    address = f"http://{shop.host}/returns"
    batch = run(site, address)
    assert batch.state == "applied"
    entry = Entry.objects.get()
    assert "Within 7 days." in entry.answer
    assert entry.document.name == address

    shop.pages["/returns"] = "<title>Help</title><h1>Returns</h1><p>Within 14 days.</p>"
    run(site, address)
    entry = Entry.objects.get()
    assert "14 days" in entry.answer
    assert entry.revision == 2


def test_a_whole_site_becomes_a_document_a_page_and_is_undone_together(
    site: Site, shop: Shop
) -> None:
    batch = run(site, f"http://{shop.host}/", whole_site=True)
    assert {entry.document.name for entry in Entry.objects.all()} == {
        f"http://{shop.host}/returns",
        f"http://{shop.host}/delivery",
    }
    assert Document.objects.count() == 2
    import_undo(batch=import_undo_start(batch=batch))
    assert not Entry.objects.exists()


def test_a_page_that_fails_leaves_what_it_said_before(site: Site, shop: Shop) -> None:
    run(site, f"http://{shop.host}/", whole_site=True)
    body = shop.body

    def broken(path: str) -> bytes:
        return b"" if path == "/delivery" else body(path)

    shop.body = broken  # type: ignore[method-assign]
    batch = run(site, f"http://{shop.host}/", whole_site=True)
    assert Entry.objects.filter(status="published").count() == 2
    [error] = batch.rows.filter(action="error")
    assert "404" in error.message


def test_each_page_that_could_not_be_read_says_why_in_the_readers_language(
    site: Site, shop: Shop
) -> None:
    shop.pages["/large"] = "<p>" + "x" * (5 * 1024 * 1024)
    shop.listed = lambda: ["/returns", "/gone", "/away", "/large"]  # type: ignore[method-assign]
    with translation.override("zh-hans"):
        batch = import_plan(
            batch=import_web_create(site=site, address=f"http://{shop.host}/sitemap.xml")
        )
    assert batch.state == "planned"
    told = {
        row.values["address"].removeprefix(f"http://{shop.host}"): row.message_words
        for row in batch.rows.filter(action="error")
    }
    assert told == {
        "/gone": "The page is gone (404). Look whether the address is right.",
        "/away": "The page leads on to another website, "
        f"http://localhost:{shop.server.server_port}/returns. "
        "If you want that one, import it by its own address.",
        "/large": "It is larger than 5 MB. Save the part that matters and import the file.",
    }


def test_a_broken_sitemap_is_refused_and_said_to_be_broken(site: Site, shop: Shop) -> None:
    shop.pages["/map.xml"] = "<urlset><url>"
    batch = import_plan(batch=import_web_create(site=site, address=f"http://{shop.host}/map.xml"))
    batch.refresh_from_db()
    assert batch.state == "failed"
    assert batch.problem_words.startswith("The sitemap names no page of this site.")
    assert batch.note_words == [f"http://{shop.host}/map.xml: The sitemap is no valid XML."]


def test_when_no_page_of_a_sitemap_can_be_read_the_first_one_says_why(
    site: Site, shop: Shop
) -> None:
    shop.listed = lambda: ["/gone", "/away"]  # type: ignore[method-assign]
    batch = run(site, f"http://{shop.host}/sitemap.xml")
    assert batch.state == "failed"
    assert batch.problem_words.startswith("None of the 2 pages could be read.")
    assert f"http://{shop.host}/gone: The page is gone (404)." in batch.problem_words
