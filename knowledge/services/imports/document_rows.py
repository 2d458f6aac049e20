"""Documents and pages as rows of an import: an entry for each part of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from inference.text.language import language_of
from knowledge.documents import blocks
from knowledge.documents.chunking import Chunk, chunks_of
from knowledge.documents.files import document_read
from knowledge.models import Document, KnowledgeImport, KnowledgeImportRow
from knowledge.notices import notice_stored
from knowledge.services.imports.comparing import PlannedRow, row_refuse, rows_compared
from knowledge.services.imports.entry_rows import EntryValues
from knowledge.web_pages.reading import WebPage

_QUESTION_MOST: Final = 500


def document_rows(batch: KnowledgeImport, data: bytes) -> Iterator[KnowledgeImportRow]:
    """The rows of an uploaded document; the import is told which document it is.

    Raises:
        DocumentRefused: it cannot be read.
    """
    read = document_read(data, file_name=batch.file_name)
    batch.document = _document(batch, batch.file_name, read)
    batch.notes = [notice_stored(note) or note for note in read.notes]
    return _document_compared(batch, batch.document, read)


def pages_rows(batch: KnowledgeImport, pages: Iterable[WebPage]) -> Iterator[KnowledgeImportRow]:
    """The rows of each page; a page that could not be read is a row with its error, and what it
    said before stays."""
    for page in pages:
        if page.document is None:
            row = KnowledgeImportRow(batch=batch, values={"address": page.address})
            row_refuse(row, page.problem)
            yield row
            continue
        document = _document(batch, page.address, page.document)
        for row in _document_compared(batch, document, page.document):
            row.document = document
            yield row


def _document(batch: KnowledgeImport, name: str, read: blocks.Document) -> Document:
    document, _created = Document.objects.update_or_create(
        site=batch.site, name=name, defaults={"title": read.title[:300]}
    )
    return document


def _document_compared(
    batch: KnowledgeImport, document: Document, read: blocks.Document
) -> Iterator[KnowledgeImportRow]:
    title = read.title or document.name
    values = _values_of_chunks(batch, chunks_of(read.blocks), title)
    return rows_compared(batch, (PlannedRow(None, each) for each in values), document)


def _values_of_chunks(
    batch: KnowledgeImport, chunks: Iterable[Chunk], title: str
) -> Iterator[EntryValues]:
    seen: dict[str, int] = {}
    for chunk in chunks:
        question = (chunk.title or title)[: _QUESTION_MOST - 8]
        seen[question] = seen.get(question, 0) + 1
        if seen[question] > 1:
            question = f"{question} ({seen[question]})"
        yield {
            "question": question,
            "answer": chunk.text,
            "language": language_of(f"{question} {chunk.text}", default=batch.site.language),
            "status": batch.entry_status,
        }
