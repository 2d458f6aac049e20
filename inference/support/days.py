"""Days that a text names: today, tomorrow, Friday, next week.

They are no numbers, and words of their kind weigh little ("today" stands in many a courtesy), so a
claim could take them from the customer: "Will it leave tomorrow?" - "It will leave tomorrow."
"""

from __future__ import annotations

import re
from typing import Final

_NAMES: Final = {
    "today": r"今[天日晚]|当[天日]|\btoday\b|\btonight\b",
    "tomorrow": r"明[天日晚早]|次日|第二天|\btomorrow\b|\bnext day\b",
    "day after tomorrow": r"后[天日](?!起)|\bday after tomorrow\b",
    "yesterday": r"昨[天日晚]|\byesterday\b",
    "this week": r"[本这]个?(?:周|星期|礼拜)|\bthis week\b",
    "next week": r"下个?(?:周|星期|礼拜)|\bnext week\b",
    "weekend": r"周末|双休日|\bweekends?\b",
} | {
    name: rf"(?<![一二两三四五六七八九十\d])(?:周|星期|礼拜){sign}|\b{name}s?\b"
    for name, sign in (
        ("monday", "一"), ("tuesday", "二"), ("wednesday", "三"), ("thursday", "四"),
        ("friday", "五"), ("saturday", "六"), ("sunday", "[日天]"),
    )
}  # fmt: skip
_DAYS: Final = {name: re.compile(forms, re.IGNORECASE) for name, forms in _NAMES.items()}


def days_of(text: str) -> frozenset[str]:
    """The days that a text names, each by one name in whatever spelling or language."""
    return frozenset(name for name, forms in _DAYS.items() if forms.search(text))
