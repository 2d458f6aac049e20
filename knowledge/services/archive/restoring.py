"""Reads an archive back: what is missing is made, entries are imported, the rest is left alone."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from inference.errors import InferenceError
from knowledge.documents.files import FILE_MOST
from knowledge.models import (
    Audience,
    Document,
    Entry,
    KnowledgeImport,
    LabelSet,
    PromptTemplate,
    PromptVersion,
    Rule,
    Site,
    Tool,
)
from knowledge.models.prompts import CONTENT
from knowledge.services.archive.sections import (
    LABEL_COLUMNS,
    LABEL_SET_COLUMNS,
    RULE_COLUMNS,
    SITE_COLUMNS,
)
from knowledge.services.archive.writing import FORMAT
from knowledge.services.audiences import audience_create
from knowledge.services.entries import entry_update
from knowledge.services.imports.applying import import_apply, import_start
from knowledge.services.imports.columns import FIELDS
from knowledge.services.imports.planning import import_create, import_plan
from knowledge.services.labels import label_set_save
from knowledge.services.prompts import prompt_draft_save, prompt_template_create
from knowledge.services.rules import rule_create
from knowledge.services.sites import site_create

LINE_MOST: Final = 1_000_000
ROWS_MOST: Final = 1_000_000
Row = dict[str, Any]


class ArchiveRefused(Exception):
    """The file is no archive of this product; ``str()`` is one sentence."""


@dataclass(slots=True)
class RestoreReport:
    """What was made, by section, and what could not be: (section, what, why)."""

    made: dict[str, int] = field(default_factory=dict)
    problems: list[tuple[str, str, str]] = field(default_factory=list)

    def count(self, section: str, number: int = 1) -> None:
        self.made[section] = self.made.get(section, 0) + number


def archive_restore(*, path: Path) -> RestoreReport:
    """Bring an archive into this desk.

    Sites, audiences, prompts, rules and label sets that are there already stay as they are. Entries
    go through an import for each site, which shows in the history and can be undone. Tools are not
    brought back, because their secrets are not in the archive; gaps hang on conversations that are
    not there.

    Raises:
        ArchiveRefused
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _manifest_check(archive)
            report = RestoreReport()
            for section, restore in _RESTORERS.items():
                for row in _rows(archive, section):
                    _tried(report, section, row, restore)
            _entries_restore(archive, report)
            return report
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, KeyError) as error:
        raise ArchiveRefused(_("The file is damaged or no archive of a desk.")) from error


def _manifest_check(archive: zipfile.ZipFile) -> None:
    try:
        manifest = json.loads(archive.read("manifest.json")[:LINE_MOST])
        known = manifest["product"] == "supportdesk" and manifest["format"] == FORMAT
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveRefused(_("The file is damaged or no archive of a desk.")) from error
    if not known:
        raise ArchiveRefused(_("The archive is of another version of the product."))


def _rows(archive: zipfile.ZipFile, section: str) -> Iterator[Row]:
    with archive.open(f"{section}.jsonl") as member:
        for _number in range(ROWS_MOST):
            line = member.readline(LINE_MOST)
            if not line:
                return
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ArchiveRefused(_("The file is damaged or no archive of a desk.")) from error
            if isinstance(row, dict):
                yield row


def _tried(report: RestoreReport, section: str, row: Row, restore: Any) -> None:
    name = str(row.get("name") or row.get("key") or "")
    try:
        with transaction.atomic():
            report.count(section, int(restore(row)))
    except ValidationError as error:
        report.problems.append((section, name, " ".join(error.messages)))
    except (InferenceError, Site.DoesNotExist, KeyError, TypeError) as error:
        report.problems.append((section, name, str(error)))


def _site(key: str) -> Site | None:
    return Site.objects.get(key=key) if key else None


def _site_restore(row: Row) -> bool:
    if Site.objects.filter(key=row["key"]).exists():
        return False
    site_create(**{name: row[name] for name in SITE_COLUMNS if name in row})
    return True


def _audience_restore(row: Row) -> bool:
    site = Site.objects.get(key=row["site"])
    if Audience.objects.filter(site=site, name=row["name"]).exists():
        return False
    audience_create(site=site, name=row["name"], groups=row["groups"])
    return True


