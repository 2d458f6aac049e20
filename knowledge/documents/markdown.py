"""Reads Markdown (CommonMark with tables) into blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from knowledge.documents.blocks import Block, Document

_parser = MarkdownIt("commonmark", {"html": False}).enable("table")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?\n---[ \t]*(?:\n|\Z)", re.S)
_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
_NESTED_MOST: Final = 6


def markdown_read(text: str, *, name: str = "") -> Document:
    """The blocks of a Markdown text; front matter is left out, images become their description."""
    body = _FRONT_MATTER.sub("", text.replace("\r\n", "\n"), count=1)
    blocks = tuple(_blocks(_parser.parse(body)))
    first = next((block.text for block in blocks if block.kind == "heading"), "")
    return Document(first or name, blocks)


def _blocks(tokens: Sequence[Token]) -> Iterator[Block]:
    lists: list[int | None] = []  # the next number of each open list; None: a bullet list
    begins_item = False
    rows: list[tuple[str, ...]] | None = None
    cells: list[str] = []
    for number, token in enumerate(tokens):
        match token.type:
            case "heading_open":
                level = int(token.tag[1:])
                text = _inline(tokens[number + 1])
                if text:
                    yield Block("heading", text, level=level)
            case "bullet_list_open":
                lists.append(None)
            case "ordered_list_open":
                lists.append(int(token.attrGet("start") or 1))
            case "bullet_list_close" | "ordered_list_close":
                lists.pop()
            case "list_item_open":
                begins_item = True
            case "list_item_close":
                if lists[-1] is not None:
                    lists[-1] += 1
            case "table_open":
                rows = []
            case "tr_open":
                cells = []
            case "tr_close":
                if rows is not None:
                    rows.append(tuple(cells))
            case "table_close":
                if rows:
                    yield Block("table", rows=tuple(rows))
                rows = None
            case "fence" | "code_block":
                yield Block("code", token.content.rstrip("\n"))
            case "inline":
                before = tokens[number - 1].type
                if before == "heading_open":
                    continue
                text = _inline(token)
                if rows is not None:
                    cells.append(text)
                elif not text:
                    continue
                elif lists and begins_item:
                    begins_item = False
                    start = lists[-1]
                    mark = "-" if start is None else f"{start}."
                    depth = min(len(lists) - 1, _NESTED_MOST)
                    yield Block("item", text, level=depth, mark=mark)
                else:
                    yield Block("paragraph", text)
            case _:
                pass


def _inline(token: Token) -> str:
    return _IMAGE.sub(r"\1", token.content).strip()
