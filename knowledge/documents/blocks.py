"""What every document is read into: a flat list of headings, paragraphs, list items and tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

BlockKind = Literal["heading", "paragraph", "item", "table", "code"]


@dataclass(frozen=True, slots=True)
class Block:
    """One block. ``text`` is Markdown without the block's own mark (``#``, ``-``).

    ``level`` is 1 to 6 for headings and the depth from 0 for list items. ``rows`` are the cells of
    a table, its first row the header; ``text`` is then empty.
    """

    kind: BlockKind
    text: str = ""
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()
    mark: str = ""
    """How a list item begins: ``-`` or ``3.``"""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was read. ``notes`` are sentences for the person who imports it."""

    title: str
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = field(default=())


class DocumentRefused(Exception):
    """A file that cannot be read as a whole; ``sentence`` says why and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
