"""Reads sitemaps (sitemaps.org, protocol 0.90): the addresses of pages, or of further sitemaps."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

from knowledge.notices import notice as _

SITEMAP_MOST: Final = 20 * 1024 * 1024
"""Bytes of a sitemap, unpacked; the protocol allows 50 MB, few shops need one."""
LOCATIONS_MOST: Final = 50_000
_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


class SitemapUnreadable(Exception):
    """This is no sitemap, or one that is too large; ``sentence`` says which."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Sitemap:
    """``pages`` and ``sitemaps`` are addresses, in the file's order."""

    pages: tuple[str, ...] = ()
    sitemaps: tuple[str, ...] = ()


def sitemap_looks_like(data: bytes) -> bool:
    """Whether these bytes may be a sitemap in XML, packed or not, rather than a page."""
    if data.startswith(_GZIP_MAGIC):
        return True
    head = data[:2000].lower()
    return b"<urlset" in head or b"<sitemapindex" in head


def sitemap_parse(data: bytes) -> Sitemap:
    """Read a sitemap or an index of sitemaps, in XML or gzipped XML.

    Raises:
        SitemapUnreadable
    """
    from lxml import etree

    data = _unpacked(data)
    if b"<!doctype" in data[:4096].lower() or b"<!entity" in data.lower():
        raise SitemapUnreadable(_("The sitemap declares XML entities and is not read."))
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=False
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise SitemapUnreadable(_("The sitemap is no valid XML.")) from error
    kind = etree.QName(root).localname
    if kind not in ("urlset", "sitemapindex"):
        raise SitemapUnreadable(_("This is no sitemap."))
    found: list[str] = []
    for child in root:
        if not isinstance(child.tag, str):
            continue
        for part in child:
            if isinstance(part.tag, str) and etree.QName(part).localname == "loc" and part.text:
                found.append(part.text.strip())
        if len(found) >= LOCATIONS_MOST:
            break
    unique = tuple(dict.fromkeys(found))
    return Sitemap(pages=unique) if kind == "urlset" else Sitemap(sitemaps=unique)


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(_GZIP_MAGIC):
        return data
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        text = unpacker.decompress(data, SITEMAP_MOST)
    except zlib.error as error:
        raise SitemapUnreadable(_("The sitemap is packed and damaged.")) from error
    if unpacker.unconsumed_tail:
        raise SitemapUnreadable(_("The sitemap unpacks to more than 20 MB."))
    return text
