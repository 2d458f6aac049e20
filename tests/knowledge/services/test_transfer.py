"""Entries come from files and go to files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from knowledge.models import Entry, Site
from knowledge.services.entries import entry_create
from knowledge.services.transfer import TransferError, knowledge_export, knowledge_import

pytestmark = pytest.mark.django_db


@pytest.fixture
def site() -> Site:
    return Site.objects.create(name="Lantern Tea", language="en")


def file(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_csv_rows_become_published_entries(tmp_path: Path, site: Site) -> None:
    path = file(
        tmp_path,
        "in.csv",
        'Question,answer,keywords,language,phrasings\nMay I return tea?,"Yes, unopened.",return,en,'
        '"Can tea go back?\nReturns?"\n',
    )
    result = knowledge_import(path=path, site=site)
    assert (result.created, result.problems) == (1, [])
    entry = Entry.objects.get()
    assert (entry.answer, entry.status, entry.language) == ("Yes, unopened.", "published", "en")
    assert sorted(p.text for p in entry.phrasings.all()) == ["Can tea go back?", "Returns?"]


def test_a_second_import_changes_only_what_differs(tmp_path: Path, site: Site) -> None:
    first = file(tmp_path, "a.csv", "question,answer\nA?,1\nB?,2\n")
    second = file(tmp_path, "b.csv", "question,answer\nA?,1\nB?,3\n")
    knowledge_import(path=first, site=site)
    result = knowledge_import(path=second, site=site)
    assert (result.created, result.updated, result.unchanged) == (0, 1, 1)
    assert Entry.objects.get(question="B?").revision == 2


def test_a_bad_row_is_told_with_its_line_and_the_others_are_taken(
    tmp_path: Path, site: Site
) -> None:
    lines = [
        json.dumps({"question": "A?", "answer": "1"}),
        "not json",
        json.dumps({"question": "", "answer": "2"}),
        json.dumps({"question": "C?", "answer": "3", "language": "klingon"}),
        json.dumps({"question": {"a": 1}, "answer": "3"}),
        json.dumps([1]),
        json.dumps({"question": "x" * 501, "answer": "4"}),
    ]
    result = knowledge_import(path=file(tmp_path, "in.jsonl", "\n".join(lines)), site=site)
    assert result.created == 1
    assert [problem.line for problem in result.problems] == [2, 3, 4, 5, 6, 7]
    assert all(
        problem.sentence.endswith(".") or ")" in problem.sentence for problem in result.problems
    )


def test_a_dry_run_writes_nothing(tmp_path: Path, site: Site) -> None:
    path = file(tmp_path, "in.csv", "question,answer\nA?,1\n")
    assert knowledge_import(path=path, site=site, dry_run=True).created == 1
    assert not Entry.objects.exists()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_what_excel_writes_is_read(tmp_path: Path, site: Site, encoding: str) -> None:
    path = file(tmp_path, "in.csv", "question,answer\r\n怎么退货？,七天内可退。\r\n", encoding)
    knowledge_import(path=path, site=site)
    assert Entry.objects.get().question == "怎么退货？"


def test_html_stays_text(tmp_path: Path, site: Site) -> None:
    path = file(tmp_path, "in.csv", "question,answer\nA?,<script>alert(1)</script>\n")
    knowledge_import(path=path, site=site)
    assert Entry.objects.get().answer == "<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("in.csv", "frage,antwort\nA?,1\n", "missing: question, answer"),
        ("in.xls", "", "must end in"),
        ("in.csv", 'question,answer\n"A', "is not CSV"),
    ],
)
def test_an_unreadable_file_is_refused_in_one_sentence(
    tmp_path: Path, site: Site, name: str, text: str, words: str
) -> None:
    with pytest.raises(TransferError, match=words):
        knowledge_import(path=file(tmp_path, name, text), site=site)


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_what_goes_out_comes_back_the_same(tmp_path: Path, site: Site, name: str) -> None:
    entry_create(
        site=site,
        question="=1+1?",
        answer='Two, "of course".\nOr three.',
        keywords="sum",
        phrasings=["-1?", "What is it?"],
    )
    path = tmp_path / name
    assert knowledge_export(site=site, path=path) == 1
    assert ",=1+1" not in path.read_text()
    result = knowledge_import(path=path, site=site)
    assert (result.created, result.updated, result.unchanged) == (0, 0, 1)


def test_the_command_wants_a_site_when_there_are_several(tmp_path: Path, site: Site) -> None:
    Site.objects.create(name="Other", language="en")
    path = file(tmp_path, "in.csv", "question,answer\nA?,1\n")
    with pytest.raises(CommandError, match="--site KEY"):
        call_command("knowledge", "import", str(path))
    call_command("knowledge", "import", str(path), "--site", site.key)
    assert Entry.objects.get().site == site
