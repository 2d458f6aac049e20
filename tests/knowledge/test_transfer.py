import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from knowledge.models import Entry
from knowledge.services.entries import entry_create
from knowledge.services.transfer import ImportRefused, entries_export, entries_import

pytestmark = pytest.mark.django_db


def write(tmp_path, name, content, encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_csv_file_is_read_in_the_encodings_of_spreadsheets(site, tmp_path, encoding):
    path = write(
        tmp_path,
        "a.csv",
        'question,answer,phrasings\r\n怎么退货？,联系我们,"退货\n能退吗"\r\n',
        encoding,
    )
    report = entries_import(site=site, path=path)
    assert (report.created, report.errors) == (1, [])
    entry = Entry.objects.get()
    assert (entry.question, entry.language, entry.status) == ("怎么退货？", "zh-hans", "published")
    assert sorted(entry.phrasings.values_list("text", flat=True)) == ["能退吗", "退货"]


def test_every_bad_row_is_told_with_its_line_and_the_others_are_imported(site, tmp_path):
    lines = [
        '{"question": "Good?", "answer": "Yes.", "keywords": ["a", "b"], "phrasings": ["OK?"]}',
        "",
        "{",
        "[1]",
        '{"question": "", "answer": "x"}',
        '{"question": "No answer?"}',
        '{"question": 5, "answer": "x"}',
        '{"question": "French?", "answer": "x", "language": "fr"}',
        '{"question": "Long?", "answer": "' + "x" * 9000 + '"}',
        '{"question": "Last?", "answer": "Yes.", "status": "draft"}',
        "[" * 60_000,
    ]
    report = entries_import(site=site, path=write(tmp_path, "a.jsonl", "\n".join(lines)))
    assert report.created == 2
    assert [error.line for error in report.errors] == [3, 4, 5, 6, 7, 8, 9, 11]
    assert all(error.message.endswith(".") for error in report.errors)
    assert Entry.objects.get(question="Good?").keywords == "a, b"
    assert Entry.objects.get(question="Last?").status == "draft"


def test_importing_again_changes_only_what_changed(site, tmp_path):
    path = write(
        tmp_path, "a.jsonl", '{"question": "A?", "answer": "1"}\n{"question": "B?", "answer": "2"}'
    )
    entries_import(site=site, path=path)
    path = write(
        tmp_path, "b.jsonl", '{"question": "A?", "answer": "1"}\n{"question": "B?", "answer": "3"}'
    )
    report = entries_import(site=site, path=path)
    assert (report.created, report.updated, report.unchanged) == (0, 1, 1)
    assert Entry.objects.get(question="B?").revision == 2


def test_a_dry_run_stores_nothing(site, tmp_path):
    path = write(tmp_path, "a.jsonl", '{"question": "A?", "answer": "1"}')
    assert entries_import(site=site, path=path, dry_run=True).created == 1
    assert not Entry.objects.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xlsx", b"PK"),
        ("a.csv", b""),
        ("a.csv", b"frage,antwort\n1,2\n"),
        ("a.csv", b"question,answer\n\x80\x80\xff\xff"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_sentence(site, tmp_path, name, content):
    with pytest.raises(ImportRefused, match=r"\.$"):
        entries_import(site=site, path=write(tmp_path, name, content))


def test_a_missing_and_a_huge_file_are_refused(site, tmp_path):
    with pytest.raises(ImportRefused, match="No such file"):
        entries_import(site=site, path=tmp_path / "none.csv")
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.truncate(51 * 1024 * 1024)
    with pytest.raises(ImportRefused, match="50 MB"):
        entries_import(site=site, path=huge)


def test_a_broken_quote_is_told_with_its_line(site, tmp_path):
    report = entries_import(
        site=site, path=write(tmp_path, "a.csv", 'question,answer\nA?,1\n"B?,2\nC?,3\n')
    )
    assert report.created == 1
    assert [error.line for error in report.errors] == [3]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_what_is_exported_is_imported_unchanged(site, other_site, tmp_path, name):
    for question in [
        "=1+1",
        "'=1+1",
        "'quoted'",
        "-5 degrees?",
        'plain, with "quotes"\nand lines?',
    ]:
        entry_create(
            site=site,
            question=question,
            answer=question,
            keywords="k",
            phrasings=["=p", "q"],
            status="published",
        )
    path = tmp_path / name
    assert entries_export(site=site, path=path) == 5
    report = entries_import(site=other_site, path=path)
    assert (report.created, report.errors) == (5, [])

    def rows(of):
        return [
            (
                e.question,
                e.answer,
                e.keywords,
                e.language,
                e.status,
                sorted(p.text for p in e.phrasings.all()),
            )
            for e in of.entries.order_by("pk")
        ]

    assert rows(other_site) == rows(site)


def test_an_exported_csv_runs_no_formula(site, tmp_path):
    entry_create(site=site, question="=cmd|' /C calc'!A0", answer="@x")
    entries_export(site=site, path=tmp_path / "a.csv")
    text = (tmp_path / "a.csv").read_text(encoding="utf-8-sig")
    assert "'=cmd" in text
    assert "'@x" in text


def test_the_command_reports_counts_and_fails_on_bad_rows(site, tmp_path):
    path = write(tmp_path, "a.jsonl", json.dumps({"question": "A?", "answer": "1"}) + "\n{")
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError, match="not imported"):
        call_command("knowledge", "import", str(path), stdout=out, stderr=err)
    assert "1 new" in out.getvalue()
    assert err.getvalue().startswith("Line 2: ")


def test_the_command_asks_which_site_when_there_are_several(site, other_site, tmp_path):
    path = tmp_path / "a.csv"
    with pytest.raises(CommandError, match="--site"):
        call_command("knowledge", "export", str(path))
    call_command("knowledge", "export", str(path), site="other", stdout=StringIO())
    assert path.exists()


def test_imports_take_few_queries_for_unchanged_rows(site, tmp_path, django_assert_max_num_queries):
    rows = "\n".join(json.dumps({"question": f"Q{n}?", "answer": "a"}) for n in range(50))
    path = write(tmp_path, "a.jsonl", rows)
    entries_import(site=site, path=path)
    with django_assert_max_num_queries(110):
        entries_import(site=site, path=path)
