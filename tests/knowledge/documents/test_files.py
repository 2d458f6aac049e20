"""Documents of every kind are read with their headings, lists and tables; bombs are not."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import docx
import pytest
from pypdfium2 import PdfDocument

from knowledge.documents import archives, pdf
from knowledge.documents.blocks import Block, DocumentRefused
from knowledge.documents.files import document_read

MANUAL = Path(__file__).with_name("manual.pdf")  # printed by a browser from HTML with CJK text


def read(data: bytes | str, file_name: str) -> list[Block]:
    data = data.encode() if isinstance(data, str) else data
    return list(document_read(data, file_name=file_name).blocks)


def word_bytes(document: docx.document.Document) -> bytes:
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def test_markdown_gives_headings_paragraphs_lists_tables_and_code() -> None:
    blocks = read(
        "---\nowner: shop\n---\n# Returns\n\nWithin **7 days**.\n\n1. Open\n2. Send\n   - in its box\n\n"
        "| size | price |\n|---|---|\n| M | 9 |\n\n```\ncode 1\n```\n",
        "returns.md",
    )
    assert blocks == [
        Block("heading", "Returns", level=1),
        Block("paragraph", "Within **7 days**."),
        Block("item", "Open", mark="1."),
        Block("item", "Send", mark="2."),
        Block("item", "in its box", level=1, mark="-"),
        Block("table", rows=(("size", "price"), ("M", "9"))),
        Block("code", "code 1"),
    ]


def test_plain_text_finds_numbered_headings_and_lists_in_both_languages() -> None:
    blocks = read(
        "一、退货政策\n签收后七天内可以退货。\n\n2.1 Shipping\n- by road\n1. by air\n", "a.txt"
    )
    assert [(block.kind, block.text) for block in blocks] == [
        ("heading", "一、退货政策"),
        ("paragraph", "签收后七天内可以退货。"),
        ("heading", "2.1 Shipping"),
        ("item", "by road"),
        ("item", "by air"),
    ]


def test_plain_text_of_a_chinese_spreadsheet_program_is_decoded() -> None:
    [block] = read("发票三天内开出。".encode("gb18030"), "a.txt")
    assert block.text == "发票三天内开出。"


def test_marked_questions_become_headings_over_their_answers() -> None:
    blocks = read(
        "问：可以退货吗？\n答：七天内可以。\n\nQ: Do you ship abroad?\n\nA: No.\n", "faq.txt"
    )
    assert [(block.kind, block.text) for block in blocks] == [
        ("heading", "可以退货吗？"),
        ("paragraph", "七天内可以。"),
        ("heading", "Do you ship abroad?"),
        ("paragraph", "No."),
    ]


def test_a_marked_question_without_an_answer_stays_text() -> None:
    [block] = read("Q: is what this line begins with.", "a.txt")
    assert block.kind == "paragraph"


def test_html_leaves_out_menus_and_scripts_but_keeps_tables_lists_and_folded_answers() -> None:
    html = """<html><head><title>Help</title><style>p{}</style></head><body>
    <nav><a href=/>Home</a></nav><script>alert(1)</script>
    <main><h1>Delivery</h1><p>Within <b>3 days</b>.<br>By courier.</p>
    <ul><li>one<ul><li>two</li></ul></li></ul>
    <table><tr><th>city</th><th>days</th></tr><tr><td>Beijing</td><td>2</td></tr></table>
    <details><summary>Is it free?</summary>From 99 yuan.</details>
    <dl><dt>Express</dt><dd>Next day.</dd></dl>loose text</main>
    <footer>imprint</footer></body></html>"""
    assert read(html, "help.html") == [
        Block("heading", "Delivery", level=1),
        Block("paragraph", "Within 3 days.\nBy courier."),
        Block("item", "one", mark="-"),
        Block("item", "two", level=1, mark="-"),
        Block("table", rows=(("city", "days"), ("Beijing", "2"))),
        Block("heading", "Is it free?", level=6),
        Block("paragraph", "From 99 yuan."),
        Block("heading", "Express", level=6),
        Block("paragraph", "Next day."),
        Block("paragraph", "loose text"),
    ]


def test_html_nested_a_hundred_thousand_deep_is_no_crash() -> None:
    deep = "<div>" * 100_000 + "x"
    try:
        blocks = read(deep, "deep.html")
    except DocumentRefused:
        return
    assert len(blocks) <= 1


def test_a_list_of_nothing_but_links_is_a_menu() -> None:
    links = "".join(f"<li><a href=/{n}>Page {n}</a></li>" for n in range(5))
    assert [b.text for b in read(f"<body><ul>{links}</ul><p>Text.</p></body>", "a.html")] == [
        "Text."
    ]


def test_pdf_keeps_chinese_words_headings_lists_and_the_lines_of_a_table() -> None:
    document = document_read(MANUAL.read_bytes(), file_name="manual.pdf")
    assert document.title == "售后服务手册 Service manual"
    headings = [(block.text, block.level) for block in document.blocks if block.kind == "heading"]
    assert headings == [
        ("售后服务手册", 1),
        ("一、退货", 2),
        ("二、保修", 2),
        ("Returns for customers abroad", 2),
        ("Warranty", 2),
        ("Contact", 2),
    ]
    texts = [block.text for block in document.blocks]
    assert "商品 保修期\n水壶 1年\n台灯 2年" in texts
    assert any(text.startswith("Customers outside mainland China") for text in texts)
    assert [b.mark for b in document.blocks if b.kind == "item"] == ["1.", "2.", "3."]


def test_a_pdf_without_text_says_so() -> None:
    file = io.BytesIO()
    empty = PdfDocument.new()
    empty.new_page(200, 200)
    empty.save(file)
    with pytest.raises(DocumentRefused, match="no text"):
        read(file.getvalue(), "scan.pdf")


def test_a_pdf_of_too_many_pages_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "PAGES_MOST", 2)
    with pytest.raises(DocumentRefused, match="more than 2 pages"):
        read(MANUAL.read_bytes(), "manual.pdf")


def test_word_gives_headings_lists_tables_and_bold_lines_as_headings() -> None:
    document = docx.Document()
    document.add_heading("Returns", level=1)
    document.add_paragraph("Within 7 days.")
    document.add_paragraph("first", style="List Bullet")
    document.add_paragraph().add_run("Exceptions").bold = True
    document.add_paragraph("Underwear.")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(table._cells, ["size", "price", "M", "9"], strict=True):
        cell.text = text
    assert read(word_bytes(document), "returns.docx") == [
        Block("heading", "Returns", level=1),
        Block("paragraph", "Within 7 days."),
        Block("item", "first"),
        Block("heading", "Exceptions", level=4),
        Block("paragraph", "Underwear."),
        Block("table", rows=(("size", "price"), ("M", "9"))),
    ]


@pytest.mark.parametrize("name", ["a.docx", "a.pdf"])
@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 broken", b"%PDF-1.7 broken", b"\x00" * 1000])
def test_a_damaged_file_is_refused_by_a_sentence(name: str, data: bytes) -> None:
    with pytest.raises(DocumentRefused, match=r"\.$"):
        read(data, name)


def test_a_zip_bomb_is_refused_before_it_unpacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "UNPACKED_MOST", 10_000)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", "a" * 1_000_000)
    with pytest.raises(DocumentRefused, match="unpacks"):
        read(file.getvalue(), "bomb.docx")


def test_xml_entities_are_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("word/document.xml", '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>')
    with pytest.raises(DocumentRefused, match="entities"):
        read(file.getvalue(), "entities.docx")


@pytest.mark.parametrize("name", ["a.exe", "noending", "a.xls"])
def test_an_unknown_kind_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(DocumentRefused, match=r"\.md.*\.docx"):
        read(b"x", name)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(DocumentRefused, match="empty"):
        read(b" \n", "a.md")
