"""Which of the product's two languages a message is written in."""

from __future__ import annotations

import re
from typing import Final, Literal, cast

from inference.text.normalisation import text_normalise

LanguageCode = Literal["zh-hans", "en"]

ZH_HANS: Final = "zh-hans"
EN: Final = "en"

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]")
# Words of letters only: an order number or "5g" says nothing about the language.
_LATIN_WORD = re.compile(r"(?<![0-9a-z])[a-z\u00c0-\u024f]+(?:'[a-z]+)?(?![0-9a-z])")
_OTHER_SCRIPT = re.compile("[\u3040-\u30ff\uac00-\ud7af\u0400-\u04ff\u0600-\u06ff\u0e00-\u0e7f]")

# The words that hold an English sentence together; a Chinese sentence with product names in it
# has none of them. Greetings are here because they are whole messages.
_ENGLISH_GLUE_LIST = """
a about after all am an and any anyone are as at be been before but by can can't cancel could
did do does doesn't don't for from get got had has have help hello hey hi how how's i i'd i'm
i've if in is isn't it it's its long many me much my need no not of on or our out please return
shall should sorry thank thanks that the their there these they this to up us want was we were
what what's when where where's which who why will with won't would yes you your
"""
_ENGLISH_GLUE = frozenset(_ENGLISH_GLUE_LIST.split())


def language_of(text: str, default: str = ZH_HANS) -> LanguageCode:
    """The language of a message (``language_told``), else ``default``."""
    return language_told(text) or _known(default)


def language_told(text: str) -> LanguageCode | None:
    """Guess the language of a message: ``zh-hans`` (any Chinese) or ``en``.

    ``None`` when the text does not tell: digits, emoji, another script, a lone short Latin word
    such as "ok" or "vip" that both languages use. Product names inside a Chinese
    sentence do not make it English ("iPhone 15 Pro Max 多少钱"), nor does a quoted Chinese word
    make an English one Chinese ("What does 退货 mean?").
    """
    folded = text_normalise(text)
    han = len(_HAN.findall(folded))
    words = _LATIN_WORD.findall(folded)
    glue = sum(word in _ENGLISH_GLUE for word in words)
    if _OTHER_SCRIPT.search(folded) and len(_OTHER_SCRIPT.findall(folded)) > han + len(words):
        return None
    if han:
        # One Han character carries about half a word, and a quoted term in an English sentence is
        # outnumbered by the glue around it.
        return EN if glue >= 2 and len(words) > han / 2 else ZH_HANS
    if not words or (len(words) == 1 and not glue and len(words[0]) <= 4):
        return None
    return EN


def _known(language: str) -> LanguageCode:
    return cast(LanguageCode, language) if language in (ZH_HANS, EN) else ZH_HANS
