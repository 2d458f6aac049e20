"""Whether an answer is what was expected: by entries and facts, without a judging model."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from inference.support.quantities import quantities_of, text_without_quantities
from inference.text.normalisation import text_normalise
from knowledge.models import Expectation

NOT_ANSWERED: Final = "not_answered"
ANSWERED: Final = "answered"
OTHER_ENTRY: Final = "other_entry"
FACT_MISSING: Final = "fact_missing"
FACT_FORBIDDEN: Final = "fact_forbidden"

_BLANK = re.compile(r"\s+")
_ALTERNATIVES = re.compile(r"[|｜]")


@dataclass(frozen=True, slots=True)
class Expected:
    """What is to become of a question; ``entries`` are ids, ``facts`` and ``forbidden`` lines."""

    expectation: str
    entries: Collection[int] = ()
    facts: str = ""
    forbidden: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """``problems`` are pairs (code, words); an answer without any is right."""

    problems: tuple[tuple[str, str], ...]

    @property
    def is_right(self) -> bool:
        return not self.problems


def answer_judge(
    expected: Expected, *, text: str, is_answered: bool, cited: Collection[int]
) -> Judged:
    """Judge one answer.

    Args:
        text: what the customer would have read.
        is_answered: whether it came from the knowledge, and not from an apology, an offer of a
            person or "I cannot confirm".
        cited: ids of the entries that it was made from.
    """
    problems: list[tuple[str, str]] = []
    if expected.expectation == Expectation.UNANSWERED:
        if is_answered:
            problems.append((ANSWERED, ""))
    elif not is_answered:
        problems.append((NOT_ANSWERED, ""))
    else:
        if expected.entries and not set(expected.entries) & set(cited):
            problems.append((OTHER_ENTRY, ""))
        problems += [
            (FACT_MISSING, line) for line in facts_of(expected.facts) if not fact_holds(line, text)
        ]
    problems += [
        (FACT_FORBIDDEN, line) for line in facts_of(expected.forbidden) if fact_holds(line, text)
    ]
    return Judged(tuple(problems))


def facts_of(lines: str) -> list[str]:
    """The facts of a field, one a line."""
    return [line.strip() for line in lines.splitlines() if line.strip()]


def fact_holds(fact: str, text: str) -> bool:
    """Whether a text says a fact in one of the ways that stand apart by ``|``.

    Spaces, width, case and traditional characters do not count. A number with its unit is
    compared by its value, so that 七天 says 7天 and 17天 does not; words are whole words.
    """
    return any(_said(way.strip(), text) for way in _ALTERNATIVES.split(fact) if way.strip())


def _said(way: str, text: str) -> bool:
    asked = quantities_of(way)
    if asked and not text_without_quantities(way).strip(" ,.;:，。；："):
        said = quantities_of(text)
        return all(any(one.agrees(other) for other in said) for one in asked)
    wanted, held = _bare(way), _bare(text)
    pattern = re.escape(wanted)
    # No number and no word may go on at either end.
    if wanted[:1].isascii() and wanted[:1].isalnum():
        pattern = r"(?<![0-9a-z])(?<![0-9][.,])" + pattern
    if wanted[-1:].isascii() and wanted[-1:].isalnum():
        pattern += r"(?![0-9a-z])(?![.,][0-9])"
    return re.search(pattern, held) is not None


def _bare(text: str) -> str:
    """Normalised; blanks stay only between words of letters and digits."""
    folded = text_normalise(text)
    return _BLANK.sub(" ", re.sub(r"(?<![0-9a-z]) | (?![0-9a-z])", "", folded)).strip()


def problem_pairs(problems: Sequence[object]) -> list[tuple[str, str]]:
    """Stored problems as pairs again."""
    return [
        (str(row[0]), str(row[1]))
        for row in problems
        if isinstance(row, (list, tuple)) and len(row) == 2
    ]
