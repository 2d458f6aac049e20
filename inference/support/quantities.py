"""Numbers with their units, dates and clock times, in one form that can be compared.

``7天``, ``七天``, ``７ 天``, ``7 days``, ``seven-day`` and ``一周`` are the same quantity;
``3-5个工作日`` is a range of working days and not ``3-5天``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from inference.support.numerals import NUMBER, number_value

# unit as written -> (kind, factor to the kind's base unit)
_UNITS: dict[str, tuple[str, Fraction]] = {}


def _unit(kind: str, factor: int | Fraction, *names: str) -> None:
    _UNITS.update({name: (kind, Fraction(factor)) for name in names})


_unit("second", 1, "秒钟", "秒", "seconds", "second", "secs", "sec")
_unit("second", 60, "分钟", "minutes", "minute", "mins", "min")
_unit("second", 3600, "个小时", "小时", "个钟头", "钟头", "hours", "hour", "hrs", "hr")
_unit("second", 86400, "个自然日", "自然日", "天", "日", "calendar days", "calendar day")
_unit("second", 86400, "days", "day")
_unit("second", 7 * 86400, "个星期", "个礼拜", "星期", "礼拜", "周", "weeks", "week")
_unit("workday", 1, "个工作日", "工作日", "个工作天", "工作天")
_unit("workday", 1, "business days", "business day", "working days", "working day")
_unit("workday", 1, "workdays", "workday")
_unit("month", 1, "个月", "个自然月", "months", "month")
_unit("month", 12, "周年", "年", "years", "year", "yrs", "yr")
_unit("percent", 1, "%", "个百分点", "percent", "per cent", "percentage points", "pct")
_unit("discount", 1, "折")
_unit("times", 1, "倍", "times", "fold")
_unit("CNY", 1, "元人民币", "元", "块钱", "块", "人民币", "rmb", "cny", "yuan")
_unit("CNY", Fraction(1, 10), "角")
_unit("USD", 1, "美元", "美金", "usd", "us dollars", "dollars", "dollar", "bucks")
_unit("EUR", 1, "欧元", "eur", "euros", "euro")
_unit("GBP", 1, "英镑", "gbp", "pounds", "pound")
_unit("HKD", 1, "港元", "港币", "hkd")
_unit("JPY", 1, "日元", "jpy", "yen")
_unit("gram", 1, "克", "grams", "gram", "g")
_unit("gram", 1000, "公斤", "千克", "kilograms", "kilogram", "kg", "kgs")
_unit("gram", 500, "斤")
_unit("metre", Fraction(1, 100), "厘米", "公分", "centimetres", "centimeters", "cm")
_unit("metre", Fraction(1, 1000), "毫米", "millimetres", "millimeters", "mm")
_unit("metre", 1, "米", "metres", "meters", "metre", "meter", "m")
_unit("metre", 1000, "公里", "千米", "kilometres", "kilometers", "km")
_unit("byte", 1, "mb")
_unit("byte", 1024, "gb")

# Counting words: the number matters, the counting word does not.
_COUNTERS = (
    "人次|名|位|人|个|件|种|张|家|步|期|次|双|套|台|辆|部|条|款|瓶|盒|只|箱|包|份|级|分|笔|点|"
    "项|颗|本|岁|层|座|所|场|届|组|排|页|号|枚|艘|架|匹|头|棵|吨|粒|片|袋|升|度|万|亿"
)
# An article, not a number: 一个, 一种, 一位 ...
_ARTICLE = re.compile(
    r"一(?:个(?!月|小时|星期|礼拜|工作日|自然)|种|位|名|件|次|张|条|份|款|些|点|家|部|步|期|号|组)"
)

_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_MONTH_NUMBER = {m: i + 1 for i, m in enumerate(_MONTHS)} | {
    m[:3]: i + 1 for i, m in enumerate(_MONTHS)
}
_MONTH_NUMBER["sept"] = 9
_MONTH = "(?:" + "|".join(sorted(_MONTH_NUMBER, key=len, reverse=True)) + r")\b\.?"
_WEEKDAYS = {c: i + 1 for i, c in enumerate("一二三四五六")} | {"日": 7, "天": 7}
_ENGLISH_WEEKDAYS = {
    name[:3]: i + 1
    for i, name in enumerate(
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    )
}

_CN = "[〇零一二两三四五六七八九十]"
_DATES = [
    re.compile(
        rf"(?P<y>\d{{4}}|{_CN}{{4}})\s*年\s*"
        rf"(?:(?P<m>\d{{1,2}}|{_CN}{{1,3}})\s*月份?\s*(?:(?P<d>\d{{1,2}}|{_CN}{{1,3}})\s*[日号])?)?"
    ),
    re.compile(
        rf"(?P<m>\d{{1,2}}|{_CN}{{1,3}})\s*月份?\s*(?:(?P<d>\d{{1,2}}|{_CN}{{1,3}})\s*[日号])"
    ),
    re.compile(rf"(?<!个)(?P<m>\d{{1,2}}|{_CN}{{1,3}})\s*月份?(?![一-龥]*历)"),
    re.compile(r"(?<!\d)(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?!\d)"),
    re.compile(
        rf"\b(?P<mn>{_MONTH})\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(?P<y>\d{{4}}))?", re.I
    ),
    re.compile(
        rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<mn>{_MONTH}),?(?:\s+(?P<y>\d{{4}}))?",
        re.I,
    ),
    re.compile(rf"\b(?P<mn>{_MONTH}),?\s+(?P<y>\d{{4}})\b", re.I),
]
_CLOCKS = [
    re.compile(
        r"(?P<half>凌晨|早上|上午|中午|下午|傍晚|晚上|早|晚)?\s*(?P<h>[01]?\d|2[0-4])\s*[::]\s*(?P<min>[0-5]\d)"
        r"\s*(?P<ampm>a\.?m\b\.?|p\.?m\b\.?)?",
        re.I,
    ),
    re.compile(r"(?<![\d.])(?P<h>1[0-2]|0?\d)\s*(?P<ampm>a\.?m\b\.?|p\.?m\b\.?)", re.I),
    re.compile(
        rf"(?P<half>凌晨|早上|上午|中午|下午|傍晚|晚上|早|晚)\s*(?P<h>\d{{1,2}}|{_CN}{{1,3}})\s*[点时]"
        rf"(?:(?P<min>半|\d{{1,2}}\s*分?))?"
    ),
    re.compile(r"(?<![\d.])(?P<h>[01]?\d|2[0-4])\s*点(?:钟|整|半)?(?![\d一-龥]?[\d%])"),
]
_WEEKDAY = re.compile(
    r"(?:周|星期|礼拜)(?P<zh>[一二三四五六日天])(?!\w*年)"
    r"|\b(?P<en>(?i:monday|tuesday|wednesday|thursday|friday|saturday|sunday)s?"
    r"|Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)\b"
)
_RANGE = r"\s*(?:[-~～—–−―]+|至|到|\bto\b|\band\b|\bor\b|或)\s*"
_UNIT_NAMES = "|".join(
    re.escape(name) + (r"\b" if name[-1].isascii() and name[-1].isalpha() else "")
    for name in sorted(_UNITS, key=len, reverse=True)
)
_MONEY_SIGNS = {"¥": "CNY", "￥": "CNY", "rmb": "CNY", "cny": "CNY", "$": "USD", "us$": "USD"}
_MONEY_SIGNS |= {"€": "EUR", "£": "GBP", "hk$": "HKD", "usd": "USD", "gbp": "GBP", "eur": "EUR"}
_SIGN = "|".join(re.escape(s) for s in sorted(_MONEY_SIGNS, key=len, reverse=True))
_NUMBERED = re.compile(
    rf"(?P<sign>{_SIGN})?\s*(?P<a>百分之)?(?P<n1>{NUMBER})"
    rf"(?:(?P<u0>{_UNIT_NAMES})?{_RANGE}(?:{_SIGN})?\s*(?P<n2>{NUMBER}))?"
    rf"(?:\s*-?\s*(?P<unit>{_UNIT_NAMES})|\s*(?P<counter>{_COUNTERS})(?P<half>半)?)?",
    re.I,
)
_HALF = re.compile(
    r"半(?P<unit>年|个月|个小时|小时|天|日|价)|\bhalf\s+(?:a|an)\s+(?P<en>year|hour|day)\b", re.I
)
_HALVES = {"年": ("month", 6), "个月": ("second", 15 * 86400), "year": ("month", 6)}
_HALVES |= dict.fromkeys(("个小时", "小时", "hour"), ("second", 1800))
_HALVES |= dict.fromkeys(("天", "日", "day"), ("second", 43200))
_HALVES["价"] = ("discount", 5)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its kind.

    ``kind`` is a base unit (``second``, ``workday``, ``month``, ``CNY`` ...), ``date`` with
    values (year, month, day; 0 = not said), ``clock`` with (hour, minute), ``weekday`` with (1-7),
    or ``number`` for anything counted. Two ``values`` are a range. ``start`` and ``end`` are the
    place in the text after ``quantity_text``.
    """

    kind: str
    values: tuple[Fraction, ...]
    start: int
    end: int
    text: str

    def agrees(self, other: Quantity) -> bool:
        """Whether a passage that says ``other`` supports saying this."""
        if self.kind == other.kind == "date":
            pairs = list(zip(self.values, other.values, strict=True))
            # A passage without the year supports a date without it, never one with it.
            return all(mine == 0 or mine == theirs for mine, theirs in pairs)
        if self.kind == other.kind:
            return self.values == other.values
        if "number" in (self.kind, other.kind):
            if "date" in (self.kind, other.kind):
                date, number = (self, other) if self.kind == "date" else (other, self)
                if any(date.values[1:]) and date is self:
                    return False
                return len(number.values) == 1 and number.values[0] == date.values[0]
            # A bare number says less than one with a unit, so it may stand for it; a unit of time
            # or money that the passage does not give may not be added.
            return self.kind == "number" and self.values == other.values
        return False


