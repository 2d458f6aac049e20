"""Reads PDF files into blocks.

A PDF knows characters at places, not paragraphs: lines are put together again from their ends and
sizes, and what stands at the top or bottom of most pages is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from knowledge.documents.blocks import Block, Document, DocumentRefused
from knowledge.documents.plain import heading_level, plain_read
from knowledge.notices import notice as _

PAGES_MOST: Final = 500
_HEADING_MOST: Final = 80
_HEADING_SIZE: Final = 1.15
_FULL_SHARE: Final = 0.7
_EDGE_LINES: Final = 2
_REPEATED_SHARE: Final = 0.6
_DIGITS = re.compile(r"\d+")
_SENTENCE_END = re.compile(r"[。！？!?.:：；;]['\"”’)）]*$")
_WIDE = re.compile(r"[\u2e80-\u9fff\uff00-\uffef]")
_ITEM = re.compile(r"^\s*(?:[-*•·●▪]|\d{1,2}[.)、])\s*\S")


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    size: float
    """Font size in points."""


def pdf_read(data: bytes, *, name: str = "") -> Document:
    """The text of a PDF file.

    Raises:
        DocumentRefused: damaged, protected, too long, or without any text (scanned pages).
    """
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise DocumentRefused(_("The file is protected by a password.")) from error
        raise DocumentRefused(_("The PDF file is damaged and cannot be read.")) from error
    with pdf:
        if len(pdf) > PAGES_MOST:
            raise DocumentRefused(
                _("The PDF file has more than %(most)d pages; split it.", most=PAGES_MOST)
            )
        pages = [_lines(pdf[number]) for number in range(len(pdf))]
        title = (pdf.get_metadata_value("Title") or "").strip()
    if not any(pages):
        raise DocumentRefused(
            _("The PDF file holds no text, only pictures of it; run a text recognition first.")
        )
    empty = sum(1 for page in pages if not page)
    notes = (_("%(count)d pages hold no text and were left out.", count=empty),) if empty else ()
    return Document(title or name, tuple(_blocks(_without_edges(pages))), notes)


def _lines(page: object) -> list[_Line]:
    from pypdfium2 import raw

    text_page = page.get_textpage()  # type: ignore[attr-defined]
    try:
        lines = []
        start = 0
        for text in text_page.get_text_range().split("\r\n"):
            if stripped := text.strip():
                offset = start + len(text) - len(text.lstrip())
                size = float(raw.FPDFText_GetFontSize(text_page, offset))
                lines.append(_Line(stripped.replace("\x00", "").replace("\ufffe", ""), size))
            start += len(text) + 2
        return lines
    finally:
        text_page.close()


def _without_edges(pages: Sequence[Sequence[_Line]]) -> list[_Line]:
    """All lines but those that stand at the edge of most pages: page numbers, running titles."""
    edges = Counter(
        key
        for page in pages
        for key in {_edge_key(line) for line in (*page[:_EDGE_LINES], *page[-_EDGE_LINES:])}
    )
    repeated = {
        key
        for key, count in edges.items()
        if len(pages) > 2 and count >= _REPEATED_SHARE * len(pages)
    }
    return [
        line
        for page in pages
        for number, line in enumerate(page)
        if not (
            _edge_key(line) in repeated
            and (number < _EDGE_LINES or number >= len(page) - _EDGE_LINES)
        )
    ]


def _edge_key(line: _Line) -> str:
    return _DIGITS.sub("0", line.text)


def _blocks(lines: Sequence[_Line]) -> Iterator[Block]:
    body = median(line.size for line in lines) if lines else 0.0
    sizes = sorted({round(line.size, 1) for line in lines if _is_large(line, body)}, reverse=True)
    # A line that ends well before the margin was ended on purpose: a cell, a verse, an address.
    widths = sorted(_width(line.text) for line in lines)
    full = _FULL_SHARE * widths[int(0.9 * (len(widths) - 1))] if widths else 0.0
    paragraph = ""
    ended = False
    for line in lines:
        level = heading_level(line.text)
        if not level and _is_large(line, body):
            level = min(1 + sizes.index(round(line.size, 1)), 6)
        if level or _ITEM.match(line.text):
            yield from _paragraph(paragraph)
            paragraph, ended = "", False
        if level:
            yield Block("heading", line.text, level=level)
            continue
        paragraph = f"{paragraph}\n{line.text}" if ended else _joined(paragraph, line.text)
        ended = _width(line.text) < full
        if _SENTENCE_END.search(line.text):
            yield from _paragraph(paragraph)
            paragraph, ended = "", False
    yield from _paragraph(paragraph)


def _width(text: str) -> int:
    """In Latin letters; a Chinese character is as wide as two."""
    return len(text) + len(_WIDE.findall(text))


def _is_large(line: _Line, body: float) -> bool:
    return line.size >= _HEADING_SIZE * body and len(line.text) <= _HEADING_MOST


def _joined(text: str, line: str) -> str:
    if not text:
        return line
    if text.endswith("-") and line[:1].islower():
        return text[:-1] + line
    space = "" if _WIDE.match(text[-1]) or _WIDE.match(line[:1]) else " "
    return f"{text}{space}{line}"


def _paragraph(text: str) -> Iterator[Block]:
    if text:
        yield from plain_read(text).blocks
