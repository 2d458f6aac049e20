"""Reads plain text into blocks: paragraphs, list items, and lines that look like headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from knowledge.documents.blocks import Block, Document

_HEADING_MOST: Final = 60
_ITEM = re.compile(r"^\s*(?P<mark>[-*•·●]|\d{1,2}[.)、])\s*(?P<text>\S.*)$")
# 第三章, 一、 or "3.2 Returns": how Chinese and English documents number their parts.
_NUMBERED = re.compile(
    r"^(?:第[一二三四五六七八九十百\d]+(?P<part>[章节条部分]+)|(?P<han>[一二三四五六七八九十]+)、"
    r"|(?P<deep>\d{1,2}(?:\.\d{1,2})+)\.?(?=\s|[\u4e00-\u9fff]))"
)
_SENTENCE_ENDS = ("。", "！", ".", "!", "；", ";", ",", "，", "、")
_UNDERLINE = re.compile(r"^\s*(?:={3,}|-{3,}|\*{3,})\s*$")


def plain_read(text: str, *, name: str = "") -> Document:
    """The blocks of a plain text; an empty line ends a paragraph."""
    blocks = tuple(_blocks(text.replace("\r\n", "\n").replace("\r", "\n")))
    return Document(name, blocks)


def heading_level(line: str) -> int:
    """The level of a line that is numbered like a heading; 0 when it is none."""
    line = line.strip()
    if len(line) > _HEADING_MOST or line.endswith(_SENTENCE_ENDS):
        return 0
    match = _NUMBERED.match(line)
    if match is None:
        return 0
    if match["deep"]:
        return min(2 + match["deep"].count("."), 6)
    if match["han"]:
        return 2
    return 1 if match["part"] in ("章", "部分") else 2


def _blocks(text: str) -> Iterator[Block]:
    paragraph: list[str] = []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        item = _ITEM.match(line)
        if _UNDERLINE.match(line):
            continue
        level = heading_level(line)
        if not level and line.strip() and not paragraph and _UNDERLINE.match(following):
            level = 1 if following.strip().startswith("=") else 2
        if level:
            yield from _paragraph(paragraph)
            yield Block("heading", line.strip(), level=level)
        elif item:
            yield from _paragraph(paragraph)
            mark = item["mark"] if item["mark"][0].isdigit() else "-"
            yield Block("item", item["text"].strip(), mark=mark.replace("、", "."))
        elif line.strip():
            paragraph.append(line.strip())
            continue
        else:
            yield from _paragraph(paragraph)
        paragraph.clear()
    yield from _paragraph(paragraph)


def _paragraph(lines: list[str]) -> Iterator[Block]:
    if lines:
        yield Block("paragraph", "\n".join(lines))
