"""Judges whether an answer is supported by texts, apart from the product's own support check.

On purpose it shares no code with ``inference.support``: a fault there must not hide itself here. It
is coarse: numbers (Chinese and full-width ones too), words, and denials turned around.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_NUMERALS = {"零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6}
_NUMERALS |= {"七": 7, "八": 8, "九": 9}
_NUMBER_WORDS = {
    name: str(value)
    for value, name in enumerate(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], start=1
    )
}
_DENIALS = re.compile(
    r"不(?!仅|但|过|同|少|管|错)|没有|无(?!理由|论|条件)|未(?!来)|非(?!常)|禁止"
    r"|\b(?:not|no|never|cannot|without)\b|n't\b"
)
_REFUSALS = re.compile(
    r"无法确认|无法回答|不能确认|没有提到|未提及|暂时无法|cannot confirm|can't confirm|not mentioned"
    r"|do(?:es)? not (?:say|mention)|unable to confirm"
)
# Share of an answer's word pairs (Chinese) or words (English) that the texts must hold.
_LEAST_SHARED = 0.5


def plain(text: str) -> str:
    """Folded text: full-width forms, capitals, thousands separators and white space."""
    folded = unicodedata.normalize("NFKC", text).lower()
    return re.sub(r"(?<=\d),(?=\d{3})", "", folded)


def _numeral(match: re.Match[str]) -> str:
    word = match[0]
    if not re.search("[十百千万亿]", word):
        return "".join(str(_NUMERALS[c]) for c in word)
    total = section = digit = 0
    for character in word:
        if character in _NUMERALS:
            digit = _NUMERALS[character]
        elif character in "万亿":
            total = (total + section + digit) * (10**4 if character == "万" else 10**8)
            section = digit = 0
        else:
            section += (digit or 1) * {"十": 10, "百": 100, "千": 1000}[character]
            digit = 0
    return str(total + section + digit)


def numbers_in(text: str) -> set[str]:
    """Numbers as digits, without their units."""
    folded = re.sub(r"[零〇一二两三四五六七八九十百千]+(?=[^\W\d_])", _numeral, plain(text))
    for name, digits in _NUMBER_WORDS.items():
        folded = re.sub(rf"\b{name}\b", digits, folded)
    return {value.rstrip("0").rstrip(".") if "." in value else value
            for value in re.findall(r"\d+(?:\.\d+)?", folded)}  # fmt: skip


def pieces_of(text: str) -> set[str]:
    """Pairs of Chinese characters and English words of three letters or more."""
    folded = plain(text)
    pairs = {run[i : i + 2] for run in re.findall("[一-鿿]+", folded) for i in range(len(run) - 1)}
    return pairs | set(re.findall(r"[a-z]{3,}", folded))


def is_refusal(answer: str) -> bool:
    """Whether the answer says that it cannot tell."""
    return bool(_REFUSALS.search(plain(answer)))


def is_unsupported(answer: str, texts: Sequence[str], question: str) -> bool:
    """Whether the answer says something that neither the texts nor the question hold."""
    known = "\n".join([*texts, question])
    if numbers_in(answer) - numbers_in(known):
        return True
    said = pieces_of(answer)
    if said and len(said & pieces_of(known)) / len(said) < _LEAST_SHARED:
        return True
    return _denial_turned(answer, texts)


def _denial_turned(answer: str, texts: Sequence[str]) -> bool:
    """Whether each text sentence that nearly is the answer says the opposite."""
    said = pieces_of(answer)
    if not said:
        return False
    near = [
        sentence
        for text in texts
        for sentence in re.split(r"[。！？!?;；\n]|\.\s", text)
        if len(said & pieces_of(sentence)) / len(said) >= 0.8
    ]
    denies = len(_DENIALS.findall(plain(answer))) % 2
    return bool(near) and all(len(_DENIALS.findall(plain(s))) % 2 != denies for s in near)
