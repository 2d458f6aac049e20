"""Things that must be right to the letter: addresses, phone numbers, order numbers, codes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_URL = re.compile(
    r"(?:https?://|www\.)[^\s<>\"'()\[\]{}，。；、！？“”（）《》一-龥]+"
    r"|\b[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*\.(?:com|cn|net|org|io|shop|store|example|co|info|top|app|me|html?|php)"
    r"(?![a-z0-9])(?:/[^\s<>\"'()\[\]{}，。；、！？“”（）《》一-龥]*)?",
    re.I,
)
_EMAIL = re.compile(r"[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.I)
# Seven digits or more, with the separators that people put into phone numbers.
_PHONE = re.compile(
    r"(?<![A-Za-z0-9.,-])(?:\+\d{1,3}[\s-]?)?(?:\(\d{2,4}\)|\d{2,4})(?:[\s-]?\d{2,4}){1,4}(?![A-Za-z0-9%]|[.,]\d)"
)
_LONG_DIGITS = re.compile(r"(?<![\d.,])\d{9,}(?![\d.])")
# Letters and digits in one word: SKU-1029, SF1234567890, A7C.
_CODE = re.compile(
    r"(?<!\w)(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*(?!\w)", re.A
)
_NOT_A_CODE = re.compile(
    r"(?:\d+(?:st|nd|rd|th|am|pm|kg|km|cm|mm|mb|gb|g|m|s|h|d|x|hrs?|mins?|days?)"
    r"|\d+-(?:day|week|month|year|hour|minute|step|star)s?|(?:covid)-?\d+)$",
    re.I,
)
_DATE_LIKE = re.compile(r"(?:19|20)\d\d[-/.\s](?:\d{1,2}[-/.\s]\d{1,2}|(?:19|20)\d\d)$")


def identifier_key(text: str) -> str:
    """The form in which two spellings of one identifier are equal."""
    key = unicodedata.normalize("NFKC", text).lower()
    key = re.sub(r"^https?://(?:www\.)?|^www\.|^mailto:", "", key)
    if re.fullmatch(r"[\d\s()+-]+", key):
        return re.sub(r"\D", "", key)
    return key.rstrip("/.,;:!?")


_PATTERNS = (_EMAIL, _URL, _CODE, _LONG_DIGITS, _PHONE)


def _phone_like(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    if not 7 <= len(digits) <= 15 or _DATE_LIKE.match(text):
        return False
    # Numbers in a row are no phone number: "10 20 100 200".
    return bool(re.search(r"[-+(]", text)) or len(digits) == len(text) >= 10


def _matches(plain: str) -> Iterator[re.Match[str]]:
    """Matches in ``plain``, none inside another (the host of an e-mail address is no URL)."""
    taken: list[tuple[int, int]] = []
    for pattern in _PATTERNS:
        for match in pattern.finditer(plain):
            if pattern is _PHONE and not _phone_like(match[0]):
                continue
            if pattern is _CODE and _NOT_A_CODE.match(match[0]):
                continue
            start, end = match.span()
            if all(end <= a or start >= b for a, b in taken):
                taken.append((start, end))
                yield match


def identifiers_of(text: str) -> tuple[str, ...]:
    """URLs, e-mail addresses, phone numbers, long numbers and codes of ``text``, as keys."""
    plain = unicodedata.normalize("NFKC", text)
    return tuple(dict.fromkeys(identifier_key(match[0]) for match in _matches(plain)))


def text_without_identifiers(text: str) -> str:
    """``text`` after NFKC with every identifier blanked out (same length)."""
    plain = unicodedata.normalize("NFKC", text)
    for match in list(_matches(plain)):
        plain = plain[: match.start()] + " " * len(match[0]) + plain[match.end() :]
    return plain


def identifier_known(key: str, sources: str) -> bool:
    """Whether an identifier stands in ``sources`` (passages and the customer's own words)."""
    known = identifiers_of(sources)
    if key in known:
        return True
    if key.isdigit():
        return any(key == re.sub(r"\D", "", k) for k in known)
    # shop.example is right when the passage names https://shop.example/returns, not the other way
    return any(k.startswith(key + "/") for k in known)
