"""What is said to customers in languages that the desk has no knowledge in.

The rule of reply languages: Chinese is answered in Chinese and English in English. Whoever writes
Japanese, Korean, Vietnamese, Thai, Indonesian, Arabic or Spanish gets an entry's own text where one
is sure enough, in the language that it stands in, under a line in their own; else a "cannot
confirm" in their own. Nothing is generated: neither the small models nor the support check know
these languages.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

_WORDS: Final = Path(__file__).with_name("foreign.toml")


def foreign_lead(spoken: str, entry_language: str) -> str:
    """The line before an entry's own text."""
    return _words()[spoken]["en" if entry_language == "en" else "zh"]


def foreign_cannot_confirm(spoken: str, titles: Sequence[str]) -> str:
    """The knowledge is silent; titles that are near are offered by number."""
    words = _words()[spoken]
    if not titles:
        return words["confirm"]
    numbered = (f"{number}. {title}" for number, title in enumerate(titles, start=1))
    return "\n".join([words["titles"], *numbered, words["choose"]])


def foreign_sorry(spoken: str) -> str:
    """Nothing could answer."""
    return _words()[spoken]["sorry"]


@cache
def _words() -> dict[str, dict[str, str]]:
    return tomllib.loads(_WORDS.read_text(encoding="utf-8"))
