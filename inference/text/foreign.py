"""Which other language a message is written in: one that the desk has no knowledge or model for.

Told by script and by the small words that hold a sentence together; nothing is learned, so the same
message is always the same language.
"""

from __future__ import annotations

import re
from typing import Final

from inference.text.normalisation import text_normalise

JA: Final = "ja"
KO: Final = "ko"
VI: Final = "vi"
TH: Final = "th"
ID: Final = "id"
AR: Final = "ar"
ES: Final = "es"

_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_HANGUL = re.compile("[\uac00-\ud7af]")
_THAI = re.compile("[\u0e01-\u0e5b]")
_ARABIC = re.compile("[\u0620-\u064a\u0671-\u06d3]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_LATIN = re.compile("[a-z\u00c0-\u024f\u1e00-\u1eff]+")
# Letters of Vietnamese that no other language in Latin letters has.
_VIETNAMESE = re.compile("[ăđơư\u1ea0-\u1ef9]")
_SPANISH_MARKS = re.compile("[¿¡]")
_LEAST_LETTERS = 2
_KANA_SHARE = 0.15
"""Of kana and Chinese characters: a Chinese sentence with the fashionable の stays Chinese."""

_VIETNAMESE_GLUE = """
khong duoc bao nhieu lam sao cua toi nhung hang gui tra giao don tien ban voi cho
"""
_INDONESIAN_GLUE = """
saya kami anda apa apakah bagaimana berapa kapan mana yang tidak bisa untuk dengan ini itu dari ada
dan atau sudah belum pesanan barang pengiriman ongkir ongkos kirim kirimnya toko harga bisakah uang
hari lama harus kalau kapan
"""
_SPANISH_GLUE = """
el la los las un una unos de del que qué cómo como cuánto cuanto cuánta cuándo cuando dónde donde
para por con mi mis puedo puede quiero es son está tengo tiene hay pedido envío envio enviar
devolver devolución gracias hola sin cuesta cuestan ustedes aceptan y o
"""
_ENGLISH_GLUE = """
a an and are at be can could did do does for from have how i if in is it long many me much my not of
on or please shall the there this to was we what when where which who why will with you your
"""
_GLUE: Final = {
    VI: frozenset(_VIETNAMESE_GLUE.split()),
    ID: frozenset(_INDONESIAN_GLUE.split()),
    ES: frozenset(_SPANISH_GLUE.split()),
}
_ENGLISH: Final = frozenset(_ENGLISH_GLUE.split())
_GLUE_LEAST = 2


def foreign_language_of(text: str) -> str:
    """``ja``, ``ko``, ``vi``, ``th``, ``id``, ``ar`` or ``es``; "" for Chinese, English and what
    does not tell."""
    folded = text_normalise(text)
    han, latin = len(_HAN.findall(folded)), _LATIN.findall(folded)
    letters = sum(map(len, latin))
    kana = len(_KANA.findall(folded))
    if kana >= _LEAST_LETTERS and kana >= _KANA_SHARE * (kana + han):
        return JA
    for language, script in ((KO, _HANGUL), (TH, _THAI), (AR, _ARABIC)):
        count = len(script.findall(folded))
        if count >= _LEAST_LETTERS and count > han and 3 * count >= letters:
            return language
    return "" if han else _latin_language(folded, latin)


def _latin_language(folded: str, words: list[str]) -> str:
    english = sum(word in _ENGLISH for word in words)
    if _VIETNAMESE.search(folded) and english < _GLUE_LEAST:
        return VI
    if _SPANISH_MARKS.search(folded) and english < _GLUE_LEAST:
        return ES
    counts = {language: sum(word in glue for word in words) for language, glue in _GLUE.items()}
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] >= _GLUE_LEAST and counts[best] > english else ""
