"""Finds questions with their answers in running text: ``Q: ... A: ...``, ``问：…… 答：……``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from knowledge.documents.blocks import Block

_QUESTION = re.compile(
    r"^\W{0,4}(?:Q(?:uestion)?\s*\d*|问(?:题)?\s*\d*)\s*[:：.．、]\s*(?P<text>\S.*)$", re.I | re.S
)
_ANSWER = re.compile(
    r"^\W{0,4}(?:A(?:nswer)?\s*\d*|答(?:案)?\s*\d*)\s*[:：.．、]\s*(?P<text>.*)$", re.I | re.S
)
_LEVEL = 6


def questions_marked(blocks: Iterable[Block]) -> list[Block]:
    """The blocks, with every marked question made a heading over its answer.

    A question counts only when a marked answer follows, at once or on the lines after it:
    "Q: what is it?" alone may be anything.
    """
    lines = list(_lines(blocks))
    result: list[Block] = []
    asked = False
    for number, block in enumerate(lines):
        if match := _question(block):
            following = lines[number + 1] if number + 1 < len(lines) else None
            if following is not None and _answer(following):
                result.append(Block("heading", match["text"].strip(), level=_LEVEL))
                asked = True
                continue
        if asked and (match := _answer(block)):
            asked = False
            if match["text"].strip():
                result.append(replace(block, kind="paragraph", text=match["text"].strip()))
            continue
        asked = False
        result.append(block)
    return result


def _question(block: Block) -> re.Match[str] | None:
    return _QUESTION.match(block.text) if block.kind in ("paragraph", "item", "heading") else None


def _answer(block: Block) -> re.Match[str] | None:
    return _ANSWER.match(block.text) if block.kind in ("paragraph", "item") else None


def _lines(blocks: Iterable[Block]) -> Iterator[Block]:
    """Paragraphs that hold question and answer on lines of their own, cut apart."""
    for block in blocks:
        if block.kind != "paragraph" or not any(
            _QUESTION.match(line) for line in block.text.splitlines()
        ):
            yield block
            continue
        kept: list[str] = []
        for line in block.text.splitlines():
            if kept and (_QUESTION.match(line) or _ANSWER.match(line)):
                yield replace(block, text="\n".join(kept))
                kept = []
            kept.append(line)
        yield replace(block, text="\n".join(kept))
