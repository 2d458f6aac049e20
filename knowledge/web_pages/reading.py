"""Reads one page, or the pages that a website's sitemaps list, into documents."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin, urlsplit, urlunsplit

from knowledge.documents.blocks import Document, DocumentRefused
from knowledge.notices import notice as _
from knowledge.notices import notice_plural as ngettext
from knowledge.outbound.requests import (
    OutboundPolicy,
    OutboundResponse,
    RequestFailed,
    request_send,
)
from knowledge.web_pages.addresses import (
    ADDRESS_MOST,
    address_clean,
    address_encoded,
    address_path,
)
from knowledge.web_pages.contents import page_document
from knowledge.web_pages.problems import (
    PageRefused,
    request_problem,
    robots_problem,
    status_problem,
)
from knowledge.web_pages.robots import (
    AGENT,
    TEXT_MOST,
    Robots,
    robots_parse,
)
from knowledge.web_pages.sitemaps import (
    SITEMAP_MOST,
    Sitemap,
    SitemapUnreadable,
    sitemap_looks_like,
    sitemap_parse,
)

SITEMAPS_MOST: Final = 30
SITEMAP_DEPTH: Final = 2
"""An index may name sitemaps, and those further ones; deeper nothing is followed."""
_PAGE_BYTES: Final = 5 * 1024 * 1024
_ACCEPT: Final = (
    "text/html,application/xhtml+xml,text/plain,text/markdown,application/pdf,*/*;q=0.1"
)

Get = Callable[[str, OutboundPolicy], OutboundResponse]


@dataclass(frozen=True, slots=True)
class WebBounds:
    """How much is read: pages, bytes of all of them together, seconds for everything."""

    pages: int = 200
    total_bytes: int = 50 * 1024 * 1024
    seconds: float = 900.0
    request_seconds: float = 20.0
    pause_seconds: float = 0.2


@dataclass(frozen=True, slots=True)
class WebPage:
    """A page as it was read, or the sentence why it was not."""

    address: str
    document: Document | None = None
    problem: str = ""


def _get(address: str, policy: OutboundPolicy) -> OutboundResponse:
    headers = [("User-Agent", f"{AGENT} (import of knowledge)"), ("Accept", _ACCEPT)]
    return asyncio.run(request_send(method="GET", url=address, headers=headers, policy=policy))


@dataclass(slots=True)
class WebReader:
    """Reads pages of the host of one address, and of the same name with or without ``www.``.

    ``private_hosts`` may lead to private addresses (``host`` or ``host:port``). ``get``, ``clock``
    and ``pause`` are there for tests.
    """

    address: str
    private_hosts: tuple[str, ...] = ()
    bounds: WebBounds = field(default_factory=WebBounds)
    get: Get = _get
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    notes: list[str] = field(default_factory=list)
    _robots: dict[str, Robots] = field(default_factory=dict)
    _began: float = 0.0
    _bytes: int = 0

    def pages(
        self, *, whole_site: bool, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Iterator[WebPage]:
        """The page of the address; of a sitemap, or with ``whole_site``, all that are listed.

        Raises:
            DocumentRefused: the address itself cannot be read, or may not be.
        """
        self._began = self.clock()
        self.address = address_clean(self.address)
        first: OutboundResponse | None = None
        listed: list[str] = []
        if whole_site:
            listed = self._site_pages()
        else:
            first = self._first()
            if sitemap_looks_like(first.body):
                listed, first = self._sitemap_pages([self.address], first), None
                if not listed:
                    raise DocumentRefused(
                        _("The sitemap names no page of this site. Give the address of one page.")
                    )
        if first is not None:
            progress(0, 1)
            yield self._page(self.address, first)
            progress(1, 1)
            return
        for number, address in enumerate(listed):
            progress(number, len(listed))
            if self._is_over():
                self.notes.append(
                    _(
                        "%(left)d pages were not read: the time or the size for one import is over.",
                        left=len(listed) - number,
                    )
                )
                return
            yield self._page_read(address)
        progress(len(listed), len(listed))

    def _first(self) -> OutboundResponse:
        try:
            return self._fetch(self.address, _PAGE_BYTES)
        except PageRefused as error:
            raise DocumentRefused(error.sentence) from error

    def _site_pages(self) -> list[str]:
        parts = urlsplit(self.address)
        root = urlunsplit((parts.scheme, parts.netloc, "/", "", ""))
        try:
            named = self._robots_of(self.address).sitemaps
        except PageRefused as error:
            raise DocumentRefused(error.sentence) from error
        own = [address for address in named if self._is_own(address)]
        pages = self._sitemap_pages(own or [urljoin(root, "/sitemap.xml")])
        if not pages:
            raise DocumentRefused(
                _("No sitemap with pages of this site was found. Give the address of one page.")
            )
        return pages

    def _sitemap_pages(
        self, addresses: list[str], first: OutboundResponse | None = None
    ) -> list[str]:
        """The pages of these sitemaps, those of their indexes too, as many as are allowed."""
        waiting = [(address, 0) for address in addresses]
        seen: set[str] = set()
        pages: dict[str, None] = {}
        left_out = 0
        while waiting and len(seen) < SITEMAPS_MOST:
            address, depth = waiting.pop(0)
            if address in seen or not self._is_own(address):
                continue
            seen.add(address)
            sitemap = self._sitemap(address, first if len(seen) == 1 else None)
            if depth < SITEMAP_DEPTH:
                waiting += [(urljoin(address, each), depth + 1) for each in sitemap.sitemaps]
            for each in sitemap.pages:
                page = address_encoded(urljoin(address, each))
                if not self._is_own(page) or len(page) > ADDRESS_MOST:
                    left_out += 1
                elif page in pages or len(pages) < self.bounds.pages:
                    pages[page] = None
                else:
                    left_out += 1
        if left_out:
            self.notes.append(
                ngettext(
                    "%(count)d page of the sitemap was left out: of another site, or too many.",
                    "%(count)d pages of the sitemap were left out: of another site, or too many.",
                    left_out,
                )
            )
        return list(pages)

    def _sitemap(self, address: str, response: OutboundResponse | None) -> Sitemap:
        try:
            response = response or self._fetch(address, SITEMAP_MOST)
            if response.status != 200:
                raise PageRefused(status_problem(response.status))
            return sitemap_parse(response.body)
        except (SitemapUnreadable, PageRefused) as error:
            self.notes.append(
                _("%(address)s: %(problem)s", address=address, problem=error.sentence)
            )
            return Sitemap()

    def _page_read(self, address: str) -> WebPage:
        self.pause(self.bounds.pause_seconds)
        try:
            return self._page(address, self._fetch(address, _PAGE_BYTES))
        except PageRefused as error:
            return WebPage(address, problem=error.sentence)

    def _page(self, address: str, response: OutboundResponse) -> WebPage:
        if response.status != 200:
            return WebPage(address, problem=status_problem(response.status))
        try:
            document = page_document(
                response.body, content_type=response.headers.get("content-type", "")
            )
        except DocumentRefused as error:
            return WebPage(address, problem=error.sentence)
        return WebPage(address, document)

    def _fetch(self, address: str, most: int) -> OutboundResponse:
        if not self._robots_of(address).allows(address_path(address)):
            raise PageRefused(robots_problem())
        response = self._asked(address, most)
        self._bytes += len(response.body)
        if response.url != address and not self._robots_of(response.url).allows(
            address_path(response.url)
        ):
            raise PageRefused(robots_problem())
        return response

    def _asked(self, address: str, most: int) -> OutboundResponse:
        policy = self._policy(most)
        try:
            return self.get(address, policy)
        except RequestFailed as error:
            raise PageRefused(
                request_problem(
                    error,
                    origin=urlsplit(address).netloc,
                    most=most,
                    seconds=policy.timeout_seconds,
                )
            ) from error

    def _robots_of(self, address: str) -> Robots:
        """The rules of an address's host; RFC 9309: no file allows all, a broken server nothing."""
        parts = urlsplit(address)
        origin = f"{parts.scheme}://{parts.netloc}"
        known = self._robots.get(origin)
        if known is None:
            response = self._asked(f"{origin}/robots.txt", TEXT_MOST)
            if response.status == 200:
                known = robots_parse(response.body.decode("utf-8", "replace"))
            elif response.status >= 500:
                raise PageRefused(
                    _(
                        "The website's robots.txt cannot be read (%(status)d), so its pages are"
                        " not. Try again later.",
                        status=response.status,
                    )
                )
            else:
                known = Robots()
            self._robots[origin] = known
        return known

    def _policy(self, most: int) -> OutboundPolicy:
        left = self.bounds.seconds - (self.clock() - self._began)
        return OutboundPolicy(
            hosts=self._hosts(),
            private_hosts=self.private_hosts,
            timeout_seconds=max(0.1, min(self.bounds.request_seconds, left)),
            response_bytes=most,
        )

    def _hosts(self) -> list[str]:
        host = urlsplit(self.address).hostname or ""
        bare = host.removeprefix("www.")
        named = f"[{bare}]" if ":" in bare else bare
        return [named, f"www.{bare}"]

    def _is_own(self, address: str) -> bool:
        try:
            parts = urlsplit(address)
        except ValueError:
            return False
        host = urlsplit(self.address).hostname or ""
        return parts.scheme in ("http", "https") and (parts.hostname or "").removeprefix(
            "www."
        ) == host.removeprefix("www.")

    def _is_over(self) -> bool:
        late = self.clock() - self._began > self.bounds.seconds
        return late or self._bytes > self.bounds.total_bytes
