"""Dates and times as people and spreadsheets write them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

_CHINESE: Final = str.maketrans({"年": "-", "月": "-", "日": " ", "/": "-"})
_SHORT: Final = re.compile(r"^(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)")
_DATE_LENGTH: Final = 10


def moment_parse(text: str, *, is_end: bool = False) -> datetime | None:
    """A date, or a date with a time, in ISO's order; ``None`` for an empty text.

    Without an offset it is the desk's own time. A date alone begins at midnight; as an end it
    means that the whole day still counts.

    Raises:
        ValueError: it is neither.
    """
    text = " ".join(text.translate(_CHINESE).split())
    if not text:
        return None
    text = _SHORT.sub(lambda found: f"{found[1]}-{found[2]:>02}-{found[3]:>02}", text)
    moment = datetime.fromisoformat(text)
    if len(text) == _DATE_LENGTH and is_end:
        moment += timedelta(days=1)
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def moment_text(moment: datetime | None) -> str:
    """The text that :func:`moment_parse` reads back; empty for ``None``."""
    return "" if moment is None else timezone.localtime(moment).isoformat(sep=" ")
