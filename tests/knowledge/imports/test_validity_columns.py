"""Dates and audiences in imported files, and back out again."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from openpyxl import Workbook

from knowledge.models import Audience, Entry, Site
from knowledge.services.entries import entry_create
from knowledge.services.imports.moments import moment_parse, moment_text
from knowledge.services.transfer import entries_export, entries_import

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def shanghai(settings) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("2026-12-31", utc(2026, 12, 30, 16), utc(2026, 12, 31, 16)),
        ("2026/1/5", utc(2026, 1, 4, 16), utc(2026, 1, 5, 16)),
        ("2026年12月31日", utc(2026, 12, 30, 16), utc(2026, 12, 31, 16)),
        ("2026年12月31日 18:00", utc(2026, 12, 31, 10), utc(2026, 12, 31, 10)),
        ("2026-12-31 18:00", utc(2026, 12, 31, 10), utc(2026, 12, 31, 10)),
        ("2026-12-31T18:00:00Z", utc(2026, 12, 31, 18), utc(2026, 12, 31, 18)),
        ("2026-12-31 00:00:00+08:00", utc(2026, 12, 30, 16), utc(2026, 12, 30, 16)),
        ("", None, None),
    ],
)
def test_a_date_alone_means_the_whole_day(
    text: str, begin: datetime | None, end: datetime | None
) -> None:
    assert moment_parse(text) == begin
    assert moment_parse(text, is_end=True) == end
    assert moment_parse(moment_text(end), is_end=True) == end


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_dates_and_audiences_are_read(site: Site, tmp_path: Path) -> None:
    trade = Audience.objects.create(site=site, name="Trade")
    path = write(
        tmp_path / "a.csv",
        "question,answer,audience,生效日期,截止日期\nSale?,Yes.,Trade,2026-11-01,2026-11-11\n",
    )
    report = entries_import(site=site, path=path)

    assert report.created == 1
    entry = Entry.objects.get()
    assert (entry.audience, entry.valid_from) == (trade, utc(2026, 10, 31, 16))
    assert entry.valid_until == utc(2026, 11, 11, 16)


def test_the_date_of_an_excel_sheet_means_the_whole_day_too(site: Site, tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(["question", "answer", "valid until"])
    book.active.append(["Sale?", "Yes.", datetime(2026, 11, 11)])
    data = io.BytesIO()
    book.save(data)
    (tmp_path / "a.xlsx").write_bytes(data.getvalue())

    entries_import(site=site, path=tmp_path / "a.xlsx")

    assert Entry.objects.get().valid_until == utc(2026, 11, 11, 16)


def test_what_a_file_does_not_tell_stays_as_it_is(site: Site, tmp_path: Path) -> None:
    trade = Audience.objects.create(site=site, name="Trade")
    entry_create(
        site=site, question="Sale?", answer="Yes.", audience=trade, valid_until=utc(2026, 11, 11)
    )
    entries_import(site=site, path=write(tmp_path / "a.csv", "question,answer\nSale?,No.\n"))
    entry = Entry.objects.get()
    assert (entry.answer, entry.audience, entry.valid_until) == ("No.", trade, utc(2026, 11, 11))

    row = '{"question": "Sale?", "answer": "No.", "audience": null, "valid_until": ""}\n'
    entries_import(site=site, path=write(tmp_path / "b.jsonl", row))
    entry = Entry.objects.get()
    assert (entry.audience, entry.valid_until) == (None, None)


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ("Nobody,,", "The site has no audience with the name “Nobody”."),
        (",soon,", "“soon” is no date"),
        (",,2026-13-01", "“2026-13-01” is no date"),
        (",2026-12-02,2026-12-01", "must come after"),
    ],
)
def test_a_row_that_cannot_be_meant_is_told_and_left_out(
    site: Site, tmp_path: Path, cells: str, sentence: str
) -> None:
    path = write(
        tmp_path / "a.csv", f"question,answer,audience,valid_from,valid_until\nQ?,A.,{cells}\n"
    )
    report = entries_import(site=site, path=path)

    assert sentence in report.errors[0].message
    assert not Entry.objects.exists()


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_an_export_reads_back_as_nothing_changed(site: Site, tmp_path: Path, name: str) -> None:
    trade = Audience.objects.create(site=site, name="Trade")
    entry_create(
        site=site,
        question="Sale?",
        answer="Yes.",
        audience=trade,
        valid_from=utc(2026, 11, 1, 1, 2, 3, 456),
        valid_until=utc(2026, 11, 11, 16),
    )
    entry_create(site=site, question="Other?", answer="No.")
    entries_export(site=site, path=tmp_path / name)

    report = entries_import(site=site, path=tmp_path / name)

    assert (report.unchanged, report.updated, report.errors) == (2, 0, [])
