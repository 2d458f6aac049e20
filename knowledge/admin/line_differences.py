"""Two versions of a text, line by line, and within a changed line word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

import rjieba
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

ALIKE_LEAST: Final = 0.35
"""Lines that share less are shown as one that went and one that came."""
_PIECES = re.compile(r"[㐀-鿿]+|[A-Za-z0-9_À-ɏ]+|\s+|.", re.S)
_HAN = re.compile(r"[㐀-鿿]")


@dataclass(frozen=True, slots=True)
class LineChange:
    """One line. ``kind`` is ``same``, ``changed``, ``gone`` or ``new``; ``html`` is escaped, with what
    is new in ``ins`` and what is gone in ``del``."""

    kind: str
    html: SafeString


def line_changes(before: str, after: str) -> list[LineChange]:
    """What became of each line, in the order of the newer text."""
    one, other = before.splitlines(), after.splitlines()
    changes: list[LineChange] = []
    for kind, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if kind == "equal":
            changes += [LineChange("same", format_html("{}", line)) for line in one[a:b]]
        else:
            changes += _block(one[a:b], other[c:d])
    return changes


def _block(one: Sequence[str], other: Sequence[str]) -> Iterator[LineChange]:
    """Lines that were replaced: each beside the one that it became, as far as they are alike."""
    pairs = min(len(one), len(other))
    for before, after in zip(one[:pairs], other[:pairs], strict=True):
        words = words_of(before), words_of(after)
        matcher = SequenceMatcher(None, *words, autojunk=False)
        if matcher.ratio() >= ALIKE_LEAST:
            yield LineChange("changed", _marked(*words, matcher))
        else:
            yield LineChange("gone", format_html("<del>{}</del>", before))
            yield LineChange("new", format_html("<ins>{}</ins>", after))
    for before in one[pairs:]:
        yield LineChange("gone", format_html("<del>{}</del>", before))
    for after in other[pairs:]:
        yield LineChange("new", format_html("<ins>{}</ins>", after))


def words_of(text: str) -> list[str]:
    """The text in words, blanks and marks; Chinese is cut into words, so that no change is shown
    as a scatter of single characters. Joined again they are the text."""
    words: list[str] = []
    for piece in _PIECES.findall(text):
        words.extend(rjieba.cut(piece) if _HAN.match(piece) else [piece])
    return words


def _marked(one: Sequence[str], other: Sequence[str], matcher: SequenceMatcher[str]) -> SafeString:
    parts: list[tuple[SafeString]] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            parts.append((format_html("{}", "".join(one[a:b])),))
            continue
        if a < b:
            parts.append((format_html("<del>{}</del>", "".join(one[a:b])),))
        if c < d:
            parts.append((format_html("<ins>{}</ins>", "".join(other[c:d])),))
    return format_html_join("", "{}", parts)