def quantity_text(text: str) -> str:
    """``text`` with full-width digits and signs made plain; spans of quantities refer to this."""
    return unicodedata.normalize("NFKC", text)


def _whole(text: str | None) -> Fraction:
    value = number_value(text) if text else None
    return Fraction(0) if value is None else value


def _date(match: re.Match[str]) -> tuple[Fraction, ...] | None:
    parts = match.groupdict()
    if parts.get("mn"):
        month = Fraction(_MONTH_NUMBER[parts["mn"].lower().rstrip(".")])
    else:
        month = _whole(parts.get("m"))
    day, year = _whole(parts.get("d")), _whole(parts.get("y"))
    return (year, month, day) if month <= 12 and day <= 31 else None


def _clock(match: re.Match[str]) -> tuple[Fraction, ...]:
    parts = match.groupdict()
    hour = _whole(parts["h"])
    minute = parts.get("min") or ""
    minutes = (
        Fraction(30) if minute == "半" or match[0].endswith("半") else _whole(minute.rstrip("分 "))
    )
    half = parts.get("half") or ""
    ampm = (parts.get("ampm") or "").lower().replace(".", "")
    if (half in ("下午", "傍晚", "晚上", "晚") or ampm == "pm") and hour < 12:
        hour += 12
    if (half == "凌晨" or ampm == "am") and hour == 12:
        hour = Fraction(0)
    return (hour, minutes)


