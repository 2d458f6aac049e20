"""Chooses the reader by a file's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Final

from knowledge.documents.blocks import Document, DocumentRefused
from knowledge.documents.encodings import text_decode
from knowledge.documents.markdown import markdown_read
from knowledge.documents.pdf import pdf_read
from knowledge.documents.plain import plain_read
from knowledge.documents.questions import questions_marked
from knowledge.documents.web_page import html_read
from knowledge.documents.word import word_read
from knowledge.notices import notice as _

FILE_MOST: Final = 50 * 1024 * 1024
"""Bytes of a file."""


def _markdown(data: bytes, *, name: str) -> Document:
    return markdown_read(text_decode(data), name=name)


def _plain(data: bytes, *, name: str) -> Document:
    return plain_read(text_decode(data), name=name)


_READERS: Final[Mapping[str, Callable[..., Document]]] = {
    ".md": _markdown,
    ".markdown": _markdown,
    ".txt": _plain,
    ".html": html_read,
    ".htm": html_read,
    ".pdf": pdf_read,
    ".docx": word_read,
}
DOCUMENT_SUFFIXES: Final = tuple(_READERS)


def document_read(data: bytes, *, file_name: str) -> Document:
    """Read a file of any known kind, marked questions found.

    Raises:
        DocumentRefused: the kind is unknown, or the file is empty, too large or unreadable.
    """
    path = PurePath(file_name)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DocumentRefused(
            _(
                "Files of the kind “%(kind)s” cannot be read; known: %(known)s.",
                kind=path.suffix or file_name,
                known=", ".join(DOCUMENT_SUFFIXES),
            )
        )
    if len(data) > FILE_MOST:
        raise DocumentRefused(_("The file is larger than 50 MB; split it."))
    document = reader(data, name=path.stem)
    blocks = tuple(questions_marked(document.blocks))
    if not blocks:
        raise DocumentRefused(_("The file is empty."))
    return replace(document, blocks=blocks)
