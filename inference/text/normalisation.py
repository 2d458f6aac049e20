"""One spelling for texts that mean the same, so that they compare equal.

Everything that compares texts (rules, keyword search, the support check) folds both sides with
:func:`text_normalise`; nothing stores or shows the result.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

from opencc import OpenCC

# Zero-width characters, soft hyphen, bidirectional controls, variation selectors, byte-order mark:
# invisible, so two texts that differ only by them look the same to whoever typed them.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_SPACE = re.compile(r"\s+")
_MANY_MARKS = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u20d0-\u20ff]{4})[\u0300-\u036f\u0483-\u0489\u20d0-\u20ff]+"
)
_APOSTROPHES = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\u201c": '"', "\u201d": '"'}
)


@cache
def _traditional_to_simplified() -> OpenCC:
    # Loading reads dictionaries (6 ms); the converter is immutable and safe to share.
    return OpenCC("t2s")


def han_simplify(text: str) -> str:
    """Write traditional Chinese characters as simplified ones, by phrase and then by character.

    >>> han_simplify("退貨")
    '退货'
    """
    return str(_traditional_to_simplified().convert(text))


@lru_cache(maxsize=4096)
def text_normalise(text: str) -> str:
    """Fold a text for comparison.

    Unicode NFKC (full-width forms become ASCII), case folded, traditional Chinese simplified,
    invisible characters removed, control characters and lone surrogates replaced by spaces, runs
    of white space collapsed, ends trimmed. More than four combining marks in a row are cut to four.

    >>> text_normalise(" ７天内可以退貨嗎？ ")
    '7天内可以退货吗?'
    """
    if text.isascii():
        folded = text.casefold()
    else:
        folded = _INVISIBLE.sub("", text)
        folded = _CONTROL.sub(" ", folded)
        folded = _MANY_MARKS.sub(r"\1", folded)
        # Case folding may leave the normal form (U+0345 and kin), hence NFKC on both sides:
        # Unicode 16, section 3.13, definition D145 (compatibility caseless match).
        folded = unicodedata.normalize("NFKC", text_casefold(folded))
        folded = han_simplify(folded.translate(_APOSTROPHES))
    return _SPACE.sub(" ", _CONTROL.sub(" ", folded)).strip()


def text_casefold(text: str) -> str:
    """Case-fold the compatibility form of a text."""
    return unicodedata.normalize("NFKC", text).casefold()
