"""Reads Word files (.docx) into blocks."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from knowledge.documents.archives import archive_check
from knowledge.documents.blocks import Block, Document, DocumentRefused
from knowledge.documents.plain import heading_level
from knowledge.notices import notice as _

if TYPE_CHECKING:
    from docx.document import Document as WordDocument
    from docx.table import Table
    from docx.text.paragraph import Paragraph

_HEADING_STYLE = re.compile(r"^(?:heading|标题|標題)\s*(\d)$", re.I)


def word_read(data: bytes, *, name: str = "") -> Document:
    """The paragraphs, lists and tables of a .docx file in their order.

    Raises:
        DocumentRefused: it is damaged, protected, or an archive bomb.
    """
    archive_check(data)
    import docx
    from docx.opc.exceptions import OpcError
    from lxml.etree import XMLSyntaxError

    try:
        document = docx.Document(io.BytesIO(data))
        blocks = tuple(_blocks(document))
    except (OpcError, BadZipFile, XMLSyntaxError, KeyError, ValueError) as error:
        raise DocumentRefused(_("The Word file is damaged and cannot be read.")) from error
    title = document.core_properties.title or next(
        (block.text for block in blocks if block.kind == "heading"), name
    )
    return Document(title.strip() or name, blocks)


def _blocks(document: WordDocument) -> Iterator[Block]:
    from docx.table import Table

    for part in document.iter_inner_content():
        if isinstance(part, Table):
            if rows := _rows(part):
                yield Block("table", rows=rows)
        else:
            yield from _paragraph(part)


def _paragraph(paragraph: Paragraph) -> Iterator[Block]:
    text = paragraph.text.strip()
    if not text:
        return
    style = (paragraph.style.name or "") if paragraph.style is not None else ""
    # python-docx has no public way to a list's depth.
    numbering: Any = paragraph._p.pPr.numPr if paragraph._p.pPr is not None else None
    if match := _HEADING_STYLE.match(style):
        yield Block("heading", _one_line(text), level=min(max(int(match[1]), 1), 6))
    elif style.lower() in ("title", "标题"):
        yield Block("heading", _one_line(text), level=1)
    elif numbering is not None or style.lower().startswith("list"):
        depth = numbering.ilvl.val if numbering is not None and numbering.ilvl is not None else 0
        yield Block("item", _one_line(text), level=min(int(depth), 6))
    elif level := heading_level(text):
        yield Block("heading", text, level=level)
    elif _all_bold(paragraph) and len(text) <= 60 and "\n" not in text:
        # Most people make their headings bold instead of using the style for it.
        yield Block("heading", text, level=4)
    else:
        yield Block("paragraph", text)


def _all_bold(paragraph: Paragraph) -> bool:
    runs = [run for run in paragraph.runs if run.text.strip()]
    return bool(runs) and all(run.bold for run in runs)


def _rows(table: Table) -> tuple[tuple[str, ...], ...]:
    rows = []
    for row in table.rows:
        cells: list[str] = []
        previous = None
        for cell in row.cells:
            if cell._tc is not previous:  # merged cells are handed out repeatedly
                cells.append(_one_line(cell.text))
            previous = cell._tc
        if any(cells):
            rows.append(tuple(cells))
    return tuple(rows)


def _one_line(text: str) -> str:
    return " ".join(text.split())
