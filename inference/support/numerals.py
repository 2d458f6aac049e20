"""Numbers as people write them: digits, full-width digits, Chinese and English numerals."""

from __future__ import annotations

import re
from fractions import Fraction

CHINESE_DIGITS = {
    **{"〇": 0, "零": 0, "一": 1, "壹": 1, "二": 2, "两": 2, "贰": 2, "三": 3, "叁": 3, "四": 4},
    **{"肆": 4, "五": 5, "伍": 5, "六": 6, "陆": 6, "七": 7, "柒": 7, "八": 8, "捌": 8},
    **{"九": 9, "玖": 9},
}
_SMALL_UNITS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_LARGE_UNITS = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_ENGLISH = {
    **{"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7},
    **{"eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13},
    **{"fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18},
    **{"nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60},
    **{"seventy": 70, "eighty": 80, "ninety": 90},
}
_ENGLISH_SCALES = {
    **{"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9},
    **{"trillion": 10**12},
}

_CHINESE_CLASS = "〇零一二两三四五六七八九十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟"
_ENGLISH_WORDS = "|".join(sorted([*_ENGLISH, *_ENGLISH_SCALES], key=len, reverse=True))
# One number, without its unit. Alternatives in order: digits (with a scale), Chinese, English.
NUMBER = (
    r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?:\s*(?:万亿|[万亿千百](?![一-龥]*[一二三四五六七八九])|(?:thousand|million|billion|trillion)\b))?"
    rf"|[{_CHINESE_CLASS}]+(?:点[{_CHINESE_CLASS}]+)?"
    rf"|\b(?:{_ENGLISH_WORDS})(?:[\s-]+(?:and\s+)?(?:{_ENGLISH_WORDS}))*\b"
)


def _chinese_value(text: str) -> Fraction | None:
    whole, _, decimals = text.partition("点")
    if decimals:
        if any(c not in CHINESE_DIGITS for c in decimals):
            return None
        base = _chinese_value(whole)
        digits = "".join(str(CHINESE_DIGITS[c]) for c in decimals)
        return None if base is None else base + Fraction(int(digits), 10 ** len(digits))
    if all(c in CHINESE_DIGITS for c in whole):
        return Fraction(int("".join(str(CHINESE_DIGITS[c]) for c in whole)))
    total = section = digit = 0
    for character in whole:
        if character in CHINESE_DIGITS:
            digit = CHINESE_DIGITS[character]
        elif character in _SMALL_UNITS:
            section += (digit or 1) * _SMALL_UNITS[character]
            digit = 0
        else:
            section = (section + digit) or 1
            total = (total + section) * _LARGE_UNITS[character]
            section = digit = 0
    return Fraction(total + section + digit)


def _english_value(text: str) -> Fraction | None:
    total = current = 0
    for word in re.split(r"[\s-]+", text.lower()):
        if word == "and":
            continue
        if word in _ENGLISH:
            current += _ENGLISH[word]
        elif word == "hundred":
            current = (current or 1) * 100
        else:
            total += (current or 1) * _ENGLISH_SCALES[word]
            current = 0
    return Fraction(total + current)


def number_value(text: str) -> Fraction | None:
    """The value of one number written as ``NUMBER`` matches it; None when it is none."""
    text = text.strip()
    if text[:1].isdigit():
        match = re.match(r"([\d,]+(?:\.\d+)?)\s*(.*)", text)
        if match is None:
            return None
        value = Fraction(match[1].replace(",", ""))
        scale = match[2].lower()
        if scale == "万亿":
            return value * 10**12
        return value * (
            _LARGE_UNITS.get(scale) or _SMALL_UNITS.get(scale) or _ENGLISH_SCALES.get(scale) or 1
        )
    if text[:1] in _CHINESE_CLASS:
        return _chinese_value(text)
    return _english_value(text)
