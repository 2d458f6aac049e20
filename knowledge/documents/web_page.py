"""Reads HTML into blocks: the text of a page, without menus, banners and scripts.

Extractors made for news articles drop the short tables and lists that a shop's pages live from, so
the page's own marks decide: what stands in ``main`` or ``article`` if there is one, less what the
page calls navigation, and less lists that are nothing but links.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from knowledge.documents.blocks import Block, Document, DocumentRefused
from knowledge.notices import notice as _

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_LEFT_OUT: Final = frozenset(
    {
        "script", "style", "noscript", "template", "nav", "aside", "footer", "form", "button",
        "select", "textarea", "svg", "iframe", "object", "canvas", "dialog", "video", "audio", "head",
    }
)  # fmt: skip
_ROLES_LEFT_OUT: Final = frozenset(
    {"navigation", "banner", "contentinfo", "search", "complementary", "dialog"}
)
_BLOCKS: Final = frozenset(
    {
        "address", "article", "blockquote", "body", "center", "dd", "details", "div", "dl", "dt",
        "fieldset", "figcaption", "figure", "header", "hgroup", "html", "li", "main", "ol", "p",
        "pre", "section", "summary", "table", "tbody", "ul", "h1", "h2", "h3", "h4", "h5", "h6",
    }
)  # fmt: skip
_HEADING = re.compile(r"h([1-6])")
_CONTENT_LEAST: Final = 0.4
_LINKS_MOST: Final = 0.8
_DEPTH_MOST: Final = 200


def html_read(html: str | bytes, *, name: str = "") -> Document:
    """The text of a page.

    Raises:
        DocumentRefused: it is no HTML, or holds no text.
    """
    from lxml import etree
    from lxml import html as parser

    try:
        root = parser.document_fromstring(html)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise DocumentRefused(_("No text was found on the page.")) from error
    title = _spaced(root.findtext(".//title") or "")
    blocks = tuple(_element(_content(root), 0))
    if not blocks:
        raise DocumentRefused(_("No text was found on the page."))
    return Document(title or name, blocks)


def _content(root: HtmlElement) -> HtmlElement:
    """The element that holds the page's own text: ``main`` or a lone ``article`` if it is large."""
    whole = len(_spaced(root.text_content()))
    for path in (".//main", ".//*[@role='main']", ".//article"):
        found = root.findall(path)
        if len(found) == 1 and len(_spaced(found[0].text_content())) >= _CONTENT_LEAST * whole:
            return found[0]
    body = root.find("body")
    return root if body is None else body


def _element(element: HtmlElement, depth: int) -> Iterator[Block]:
    """The blocks of an element's children; text between them makes paragraphs of its own."""
    if depth > _DEPTH_MOST:
        return
    loose: list[str] = [element.text or ""]
    for child in element:
        if not isinstance(child.tag, str):  # a comment
            loose.append(child.tail or "")
            continue
        if _is_left_out(child):
            loose.append(child.tail or "")
        elif child.tag == "br":
            loose += ["\n", child.tail or ""]
        elif child.tag in _BLOCKS or any(True for _ in child.iterdescendants(*_BLOCKS)):
            yield from _paragraph(loose)
            loose = [child.tail or ""]
            yield from _block(child, depth)
        else:
            loose += [child.text_content(), child.tail or ""]
    yield from _paragraph(loose)


def _block(element: HtmlElement, depth: int) -> Iterator[Block]:
    if match := _HEADING.fullmatch(element.tag):
        if text := _spaced(element.text_content()):
            yield Block("heading", text, level=int(match[1]))
    elif element.tag in ("summary", "dt"):  # the question of a folded answer or of a definition
        if text := _spaced(element.text_content()):
            yield Block("heading", text, level=6)
    elif element.tag == "pre":
        if text := element.text_content().strip("\n"):
            yield Block("code", text)
    elif element.tag == "table":
        yield from _table(element, depth)
    elif element.tag in ("ul", "ol"):
        yield from _list(element, 0)
    else:
        yield from _element(element, depth + 1)


def _list(element: HtmlElement, level: int) -> Iterator[Block]:
    text = _spaced(element.text_content())
    linked = sum(len(_spaced(link.text_content())) for link in element.iter("a"))
    if not text or (linked > _LINKS_MOST * len(text) and len(element) > 2):
        return
    for number, item in enumerate(element.findall("li"), start=1):
        inner = [child for child in item if child.tag in ("ul", "ol")]
        own = _spaced(
            "".join(
                [item.text or ""]
                + [
                    ("" if child in inner else _inline(child)) + (child.tail or "")
                    for child in item
                    if isinstance(child.tag, str)
                ]
            )
        )
        if own:
            mark = f"{number}." if element.tag == "ol" else "-"
            yield Block("item", own, level=min(level, 6), mark=mark)
        for child in inner:
            if level < _DEPTH_MOST:
                yield from _list(child, level + 1)


def _inline(element: HtmlElement) -> str:
    if element.tag == "br":
        return " "
    space = " " if element.tag in _BLOCKS else ""
    return f"{space}{'' if _is_left_out(element) else element.text_content()}{space}"


def _table(element: HtmlElement, depth: int) -> Iterator[Block]:
    """A table of cells; one that only lays out the page is read as what lies in it."""
    if element.find(".//table") is not None or element.get("role") == "presentation":
        for row in element.findall("tr") + element.findall("tbody/tr"):
            for cell in row:
                if cell.tag in ("td", "th"):
                    yield from _element(cell, depth + 1)
        return
    rows = []
    for row in element.iter("tr"):
        cells = tuple(_spaced(cell.text_content()) for cell in row if cell.tag in ("td", "th"))
        if any(cells):
            rows.append(cells)
    if len(rows) == 1 and len(rows[0]) == 1:
        yield Block("paragraph", rows[0][0])
    elif rows:
        yield Block("table", rows=tuple(rows))


def _is_left_out(element: HtmlElement) -> bool:
    return (
        element.tag in _LEFT_OUT
        or element.get("role") in _ROLES_LEFT_OUT
        or element.get("hidden") is not None
        or element.get("aria-hidden") == "true"
    )


def _paragraph(texts: list[str]) -> Iterator[Block]:
    lines = (" ".join(line.split()) for line in _joined(texts).split("\u2028"))
    if text := "\n".join(line for line in lines if line):
        yield Block("paragraph", text)


def _joined(texts: list[str]) -> str:
    # A line break is kept apart from the line breaks of the source, which are spaces.
    return "".join("\u2028" if text == "\n" else text for text in texts)


def _spaced(text: str) -> str:
    return " ".join(text.split())
