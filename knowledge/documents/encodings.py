"""Tells the encoding of a text file."""

from __future__ import annotations

from knowledge.documents.blocks import DocumentRefused
from knowledge.notices import notice as _


def text_decode(data: bytes) -> str:
    """The text of a file in UTF-8, UTF-16 with its mark, or GB 18030 (what Chinese Excel saves).

    Raises:
        DocumentRefused: it is none of these.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DocumentRefused(_("The file is neither UTF-8 nor GB 18030 text."))