def _rule_restore(row: Row) -> bool:
    values = {name: row[name] for name in RULE_COLUMNS if name in row}
    site = _site(row["site"])
    if Rule.objects.filter(site=site, **values).exists():
        return False
    tool = None
    if row.get("tool"):
        tool = Tool.objects.filter(key=row["tool"], site=site).first()
        if tool is None:
            raise ValidationError(
                _("The tool “%(key)s” is missing; make it first.") % {"key": row["tool"]}
            )
    rule_create(site=site, tool=tool, **values)
    return True


def _prompt_restore(row: Row) -> bool:
    identity = {"site": _site(row["site"]), "role": row["role"], "language": row["language"]}
    if PromptTemplate.objects.filter(**identity).exists():
        return False
    template = prompt_template_create(**identity, name=row["name"])
    for version in row["versions"]:
        content = {name: version[name] for name in CONTENT if name in version}
        draft = prompt_draft_save(template=template, note=version.get("note", ""), **content)
        # As it was: what was published was looked at then.
        PromptVersion.objects.filter(pk=draft.pk).update(
            status=version["status"], published_at=version["published_at"]
        )
    return True


def _label_set_restore(row: Row) -> bool:
    identity = {"site": _site(row["site"]), "key": row["key"], "language": row["language"]}
    if LabelSet.objects.filter(**identity).exists():
        return False
    values = {name: row[name] for name in LABEL_SET_COLUMNS if name not in identity}
    label_set = LabelSet(**identity, **values)
    label_set.full_clean(exclude=["site"])
    label_set.save()
    labels = {
        label["name"]: label_set.labels.create(**{name: label[name] for name in LABEL_COLUMNS})
        for label in row["labels"]
    }
    for example in row["examples"]:
        label_set.examples.create(text=example["text"], label=labels[example["label"]])
    label_set_save(label_set=label_set)
    return True


_RESTORERS: Final = {
    "sites": _site_restore,
    "audiences": _audience_restore,
    "rules": _rule_restore,
    "prompts": _prompt_restore,
    "label_sets": _label_set_restore,
}


def _entries_restore(archive: zipfile.ZipFile, report: RestoreReport) -> None:
    for key in dict.fromkeys(row["site"] for row in _rows(archive, "entries")):
        site = Site.objects.filter(key=key).first()
        if site is None:
            report.problems.append(("entries", key, _("The site is missing.")))
            continue
        for part in _parts(row for row in _rows(archive, "entries") if row["site"] == key):
            _part_import(site, part, report)
        _care_restore(site, (row for row in _rows(archive, "entries") if row["site"] == key))


def _parts(rows: Iterator[Row]) -> Iterator[bytes]:
    """Files of an import's size."""
    lines: list[bytes] = []
    size = 0
    for row in rows:
        values = {name: row[name] for name in FIELDS if name in row}
        line = json.dumps(values, ensure_ascii=False).encode() + b"\n"
        if size + len(line) > FILE_MOST:
            yield b"".join(lines)
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    yield b"".join(lines)


def _part_import(site: Site, data: bytes, report: RestoreReport) -> None:
    batch = import_create(site=site, file_name="entries.jsonl", data=data)
    import_plan(batch=batch)
    if batch.state == KnowledgeImport.State.PLANNED:
        batch = import_apply(batch=import_start(batch=batch))
    report.count("entries", batch.rows.filter(action__in=("create", "update")).count())
    for row in batch.rows.filter(action="error"):
        report.problems.append(("entries", str(row.values.get("question", "")), row.message))


def _care_restore(site: Site, rows: Iterator[Row]) -> None:
    """What belongs to entries and is no content: documents, owners, dates to look again."""
    people = {person.get_username(): person for person in get_user_model().objects.all()}
    for row in rows:
        if not (row.get("document") or row.get("owner") or row.get("review_by")):
            continue
        entry = Entry.objects.filter(
            site=site, question=row["question"], language=row["language"]
        ).first()
        if entry is None:
            continue
        review_by = date.fromisoformat(row["review_by"]) if row.get("review_by") else None
        entry_update(entry=entry, owner=people.get(row.get("owner", "")), review_by=review_by)
        if row.get("document"):
            document, _made = Document.objects.get_or_create(site=site, name=row["document"])
            Entry.objects.filter(pk=entry.pk).update(document=document)
