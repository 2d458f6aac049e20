"""Chunks respect headings, tables and sentences, hold what the encoder reads, and lose nothing."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from knowledge.documents.blocks import Block
from knowledge.documents.chunking import CHUNK_MOST, Chunk, chunks_of, tokens_of


def heading(text: str, level: int) -> Block:
    return Block("heading", text, level=level)


def paragraph(text: str) -> Block:
    return Block("paragraph", text)


def test_a_chunk_never_crosses_a_heading_and_knows_its_path() -> None:
    chunks = chunks_of(
        [heading("Returns", 1), paragraph("a."), heading("Abroad", 2), paragraph("b."),
         heading("Delivery", 1), paragraph("c.")]
    )  # fmt: skip
    assert chunks == [
        Chunk(("Returns",), "a."),
        Chunk(("Returns", "Abroad"), "b."),
        Chunk(("Delivery",), "c."),
    ]
    assert chunks[1].title == "Returns › Abroad"


def test_a_heading_with_nothing_under_it_is_kept_as_text() -> None:
    chunks = chunks_of([heading("Prices", 1), heading("M 9 yuan", 2), heading("L 10 yuan", 2)])
    assert [chunk.text for chunk in chunks] == ["M 9 yuan", "L 10 yuan"]


def test_a_long_table_goes_on_under_its_header() -> None:
    rows = (("size", "price"), *((f"size {n}", f"{n} yuan") for n in range(100)))
    chunks = chunks_of([Block("table", rows=rows)], most=80)
    assert len(chunks) > 3
    for chunk in chunks:
        lines = chunk.text.splitlines()
        assert lines[0] == "| size | price |"
        assert re.fullmatch(r"\|( --- \|)+", lines[1])
        assert tokens_of(chunk.text) <= 80
    cells = [line for chunk in chunks for line in chunk.text.splitlines()[2:]]
    assert cells == [f"| size {n} | {n} yuan |" for n in range(100)]


def test_a_bar_in_a_cell_does_not_make_a_new_cell() -> None:
    [chunk] = chunks_of([Block("table", rows=(("a|b", "c"), ("d",)))])
    assert chunk.text == "| a\\|b | c |\n| --- | --- |\n| d |  |"


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    text = "".join(f"第{n}条规定如下，请仔细阅读。" for n in range(60))
    chunks = chunks_of([paragraph(text)], most=100)
    assert all(chunk.text.endswith("。") for chunk in chunks)
    assert all(tokens_of(chunk.text) <= 100 for chunk in chunks)
    assert "".join(chunk.text for chunk in chunks) == text


def test_items_stand_on_lines_of_their_own() -> None:
    [chunk] = chunks_of(
        [paragraph("Steps:"), Block("item", "open", mark="1."), Block("item", "send", mark="2.")]
    )
    assert chunk.text == "Steps:\n\n1. open\n2. send"


_texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.sampled_from(" 。.\n好"),
    min_size=1,
    max_size=600,
)
_blocks = st.lists(
    st.builds(Block, st.just("paragraph"), _texts)
    | st.builds(Block, st.just("heading"), _texts, level=st.integers(1, 6))
    | st.builds(Block, st.just("item"), _texts, mark=st.just("-")),
    max_size=12,
)


@given(_blocks, st.integers(20, CHUNK_MOST))
def test_no_character_is_lost_and_no_chunk_is_too_long(blocks: list[Block], most: int) -> None:
    chunks = chunks_of(blocks, most=most)
    found = "".join("".join(chunk.headings) + chunk.text for chunk in chunks)
    for block in blocks:
        for word in block.text.split():
            # A word may be cut by a limit; its characters are all there.
            assert set(word) <= set(found)
    for chunk in chunks:
        plain = "\n".join(line for line in chunk.text.splitlines() if not line.startswith("-"))
        assert tokens_of(plain) <= most + 4
