"""Pages of a website: politely, within bounds, and never from where nobody should look."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from knowledge.documents.blocks import DocumentRefused
from knowledge.outbound.requests import Failure, OutboundPolicy, OutboundResponse, RequestFailed
from knowledge.web_pages.contents import page_document
from knowledge.web_pages.reading import WebBounds, WebReader, address_clean
from knowledge.web_pages.sitemaps import SitemapUnreadable, sitemap_parse

SHOP = "https://shop.example"
HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1><p>Text of {0}.</p></body></html>"


def urlset(*pages: str) -> bytes:
    rows = "".join(f"<url><loc>{page}</loc></url>" for page in pages)
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    return f'<?xml version="1.0"?><urlset xmlns="{space}">{rows}</urlset>'.encode()


def index(*maps: str) -> bytes:
    rows = "".join(f"<sitemap><loc>{each}</loc></sitemap>" for each in maps)
    return f"<sitemapindex>{rows}</sitemapindex>".encode()


class Web:
    """Answers from a table; 404 for the rest. Remembers what was asked, and under which policy."""

    def __init__(self, **pages: object) -> None:
        self.pages: dict[str, bytes | int | OutboundResponse | Exception] = {}
        self.asked: list[str] = []
        self.policies: list[OutboundPolicy] = []

    def page(self, path: str, title: str) -> None:
        self.pages[SHOP + path] = HTML.format(title).encode()

    def __call__(self, address: str, policy: OutboundPolicy) -> OutboundResponse:
        self.asked.append(address)
        self.policies.append(policy)
        found = self.pages.get(address, 404)
        if isinstance(found, Exception):
            raise found
        if isinstance(found, OutboundResponse):
            return found
        if isinstance(found, int):
            return OutboundResponse(found, {}, b"", address)
        kind = "application/xml" if address.endswith(".xml") else "text/html; charset=utf-8"
        return OutboundResponse(200, {"content-type": kind}, found, address)


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
def reader(web: Web) -> Callable[..., WebReader]:
    def make(address: str, **more: object) -> WebReader:
        return WebReader(address, get=web, pause=lambda seconds: None, **more)

    return make


def test_one_page_is_read(web: Web, reader) -> None:
    web.page("/help", "Returns")
    [page] = reader(f"{SHOP}/help#top").pages(whole_site=False)
    assert page.address == f"{SHOP}/help"
    assert page.document.title == "Returns"
    assert web.asked == [f"{SHOP}/robots.txt", f"{SHOP}/help"]


def test_only_the_host_itself_may_answer(web: Web, reader) -> None:
    web.page("/help", "Returns")
    list(reader(f"{SHOP}/help").pages(whole_site=False))
    assert all(policy.hosts == ["shop.example", "www.shop.example"] for policy in web.policies)
    assert all(policy.private_hosts == () for policy in web.policies)


def test_what_robots_txt_forbids_is_not_asked_for(web: Web, reader) -> None:
    web.pages[f"{SHOP}/robots.txt"] = b"User-agent: *\nDisallow: /help"
    web.page("/help", "Returns")
    with pytest.raises(DocumentRefused, match="robots"):
        list(reader(f"{SHOP}/help").pages(whole_site=False))
    assert f"{SHOP}/help" not in web.asked


def test_a_redirect_to_what_robots_txt_forbids_is_no_way_around(web: Web, reader) -> None:
    web.pages[f"{SHOP}/robots.txt"] = b"User-agent: *\nDisallow: /secret"
    body = HTML.format("x").encode()
    web.pages[f"{SHOP}/help"] = OutboundResponse(
        200, {"content-type": "text/html"}, body, f"{SHOP}/secret"
    )
    with pytest.raises(DocumentRefused, match="robots"):
        list(reader(f"{SHOP}/help").pages(whole_site=False))


def test_a_broken_server_for_robots_txt_forbids_everything(web: Web, reader) -> None:
    web.pages[f"{SHOP}/robots.txt"] = 503
    web.page("/help", "Returns")
    with pytest.raises(DocumentRefused):
        list(reader(f"{SHOP}/help").pages(whole_site=False))


def test_the_pages_of_a_sitemap_and_of_its_index_are_read(web: Web, reader) -> None:
    web.pages[f"{SHOP}/map.xml"] = index(f"{SHOP}/a.xml", f"{SHOP}/b.xml")
    web.pages[f"{SHOP}/a.xml"] = urlset(f"{SHOP}/1", f"{SHOP}/2")
    web.pages[f"{SHOP}/b.xml"] = gzip.compress(urlset(f"{SHOP}/2", f"{SHOP}/帮助"))
    for path, title in (("/1", "One"), ("/2", "Two"), ("/%E5%B8%AE%E5%8A%A9", "帮助")):
        web.page(path, title)
    told: list[tuple[int, int]] = []
    pages = list(
        reader(f"{SHOP}/map.xml").pages(
            whole_site=False, progress=lambda done, total: told.append((done, total))
        )
    )
    assert [page.document.title for page in pages] == ["One", "Two", "帮助"]
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_the_whole_site_is_what_robots_txt_names_or_the_usual_place(web: Web, reader) -> None:
    web.page("/1", "One")
    web.pages[f"{SHOP}/sitemap.xml"] = urlset(f"{SHOP}/1")
    [page] = reader(f"{SHOP}/anything").pages(whole_site=True)
    assert page.document.title == "One"

    web.pages[f"{SHOP}/robots.txt"] = f"Sitemap: {SHOP}/own.xml".encode()
    web.pages[f"{SHOP}/own.xml"] = urlset(f"{SHOP}/2")
    web.page("/2", "Two")
    [page] = reader(f"{SHOP}/").pages(whole_site=True)
    assert page.document.title == "Two"


def test_a_site_without_a_sitemap_says_so(web: Web, reader) -> None:
    with pytest.raises(DocumentRefused, match="No sitemap"):
        list(reader(SHOP).pages(whole_site=True))


def test_pages_of_other_sites_and_too_many_are_left_out_and_told(web: Web, reader) -> None:
    web.pages[f"{SHOP}/map.xml"] = urlset(
        "https://other.example/x", "http://169.254.169.254/latest", "ftp://shop.example/x",
        *(f"{SHOP}/{number}" for number in range(5)),
    )  # fmt: skip
    made = reader(f"{SHOP}/map.xml", bounds=WebBounds(pages=3))
    assert len(list(made.pages(whole_site=False))) == 3
    assert "5 pages of the sitemap were left out" in made.notes[0]
    assert not any("other" in address or "169" in address for address in web.asked)


def test_sitemaps_that_name_each_other_come_to_an_end(web: Web, reader) -> None:
    for number in range(100):
        web.pages[f"{SHOP}/{number}.xml"] = index(
            f"{SHOP}/{number + 1}.xml",
            f"{SHOP}/0.xml",
            *(f"{SHOP}/{number}-{n}.xml" for n in range(40)),
        )
    with pytest.raises(DocumentRefused, match="names no page of this site"):
        list(reader(f"{SHOP}/0.xml").pages(whole_site=False))
    assert len(web.asked) <= 31


def test_a_page_that_fails_is_told_and_the_others_are_read(web: Web, reader) -> None:
    web.pages[f"{SHOP}/map.xml"] = urlset(f"{SHOP}/1", f"{SHOP}/gone", f"{SHOP}/down", f"{SHOP}/2")
    web.page("/1", "One")
    web.page("/2", "Two")
    web.pages[f"{SHOP}/down"] = RequestFailed(
        "Nobody answers.", was_sent=False, reason=Failure.UNREACHABLE
    )
    pages = list(reader(f"{SHOP}/map.xml").pages(whole_site=False))
    assert [bool(page.document) for page in pages] == [True, False, False, True]
    assert "404" in pages[1].problem
    assert pages[2].problem.startswith("Nobody answers at shop.example.")


def test_time_and_size_end_an_import(web: Web, reader) -> None:
    web.pages[f"{SHOP}/map.xml"] = urlset(*(f"{SHOP}/{number}" for number in range(9)))
    for number in range(9):
        web.page(f"/{number}", str(number))
    now = iter(range(0, 100_000, 10))
    made = reader(f"{SHOP}/map.xml", bounds=WebBounds(seconds=100), clock=lambda: next(now))
    assert 0 < len(list(made.pages(whole_site=False))) < 9
    assert "were not read" in made.notes[-1]

    made = reader(f"{SHOP}/map.xml", bounds=WebBounds(total_bytes=900))
    assert 0 < len(list(made.pages(whole_site=False))) < 9


@pytest.mark.parametrize(
    "address",
    [
        "", "shop.example", "ftp://shop.example/", "file:///etc/passwd", "https://", "http://[",
        "https://user:pass@shop.example/", "https://shop.example:99999/", "javascript:alert(1)",
        "gopher://shop.example", "https://shop.example/" + "x" * 200,
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_page_is_refused(address: str) -> None:
    with pytest.raises(DocumentRefused):
        address_clean(address)


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        ("text/html; charset=gbk", "<p>七天内可以退货。</p>".encode("gbk")),
        ("text/html", '<meta charset="gb2312"><p>七天内可以退货。</p>'.encode("gb18030")),
        ("text/html", "<p>七天内可以退货。</p>".encode()),
        ("text/html; charset=nonsense", "<p>七天内可以退货。</p>".encode()),
        ("text/html; charset=zlib", "<p>七天内可以退货。</p>".encode()),
        (
            "application/xhtml+xml",
            '<?xml version="1.0" encoding="utf-8"?><p>七天内可以退货。</p>'.encode(),
        ),
        ("text/plain; charset=utf-16", "七天内可以退货。".encode("utf-16")),
        ("text/markdown", "七天内可以退货。".encode()),
    ],
)
def test_the_charset_is_what_the_server_or_the_page_says(content_type: str, data: bytes) -> None:
    document = page_document(data, content_type=content_type)
    assert "七天内可以退货。" in document.blocks[0].text


@pytest.mark.parametrize("kind", ["image/png", "application/zip", "", "application/json"])
def test_other_kinds_are_not_read(kind: str) -> None:
    with pytest.raises(DocumentRefused):
        page_document(b"x", content_type=kind)


@pytest.mark.parametrize(
    "data",
    [
        b"<html></html>",
        b"<urlset",
        b'<!DOCTYPE x [<!ENTITY a "b">]><urlset/>',
        gzip.compress(b"<urlset>" + b" " * (21 * 1024 * 1024)),
        b"\x1f\x8b broken",
    ],
    ids=["html", "cut off", "entities", "bomb", "damaged"],
)
def test_what_is_no_sitemap_is_refused(data: bytes) -> None:
    with pytest.raises(SitemapUnreadable):
        sitemap_parse(data)
