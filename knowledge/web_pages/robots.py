"""What a website asks robots to leave alone: RFC 9309.

The standard library's parser takes the first rule that matches, the RFC the longest one, and knows
no ``*`` inside a path; shops write for the RFC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

AGENT: Final = "supportdesk"
"""The product token that the desk reads its rules by."""
TEXT_MOST: Final = 512_000
"""Bytes that are read, as the RFC asks for at least."""
_RULES_MOST: Final = 2000


@dataclass(frozen=True, slots=True)
class Robots:
    """The rules for us, and the sitemaps that the file names."""

    rules: tuple[tuple[str, bool], ...] = ()
    sitemaps: tuple[str, ...] = ()

    def allows(self, path: str) -> bool:
        """Whether a path with its query may be read; the longest rule decides, a tie allows."""
        path = unquote(path) or "/"
        best, allowed = -1, True
        for pattern, allow in self.rules:
            longer = len(pattern) > best or (len(pattern) == best and allow)
            if longer and _matches(pattern, path):
                best, allowed = len(pattern), allow
        return allowed


@dataclass(slots=True)
class _Group:
    agents: set[str] = field(default_factory=set)
    rules: list[tuple[str, bool]] = field(default_factory=list)


def robots_parse(text: str) -> Robots:
    """Read a robots.txt; lines that mean nothing are passed over."""
    groups: list[_Group] = []
    sitemaps: list[str] = []
    is_open = False  # a group's agents may stand on several lines
    for line in text.replace("\ufeff", "").splitlines():
        name, separator, value = line.partition("#")[0].partition(":")
        name, value = name.strip().lower(), value.strip()
        if not separator:
            continue
        if name == "sitemap":
            sitemaps.append(value)
        elif name == "user-agent":
            if not is_open:
                groups.append(_Group())
            groups[-1].agents.add(value.lower())
            is_open = True
        elif name in ("allow", "disallow"):
            is_open = False
            if groups and value and len(groups[-1].rules) < _RULES_MOST:
                groups[-1].rules.append((unquote(value), name == "allow"))
    mine = [group for group in groups if AGENT in group.agents]
    mine = mine or [group for group in groups if "*" in group.agents]
    rules = tuple(rule for group in mine for rule in group.rules)
    return Robots(rules, tuple(sitemaps))


NOTHING_ALLOWED: Final = Robots((("/", False),))


def _matches(pattern: str, path: str) -> bool:
    if "*" not in pattern and not pattern.endswith("$"):
        return path.startswith(pattern)
    is_whole = pattern.endswith("$")
    parts = pattern.removesuffix("$").split("*")
    if not path.startswith(parts[0]):
        return False
    place = len(parts[0])
    for part in parts[1:-1]:
        place = path.find(part, place)
        if place < 0:
            return False
        place += len(part)
    last = parts[-1] if len(parts) > 1 else ""
    if is_whole:
        rest = path[place:]
        return rest.endswith(last) if len(parts) > 1 else not rest
    return path.find(last, place) >= 0
