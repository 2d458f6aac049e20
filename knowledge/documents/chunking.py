"""Cuts blocks into chunks that retrieval can find and a small model can read.

A chunk never crosses a heading and never splits a table row, a list item or, where that can be
helped, a sentence. A table that is too long goes on in the next chunk under its header again.
Sizes are estimates of the encoder's tokens: the encoder reads 512 at most, and what it does not
read cannot be found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from knowledge.documents.blocks import Block

CHUNK_MOST: Final = 360
"""Tokens of one chunk, estimated; leaves room for its title beside it."""
_TITLE_PARTS: Final = 3
_WIDE = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+|\d|[^\sA-Za-z\u00c0-\u024f\d]")
_SENTENCE_END = re.compile(r"(?<=[。！？；!?])|(?<=[.;])\s+|\n")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document. ``headings`` lead to it, outermost first; ``text`` is Markdown."""

    headings: tuple[str, ...]
    text: str

    @property
    def title(self) -> str:
        """The nearest headings in one line: ``Returns › Deadlines``."""
        return " › ".join(self.headings[-_TITLE_PARTS:])


def tokens_of(text: str) -> int:
    """About how many tokens an encoder makes of a text: one a wide character, 1.4 a word."""
    wide = len(_WIDE.findall(text))
    others = _WORD.findall(_WIDE.sub(" ", text))
    return wide + round(1.4 * len(others))


def chunks_of(blocks: Iterable[Block], *, most: int = CHUNK_MOST) -> list[Chunk]:
    """The chunks of a document, in its order."""
    chunks: list[Chunk] = []
    for headings, body in _sections(blocks):
        chunks += [Chunk(headings, text) for text in _packed(_pieces(body, most), most)]
    return chunks


def _sections(blocks: Iterable[Block]) -> Iterator[tuple[tuple[str, ...], list[Block]]]:
    """What stands between two headings, with the headings that lead there."""
    path: list[tuple[int, str]] = []
    body: list[Block] = []
    for block in blocks:
        if block.kind == "heading":
            if not body and path and path[-1][0] >= block.level:
                # Nothing stood under it, so it is text itself: no word may get lost.
                body = [Block("paragraph", path.pop()[1])]
            if body:
                yield tuple(text for _, text in path), body
                body = []
            while path and path[-1][0] >= block.level:
                path.pop()
            path.append((block.level, block.text))
        else:
            body.append(block)
    if not body and path:
        body = [Block("paragraph", path.pop()[1])]
    if body:
        yield tuple(text for _, text in path), body


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    joint: str
    """What stands between this piece and the one before it in the same chunk."""


def _pieces(blocks: Sequence[Block], most: int) -> Iterator[_Piece]:
    """Blocks as Markdown, none longer than ``most``."""
    kind_before = ""
    for block in blocks:
        joint = "\n" if block.kind == kind_before == "item" else "\n\n"
        kind_before = block.kind
        if block.kind == "table":
            for part in _table_parts(block.rows, most):
                yield _Piece(part, "\n\n")
            continue
        text = _markdown(block)
        if tokens_of(text) <= most:
            yield _Piece(text, joint)
        else:
            for part in _packed((_Piece(s, "") for s in _sentences(text, most)), most):
                yield _Piece(part, "\n\n")


def _markdown(block: Block) -> str:
    if block.kind == "item":
        return f"{'  ' * block.level}{block.mark or '-'} {block.text}"
    return f"```\n{block.text}\n```" if block.kind == "code" else block.text


def _packed(pieces: Iterable[_Piece], most: int) -> Iterator[str]:
    """Pieces joined as long as they fit together."""
    text = ""
    for piece in pieces:
        joined = f"{text}{piece.joint}{piece.text}" if text else piece.text
        if text and tokens_of(joined) > most:
            yield text.strip()
            joined = piece.text
        text = joined
    if text.strip():
        yield text.strip()


def _sentences(text: str, most: int) -> Iterator[str]:
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if match.end() > start:
            yield from _cut(text[start : match.end()], most)
            start = match.end()
    yield from _cut(text[start:], most)


def _cut(text: str, most: int) -> Iterator[str]:
    """A sentence without end is cut at spaces, and where there are none, anywhere."""
    while tokens_of(text) > most:
        end = min(len(text), most)
        while end > 1 and tokens_of(text[:end]) > most:
            end = end * 3 // 4
        space = text.rfind(" ", end // 2, end)
        end = space + 1 if space > 0 else end
        yield text[:end]
        text = text[end:]
    if text:
        yield text


def _table_parts(rows: Sequence[Sequence[str]], most: int) -> Iterator[str]:
    if not rows:
        return
    width = max(len(row) for row in rows)
    lines = [_table_line(row, width) for row in rows]
    head = f"{lines[0]}\n|{' --- |' * width}"
    if len(lines) == 1:
        yield head
        return
    part = head
    for line in lines[1:]:
        if part != head and tokens_of(f"{part}\n{line}") > most:
            yield part
            part = head
        part = f"{part}\n{line}"
    yield part


def _table_line(row: Sequence[str], width: int) -> str:
    cells = [" ".join(cell.split()).replace("|", "\\|") for cell in row]
    cells += [""] * (width - len(cells))
    return "| " + " | ".join(cells) + " |"