def _numbered(match: re.Match[str]) -> tuple[str, tuple[Fraction, ...]] | None:
    first = number_value(match["n1"])
    if first is None:
        return None
    if match.string[: match.start()].endswith("第") or match[0] == "十分":
        return None  # 第二天, 十分抱歉
    values = [first]
    second = number_value(match["n2"]) if match["n2"] else None
    if second is not None:
        values.append(second)
    unit = (match["unit"] or match["u0"] or "").lower()
    if match["half"]:
        values[-1] += Fraction(1, 2)
    if match["a"]:
        return "percent", tuple(values)
    if match["sign"]:
        return _MONEY_SIGNS[match["sign"].lower()], tuple(values)
    if unit:
        kind, factor = _UNITS[unit]
        return kind, tuple(v * factor for v in values)
    digits = match["n1"][:1].isdigit()
    if not digits and not match["counter"] and len(match["n1"]) < 2:
        return None  # 一 in 统一, 三 in 三方: part of a word
    bare_chinese = not digits and not match["counter"] and not match["n1"].isascii()
    if bare_chinese and (
        not re.search("[十百千万亿]", match["n1"]) or match["n1"] in ("千万", "百万", "万一")
    ):
        return None  # 千万不要, 万一: words; 二十五 and 一百 are numbers
    if match["n1"].lower() == "one" or _ARTICLE.match(match[0]):
        return None
    return "number", tuple(values)


# Passages are read again and again: for every question, and for every clause of an answer.
@lru_cache(maxsize=2048)
def quantities_of(text: str) -> tuple[Quantity, ...]:
    """Every quantity in ``text``, in order of place; overlapping readings are resolved.

    Dates and clock times win over plain numbers.
    """
    plain = quantity_text(text)
    found: list[Quantity] = []

    def free(start: int, end: int) -> bool:
        return all(end <= q.start or start >= q.end for q in found)

    def add(kind: str, values: tuple[Fraction, ...], match: re.Match[str]) -> None:
        start, end = match.span()
        while start < end and plain[start].isspace():
            start += 1
        while end > start and plain[end - 1].isspace():
            end -= 1
        if start < end and free(start, end):
            found.append(Quantity(kind, values, start, end, plain[start:end]))

    for pattern in _DATES:
        for match in pattern.finditer(plain):
            values = _date(match)
            if values is not None and any(values):
                add("date", values, match)
    for pattern in _CLOCKS:
        for match in pattern.finditer(plain):
            add("clock", _clock(match), match)
    for match in _WEEKDAY.finditer(plain):
        day = _WEEKDAYS[match["zh"]] if match["zh"] else _ENGLISH_WEEKDAYS[match["en"][:3].lower()]
        add("weekday", (Fraction(day),), match)
    for match in _HALF.finditer(plain):
        kind, value = _HALVES[(match["unit"] or match["en"]).lower()]
        add(kind, (Fraction(value),), match)
    for match in _NUMBERED.finditer(plain):
        reading = _numbered(match)
        if reading is not None:
            add(reading[0], reading[1], match)
    return tuple(sorted(found, key=lambda q: q.start))


def text_without_quantities(text: str, quantities: Iterable[Quantity] | None = None) -> str:
    """``text`` (in the form of ``quantity_text``) with every quantity replaced by a space.

    Word segmentation needs it: ``7天无理由`` would be cut into 7, 天无, 理由.
    """
    plain = quantity_text(text)
    pieces: list[str] = []
    place = 0
    for quantity in quantities if quantities is not None else quantities_of(plain):
        pieces.append(plain[place : quantity.start])
        place = quantity.end
    pieces.append(plain[place:])
    return " ".join(pieces)
