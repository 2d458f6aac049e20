"""What a customer's text must look like before it is stored."""

from __future__ import annotations

import unicodedata

from conversations.errors import BadFrame, TextEmpty, TextTooLong

TEXT_LIMIT = 4000
"""Most code points of a message, after NFC."""

_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})


def customer_text_clean(raw: str) -> str:
    """Return the text in NFC without blanks at its ends.

    Bidirectional overrides and long runs of combining marks are kept: they are harmless in a text
    node, and a customer's words are stored as they were written.

    Raises:
        BadFrame: a NUL or a lone surrogate, which no database or JSON encoder takes.
        TextTooLong: more than ``TEXT_LIMIT`` code points.
        TextEmpty: nothing but blanks, control and zero-width characters.
    """
    if "\x00" in raw or any("\ud800" <= character <= "\udfff" for character in raw):
        raise BadFrame
    if len(raw) > 4 * TEXT_LIMIT:  # NFC shortens at most by three code points in four
        raise TextTooLong
    text = unicodedata.normalize("NFC", raw).strip()
    if len(text) > TEXT_LIMIT:
        raise TextTooLong
    if all(unicodedata.category(character) in _INVISIBLE for character in text):
        raise TextEmpty
    return text
