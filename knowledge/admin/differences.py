"""The difference of two texts, for people."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

# A Chinese character is a word of its own; so is every mark.
_WORD = re.compile(r"[A-Za-z0-9_À-ɏ]+|\s+|.", re.S)
_WORDS_MOST: Final = 4000


def lines_difference_html(before: str, after: str) -> SafeString:
    """Like :func:`difference_html` for lists with a line each: a line is as a whole new or gone."""
    was, now = before.splitlines(), after.splitlines()
    parts = []
    for kind, a, b, c, d in SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        if kind == "equal":
            parts += [format_html("{}", line) for line in was[a:b]]
            continue
        parts += [format_html("<del>{}</del>", line) for line in was[a:b]]
        parts += [format_html("<ins>{}</ins>", line) for line in now[c:d]]
    return format_html_join("\n", "{}", ((part,) for part in parts)) or mark_safe("")


def difference_html(before: str, after: str) -> SafeString:
    """``after`` with what is new in ``ins`` and what is gone in ``del``; escaped."""
    if before == after:
        return format_html("{}", after)
    one, other = _WORD.findall(before), _WORD.findall(after)
    if len(one) + len(other) > _WORDS_MOST:  # comparing takes the square of it
        return format_html("<del>{}</del><ins>{}</ins>", before, after)
    parts = []
    for kind, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if kind == "equal":
            parts.append(format_html("{}", "".join(one[a:b])))
            continue
        if a < b:
            parts.append(format_html("<del>{}</del>", "".join(one[a:b])))
        if c < d:
            parts.append(format_html("<ins>{}</ins>", "".join(other[c:d])))
    return format_html_join("", "{}", ((part,) for part in parts)) or mark_safe("")
