"""Entries into and out of files: CSV and JSONL with the same columns.

Columns: ``question``, ``answer`` (both needed), ``keywords``, ``language``, ``status``,
``phrasings``. In CSV, phrasings stand in one cell, a line each; in JSONL they are a list.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from knowledge.models import Entry, Language, Site
from knowledge.services.entries import entry_create, entry_update

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

COLUMNS = ("question", "answer", "keywords", "language", "status", "phrasings")
BYTES_MOST = 64 * 2**20

# How shops write a language, and the one that is meant.
_LANGUAGES = {
    "zh": Language.ZH_HANS,
    "zh-cn": Language.ZH_HANS,
    "zh-hans": Language.ZH_HANS,
    "zh_hans": Language.ZH_HANS,
    "中文": Language.ZH_HANS,
    "en": Language.EN,
    "en-us": Language.EN,
    "en-gb": Language.EN,
    "english": Language.EN,
}


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row that was not taken: its line in the file (from 1) and a sentence."""

    line: int
    sentence: str


@dataclass(slots=True)
class Imported:
    """What an import did; rows with a problem are left out, the others are taken."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    problems: list[RowProblem] = field(default_factory=list)


class TransferError(Exception):
    """The file as a whole cannot be read; ``str()`` is one sentence."""


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    values: dict[str, Any]


def knowledge_import(
    *,
    path: Path,
    site: Site,
    dry_run: bool = False,
    by: AbstractBaseUser | None = None,
) -> Imported:
    """Create or update the entries of a file, in one transaction.

    A row whose question (in its language) the site already has updates that entry. Text is read as
    UTF-8 (with or without a mark) or else GB18030, which Excel in China writes. HTML stays text.

    Raises:
        TransferError: no such file, too large, another format, or a needed column is missing.
    """
    rows = list(_rows_read(path))
    result = Imported()
    with transaction.atomic():
        for row in rows:
            if isinstance(row, RowProblem):
                result.problems.append(row)
                continue
            try:
                with transaction.atomic():
                    _row_take(row, site=site, by=by, result=result)
            except ValidationError as error:
                result.problems.append(RowProblem(row.line, " ".join(error.messages)))
        if dry_run:
            transaction.set_rollback(True)
    return result


def knowledge_export(*, site: Site, path: Path) -> int:
    """Write a site's entries to a CSV or JSONL file; returns how many.

    A cell of a CSV file that a spreadsheet would take for a formula gets an apostrophe before it.

    Raises:
        TransferError: the file's ending is neither, or it cannot be written.
    """
    entries = Entry.objects.filter(site=site).prefetch_related("phrasings").order_by("pk")
    rows = [
        {
            "question": entry.question,
            "answer": entry.answer,
            "keywords": entry.keywords,
            "language": entry.language,
            "status": entry.status,
            "phrasings": [phrasing.text for phrasing in entry.phrasings.all()],
        }
        for entry in entries
    ]
    text = _csv_text(rows) if _format_of(path) == "csv" else _jsonl_text(rows)
    try:
        path.write_text(text, encoding="utf-8-sig" if _format_of(path) == "csv" else "utf-8")
    except OSError as error:
        raise TransferError(
            _("%(path)s cannot be written: %(error)s.")
            % {"path": path, "error": error.strerror or error}
        ) from error
    return len(rows)


def _row_take(row: _Row, *, site: Site, by: AbstractBaseUser | None, result: Imported) -> None:
    values = _values_clean(row.values, site)
    phrasings = values.pop("phrasings")
    present = (
        Entry.objects.filter(site=site, question=values["question"], language=values["language"])
        .order_by("pk")
        .first()
    )
    if present is None:
        entry_create(site=site, by=by, phrasings=phrasings or (), **values)
        result.created += 1
    elif _differs(present, values, phrasings):
        entry_update(entry=present, by=by, phrasings=phrasings, **values)
        result.updated += 1
    else:
        result.unchanged += 1


def _differs(entry: Entry, values: dict[str, str], phrasings: list[str] | None) -> bool:
    if any(getattr(entry, name) != value for name, value in values.items()):
        return True
    return phrasings is not None and set(phrasings) != {p.text for p in entry.phrasings.all()}


def _values_clean(values: dict[str, Any], site: Site) -> dict[str, Any]:
    """Texts without outer blanks, a known language and status, phrasings as a list or None.

    Raises:
        ValidationError: a value has the wrong type or is unknown.
    """
    texts = {name: _text(values.get(name), name) for name in COLUMNS[:5]}
    language = _LANGUAGES.get(texts["language"].lower(), "") if texts["language"] else site.language
    if not language:
        raise ValidationError(
            _("The language “%(value)s” is unknown.") % {"value": texts["language"]}
        )
    status = texts["status"].lower() or Entry.Status.PUBLISHED
    if status not in Entry.Status.values:
        raise ValidationError(_("The status must be draft or published, not “%s”.") % status)
    for name, sentence in (
        ("question", _("The question is missing.")),
        ("answer", _("The answer is missing.")),
    ):
        if not texts[name]:
            raise ValidationError(sentence)
    return {
        "question": texts["question"],
        "answer": texts["answer"],
        "keywords": texts["keywords"],
        "language": str(language),
        "status": str(status),
        "phrasings": _phrasings(values.get("phrasings")),
    }


def _text(value: Any, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise ValidationError(_("The column %s must be text.") % name)
    return str(value).replace("\r\n", "\n").strip()


def _phrasings(value: Any) -> list[str] | None:
    if value is None:
        return None
    lines = value if isinstance(value, list) else str(value).splitlines()
    return [text for line in lines if (text := _text(line, "phrasings"))]


def _rows_read(path: Path) -> Iterator[_Row | RowProblem]:
    text = _text_read(path)
    return _csv_rows(text) if _format_of(path) == "csv" else _jsonl_rows(text)


def _text_read(path: Path) -> str:
    _format_of(path)
    try:
        if path.stat().st_size > BYTES_MOST:
            raise TransferError(
                _("%(path)s is larger than %(most)s MiB.")
                % {"path": path, "most": BYTES_MOST // 2**20}
            )
        data = path.read_bytes()
    except OSError as error:
        raise TransferError(
            _("%(path)s cannot be read: %(error)s.")
            % {"path": path, "error": error.strerror or error}
        ) from error
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise TransferError(_("%s is neither UTF-8 nor GB18030 text.") % path)


def _format_of(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in (".csv", ".jsonl"):
        raise TransferError(_("%s must end in .csv or .jsonl.") % path.name)
    return ending[1:]


def _csv_rows(text: str) -> Iterator[_Row | RowProblem]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, restkey="")
    try:
        names = [name.strip().lower() for name in reader.fieldnames or []]
        missing = [name for name in COLUMNS[:2] if name not in names]
        if missing:
            raise TransferError(
                _("The first line must name the columns; missing: %s.") % ", ".join(missing)
            )
        reader.fieldnames = names
        for values in reader:
            if values.pop("", None) is not None:
                yield RowProblem(reader.line_num, _("The row has more cells than the first line."))
            elif any((value or "").strip() for value in values.values()):
                yield _Row(reader.line_num, {k: _cell_restored(v) for k, v in values.items()})
    except csv.Error as error:
        raise TransferError(
            _("Line %(line)s is not CSV: %(error)s.") % {"line": reader.line_num, "error": error}
        ) from error


def _jsonl_rows(text: str) -> Iterator[_Row | RowProblem]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            yield RowProblem(number, _("The line is not JSON."))
            continue
        if isinstance(values, dict):
            yield _Row(number, values)
        else:
            yield RowProblem(number, _("The line is not a JSON object."))


_FORMULA_STARTS = ("=", "+", "-", "@", "\t")


def _csv_text(rows: list[dict[str, Any]]) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, COLUMNS)
    writer.writeheader()
    for row in rows:
        cells = {**row, "phrasings": "\n".join(row["phrasings"])}
        writer.writerow({name: _cell_escaped(str(cell)) for name, cell in cells.items()})
    return buffer.getvalue()


def _cell_escaped(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def _cell_restored(cell: str | None) -> str | None:
    """Undo the apostrophe of an export, so that a file comes back as it went out."""
    if cell and cell[0] == "'" and cell[1:].startswith(_FORMULA_STARTS):
        return cell[1:]
    return cell


def _jsonl_text(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
