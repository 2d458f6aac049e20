"""Judges whether an answer is supported by texts, apart from the product's own support check.

On purpose it shares no code with ``inference.support``: a fault there must not hide itself here. It
is coarse and looks for what harms a customer: a number, price, date or order id that no text has,
the same number with another unit, a denial turned around, and words from nowhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

_NUMERALS: Final = {"零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5} | {
    "六": 6, "七": 7, "八": 8, "九": 9
}  # fmt: skip
_SIZES: Final = {"十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8}
_ENGLISH: Final = {
    word: value
    for value, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"]
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80} | {
    "ninety": 90, "hundred": 100
}  # fmt: skip
# Characters of numbers in words that count nothing.
_NO_NUMBER = re.compile(
    r"一(?:般|定|些|下|样|起|直|旦|律|致|切|种|边|共|并|经|次性|方面|会儿|点儿?)|统一|唯一|万一|同一|另一|进一步"
    r"|十分|千万|第三方|四周|三方|百分之?百|不二|两者|(?<=[\u4e00-\u9fff])万分"
)
# One class for each thing that a number counts; a number without any of them may be of any.
_UNITS: Final = {
    "second": r"秒|secs?|seconds?",
    "minute": r"分钟|mins?|minutes?",
    "hour": r"个?小时|个?钟头|hours?|hrs?",
    "day": r"个?工作日|个?自然日|天|日|号(?!码)|(?:business |working |calendar )?days?",
    "week": r"周|个?星期|个?礼拜|weeks?",
    "month": r"个?月|months?",
    "year": r"年|years?",
    "money": r"元|块钱?|rmb|yuan|dollars?|usd|cny|euros?|pounds?",
    "percent": r"%|percent|per cent",
    "off": r"折",
    "clock": r"点|时(?!间)|o'clock|[ap]\.?m\b",
}
# "3-5 days": the unit of the end is that of the beginning.
_UNIT_AFTER = re.compile(
    r"(?:\s*(?:-|~|–|到|至|to)\s*\d+(?:\.\d+)?)?[\s-]*(?:"
    + "|".join(f"(?P<{name}>{forms})" for name, forms in _UNITS.items())
    + ")"
)
_DENIALS = re.compile(
    r"不(?!仅|但|过|同|少|管|错|论)|没有?|无(?!理由|论|条件|忧)|未(?!来)|非(?!常)|禁止|勿"
    r"|\b(?:not|no|never|without)\b|(?<=\bcan)not\b|n't\b"
)
_MODALS = re.compile(r"可以|能够|能(?![力量源])|允许|支持|得以")
_REFUSALS = re.compile(
    r"无法确认|无法回答|不能确认|没有提到|未提及|未说明|暂时无法|cannot confirm|can't confirm|not mentioned"
    r"|do(?:es)? not (?:say|mention|state)|unable to confirm|cannot be confirmed"
)
_SENTENCE_END = re.compile(r"[。！？!?;；\n]|\.(?=\s|$)")
_CLAUSE_END = re.compile(r"[。！？!?;；\n，,：:、]|\.(?=\s|$)")
# Share of an answer's word pairs (Chinese) or words (English) that the texts must hold.
_LEAST_SHARED: Final = 0.5
# From this share on a clause of a text is the same clause, but for a denial.
_SAME_CLAUSE: Final = 0.8
_SAME_SENTENCE: Final = 0.75


def plain(text: str) -> str:
    """Folded text: full-width forms, capitals, thousands separators."""
    folded = unicodedata.normalize("NFKC", text).lower()
    return re.sub(r"(?<=\d),(?=\d{3})", "", folded)


def _chinese_number(match: re.Match[str]) -> str:
    word = match[0]
    if not any(character in _SIZES for character in word):
        return "".join(str(_NUMERALS[character]) for character in word)
    total = section = digit = 0
    for character in word:
        if character in _NUMERALS:
            digit = _NUMERALS[character]
        elif character in "万亿":
            total = (total + section + digit) * _SIZES[character]
            section = digit = 0
        else:
            section += (digit or 1) * _SIZES[character]
            digit = 0
    return str(total + section + digit)


def _with_digits(text: str) -> str:
    """The folded text with numbers in words as digits."""
    folded = _NO_NUMBER.sub(" ", plain(text))
    folded = re.sub("[零〇一二两三四五六七八九十百千万亿]+", _chinese_or_word, folded)
    tens = r"twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
    ones = r"one|two|three|four|five|six|seven|eight|nine"
    folded = re.sub(
        rf"\b({tens})[- ]({ones})\b", lambda m: str(_ENGLISH[m[1]] + _ENGLISH[m[2]]), folded
    )
    return re.sub(rf"\b({'|'.join(_ENGLISH)})\b", lambda m: str(_ENGLISH[m[0]]), folded)


def _chinese_or_word(match: re.Match[str]) -> str:
    # 12万 is a number with a size; 千 or 万 alone is part of a word.
    word = match[0]
    if all(character in "万亿百千" for character in word):
        return word
    return _chinese_number(match)


def _value(digits: str) -> str:
    whole, _, part = digits.partition(".")
    part = part.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{part}" if part else "")


def quantities_in(text: str) -> dict[str, set[str]]:
    """Numbers as digits, each with the things that it counts there ("" where that is not told)."""
    found: dict[str, set[str]] = defaultdict(set)
    folded = _with_digits(text)
    for match in re.finditer(r"\d+(?:\.\d+)?", folded):
        unit = _UNIT_AFTER.match(folded[match.end() :])
        money = folded[: match.start()].rstrip().endswith(("¥", "$", "€", "£", "￥"))
        name = "money" if money else unit.lastgroup if unit else ""
        found[_value(match[0])].add(name or "")
    return dict(found)


def numbers_in(text: str) -> set[str]:
    """Numbers as digits, without what they count."""
    return set(quantities_in(text))


def pieces_of(text: str) -> set[str]:
    """Pairs of Chinese characters and English words of three letters or more, without numbers."""
    folded = _with_digits(text)
    pairs = {run[i : i + 2] for run in re.findall("[一-鿿]+", folded) for i in range(len(run) - 1)}
    return pairs | set(re.findall(r"[a-z]{3,}", folded))


def is_refusal(answer: str) -> bool:
    """Whether the answer says that it cannot tell."""
    return bool(_REFUSALS.search(plain(answer)))


def is_unsupported(answer: str, texts: Sequence[str], question: str) -> bool:
    """Whether the answer says something that neither the texts nor the question hold."""
    known = "\n".join([*texts, question])
    if _number_unknown(answer, known):
        return True
    said = pieces_of(answer)
    if said and len(said & pieces_of(known)) / len(said) < _LEAST_SHARED:
        return True
    return _denial_turned(answer, texts)


def _number_unknown(answer: str, known: str) -> bool:
    """A number that is not there, or that counts something else wherever it is."""
    held = quantities_in(known)
    for value, units in quantities_in(answer).items():
        if value not in held:
            return True
        if "" not in units and "" not in held[value] and not units & held[value]:
            return True
    return False


def _affirmed(clause: str) -> set[str]:
    """The pieces of a clause without its denials, and with one word for "may"."""
    folded = _MODALS.sub("可", plain(clause))
    return pieces_of(_DENIALS.sub("", folded))


def _denial_turned(answer: str, texts: Sequence[str]) -> bool:
    """Whether all clauses of the texts that nearly are a clause of the answer say the opposite.

    Sentences are compared too ("Custom items, 7 days: no returns"), but only with sentences that say
    little else, which may be what is denied.
    """
    for cut, least_back in ((_CLAUSE_END, 0.0), (_SENTENCE_END, _SAME_SENTENCE)):
        told = [(piece, _affirmed(piece)) for text in texts for piece in cut.split(text)]
        for clause in cut.split(answer):
            said = _affirmed(clause)
            near = [
                piece
                for piece, held in told
                if said
                and len(said & held) >= max(_SAME_CLAUSE * len(said), least_back * len(held))
            ]
            if near and all(_denies(piece) != _denies(clause) for piece in near):
                return True
    return False


def _denies(text: str) -> bool:
    return len(_DENIALS.findall(plain(text))) % 2 == 1
