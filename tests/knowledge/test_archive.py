"""Everything in one ZIP: complete, without secrets, and back into an empty desk."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from openpyxl import load_workbook

from knowledge.models import (
    Audience,
    Document,
    Entry,
    LabelSet,
    PromptTemplate,
    PromptVersion,
    Rule,
    Site,
)
from knowledge.services.archive.restoring import ArchiveRefused, archive_restore
from knowledge.services.archive.sections import sections
from knowledge.services.archive.writing import archive_stream
from knowledge.services.demo import defaults_ensure, demo_load
from knowledge.services.entries import entry_create
from knowledge.services.sites import site_update

pytestmark = pytest.mark.django_db
SECRET = "never-to-be-seen-0123456789-abcdefgh"


@pytest.fixture
def desk(db) -> Site:
    defaults_ensure()
    site = demo_load()
    site_update(site=site, identity_secret=SECRET, identity_secret_previous=SECRET + "2")
    alice = User.objects.create(username="alice")
    entry_create(
        site=site,
        question="=HYPERLINK(1)?",
        answer="+1\nline",
        phrasings=["@x", "退款"],
        audience=Audience.objects.create(site=site, name="Trade", groups="trade"),
        valid_until=datetime(2027, 1, 1, tzinfo=UTC),
        owner=alice,
        review_by=date(2026, 12, 24),
        document=Document.objects.create(site=site, name="faq.md"),
        language="en",
    )
    return site


def archive_of(path: Path) -> Path:
    with path.open("wb") as file:
        for piece in archive_stream(sites=list(Site.objects.all())):
            file.write(piece)
    return path


def rows(archive: zipfile.ZipFile, name: str) -> list[dict]:
    return [json.loads(line) for line in archive.read(f"{name}.jsonl").splitlines()]


def test_the_archive_holds_every_section_and_no_secret(desk: Site, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive_of(tmp_path / "a.zip")) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            assert SECRET.encode() not in archive.read(name), name
        manifest = json.loads(archive.read("manifest.json"))
        assert set(manifest["counts"]) == set(sections())
        assert "gaps" in manifest["counts"]
        for name, count in manifest["counts"].items():
            assert len(rows(archive, name)) == count
        assert manifest["counts"]["entries"] == Entry.objects.count()
        assert manifest["counts"]["rules"] == Rule.objects.count()
        [entry] = [row for row in rows(archive, "entries") if row["owner"] == "alice"]
        assert (entry["question"], entry["phrasings"]) == ("=HYPERLINK(1)?", ["@x", "退款"])
        assert (entry["document"], entry["review_by"]) == ("faq.md", "2026-12-24")


def test_no_spreadsheet_runs_what_an_entry_says(desk: Site, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive_of(tmp_path / "a.zip")) as archive:
        text = archive.read("entries.csv").decode("utf-8-sig")
        lines = list(csv.DictReader(io.StringIO(text)))
        sheet = load_workbook(io.BytesIO(archive.read("entries.xlsx"))).active
        header, *cells = sheet.iter_rows(values_only=True)
    assert lines[-1]["question"] == "'=HYPERLINK(1)?"
    assert lines[-1]["answer"] == "'+1\nline"
    assert len(lines) == len(cells) == Entry.objects.count()
    assert dict(zip(header, cells[-1], strict=True))["question"] == "'=HYPERLINK(1)?"


def test_it_is_made_in_pieces(desk: Site) -> None:
    pieces = [len(piece) for piece in archive_stream(sites=[desk])]
    assert len([size for size in pieces if size]) > 10


def test_an_empty_desk_gets_all_of_it_back(desk: Site, tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.zip")

    def state() -> dict[str, object]:
        return {
            "entries": sorted(
                Entry.objects.values_list(
                    "question", "answer", "status", "audience__name", "valid_until", "review_by",
                    "owner__username", "document__name", "phrasings__text",
                ),
                key=str,
            ),
            "rules": Rule.objects.filter(tool=None).count(),
            "labels": LabelSet.objects.count(),
            "prompts": sorted(
                PromptVersion.objects.values_list("template__role", "system", "user", "status")
            ),
            "audiences": list(Audience.objects.values_list("name", "groups")),
        }  # fmt: skip

    before = state()
    for model in (Site, Rule, PromptTemplate, LabelSet):
        model.objects.all().delete()
    report = archive_restore(path=path)

    assert state() == before
    assert {section for section, _, _ in report.problems} <= {"rules"}  # those that call tools
    assert Site.objects.get().identity_secret == ""


def test_what_is_there_is_left_alone(desk: Site, tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.zip")
    site_update(site=desk, name="Renamed")
    Rule.objects.update(is_enabled=True)
    before = (Rule.objects.count(), PromptVersion.objects.count(), Entry.objects.count())

    report = archive_restore(path=path)

    assert (Rule.objects.count(), PromptVersion.objects.count(), Entry.objects.count()) == before
    assert Site.objects.get().name == "Renamed"
    assert not any(report.made.values())
    assert not report.problems


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nonsense", b"{}"])
def test_another_file_is_refused(db, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    with pytest.raises(ArchiveRefused):
        archive_restore(path=path)


@pytest.mark.parametrize("manifest", ["[]", '{"product": "other", "format": 1}', "{"])
def test_an_archive_of_something_else_is_refused(db, tmp_path: Path, manifest: str) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", manifest)
    with pytest.raises(ArchiveRefused):
        archive_restore(path=path)


def test_the_command_exports_and_imports_a_zip(desk: Site, tmp_path: Path, capsys) -> None:
    path = tmp_path / "all.zip"
    call_command("knowledge", "export", str(path))
    count = Entry.objects.count()
    Entry.objects.all().delete()
    call_command("knowledge", "import", str(path))
    assert Entry.objects.count() == count
    assert f"{count} entries" in capsys.readouterr().out
    path.write_bytes(b"x")
    with pytest.raises(CommandError):
        call_command("knowledge", "import", str(path))
