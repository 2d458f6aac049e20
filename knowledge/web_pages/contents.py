"""What a web server sent as a document: by its content type, in the charset that it names."""

from __future__ import annotations

import codecs
import re
from dataclasses import replace
from typing import Final

from knowledge.documents.blocks import Document, DocumentRefused
from knowledge.documents.encodings import text_decode
from knowledge.documents.markdown import markdown_read
from knowledge.documents.pdf import pdf_read
from knowledge.documents.plain import plain_read
from knowledge.documents.questions import questions_marked
from knowledge.documents.web_page import html_read
from knowledge.notices import notice as _

_CHARSET: Final = re.compile(r"charset=[\"']?\s*([\w.:-]+)", re.I)
_XML_DECLARATION: Final = re.compile(r"^\s*<\?xml[^>]*\?>")
_HTML: Final = ("text/html", "application/xhtml+xml")
_HEAD_BYTES: Final = 4096


def page_document(data: bytes, *, content_type: str) -> Document:
    """Read what came into a document.

    Raises:
        DocumentRefused: a kind that is not read, or nothing in it.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind in _HTML:
        document = _html_document(data, content_type)
    elif kind == "application/pdf":
        document = pdf_read(data, name="")
    elif kind == "text/markdown":
        document = markdown_read(_decoded(data, content_type), name="")
    elif kind == "text/plain":
        document = plain_read(_decoded(data, content_type), name="")
    else:
        raise DocumentRefused(_kind_problem(kind))
    blocks = tuple(questions_marked(document.blocks))
    if not blocks:
        raise DocumentRefused(_nothing_found())
    return replace(document, blocks=blocks)


def _html_document(data: bytes, content_type: str) -> Document:
    try:
        return html_read(_html(data, content_type))
    except DocumentRefused as error:
        raise DocumentRefused(_nothing_found()) from error


def _nothing_found() -> str:
    return _(
        "No text was found on the page. If a browser shows one, a script makes it: save the page"
        " there and import the file."
    )


def _kind_problem(kind: str) -> str:
    if not kind:
        return _("The website does not say what kind of page this is. Save it and import the file.")
    return _(
        "Pages of the kind “%(kind)s” are not read; give the address of a page, a text or a PDF.",
        kind=kind[:60],
    )


def _html(data: bytes, content_type: str) -> str:
    # HTML Living Standard, 13.2.3.2: the byte-order mark, then the header, then the page's own words.
    named = _charset(content_type) or _charset(data[:_HEAD_BYTES].decode("ascii", "replace"))
    return _XML_DECLARATION.sub("", _decode(data, named))


def _decoded(data: bytes, content_type: str) -> str:
    return _decode(data, _charset(content_type))


def _decode(data: bytes, named: str) -> str:
    if data.startswith(codecs.BOM_UTF8) or not named:
        return text_decode(data)
    # Browsers read both names as the larger set that contains them.
    named = {"gb2312": "gb18030", "gbk": "gb18030", "iso8859-1": "cp1252"}.get(named, named)
    return data.decode(named, "replace")


def _charset(text: str) -> str:
    """The charset that is named, if Python knows it for text."""
    found = _CHARSET.search(text)
    if found is None:
        return ""
    try:
        codec = codecs.lookup(found[1])
    except LookupError:
        return ""
    return codec.name if codec._is_text_encoding else ""
