"""Cuts a streamed answer into clauses, as early as it is safe."""

from __future__ import annotations

import re

# An end mark with what closes after it (quotes, brackets, citation marks).
_END = re.compile(
    r"[。！？!?；;\n]+[”’」』）)\]】\"'*]*(?:\s*\[\d{1,2}\])*|\.+[”’)\]\"'*]*(?:\s*\[\d{1,2}\])*(?=\s)"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|mon|tue|wed|thu|fri|sat|sun|vs|no|nos|mr|mrs|ms|dr|st|inc|ltd|co|approx|max|min|u\.s|u\.k|a\.m|p\.m|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)"
    r"|(?:^|\s)[A-Z]|(?:^|\n|\s)\d{1,2})$",
    re.I,
)


class ClauseSplitter:
    """Collects streamed text and hands out whole clauses.

    A clause ends at sentence punctuation of either language, a semicolon or a line break. A full
    stop counts only when white space follows, so ``3.5``, ``shop.example/a.b`` and a number that is
    still arriving stay whole; abbreviations and list numbers (``1.``) do not end a clause. The
    clauses joined are the text that was fed.
    """

    def __init__(self) -> None:
        self._pending = ""

    def feed(self, text: str) -> list[str]:
        """Add streamed text; return the clauses that are complete now, in order."""
        self._pending += text
        clauses: list[str] = []
        start = search = 0
        while match := _END.search(self._pending, search):
            end = match.end()
            if end == len(self._pending):
                # A closing quote, another mark or a citation may still follow.
                break
            if self._ends(start, match):
                while end < len(self._pending) and self._pending[end] in " \t\n":
                    end += 1
                if end == len(self._pending) and self._pending[-1] in " \t":
                    break
                piece = self._pending[start:end]
                clauses.append(piece)
                start = end
            search = end
        self._pending = self._pending[start:]
        return clauses

    def flush(self) -> list[str]:
        """The rest as the last clauses; the splitter is empty then."""
        clauses = self.feed("\x00")
        rest = self._pending.removesuffix("\x00")
        if clauses and not rest and clauses[-1].endswith("\x00"):
            clauses[-1] = clauses[-1].removesuffix("\x00")
        self._pending = ""
        return [*clauses, rest] if rest else clauses

    def _ends(self, start: int, match: re.Match[str]) -> bool:
        before = self._pending[start : match.start()]
        if not before.strip():
            return False
        mark = self._pending[match.start()]
        if mark == "." and not match[0].startswith(".."):
            return not _ABBREVIATION.search(before)
        if mark in "?!;" and not match[0].startswith("\n"):
            # ? and ; inside an address: https://shop.example/?id=1;a
            following = self._pending[match.end() : match.end() + 1]
            word = re.split(r"\s", before)[-1]
            return not (re.search(r"://|www\.", word) and following.strip())
        return True


def clauses_of(text: str) -> list[str]:
    """The clauses of a whole text, stripped, without empty ones."""
    splitter = ClauseSplitter()
    pieces = [*splitter.feed(text), *splitter.flush()]
    return [piece.strip() for piece in pieces if piece.strip()]
