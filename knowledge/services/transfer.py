"""Entries from and into files: CSV and JSON Lines.

Columns or keys: ``question`` and ``answer`` (needed), ``phrasings``, ``keywords``, ``language``
(zh-hans or en; "zh" counts as zh-hans; empty: told from the question), ``status`` (draft or
published; default published). In CSV, phrasings stand on lines of their own inside the cell; in
JSON Lines, phrasings and keywords may be lists.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from inference.text.language import language_of
from knowledge.models import Entry, Language, Site
from knowledge.services.entries import entry_create, entry_update

FILE_MOST: Final = 50 * 1024 * 1024
"""Bytes of a file."""
ROWS_MOST: Final = 100_000
LINE_MOST: Final = 200_000
"""Characters of one row; far above what an entry may hold."""
COLUMNS: Final = ("question", "answer", "phrasings", "keywords", "language", "status")

_LANGUAGES: Final = {
    "": "", "zh": "zh-hans", "zh-cn": "zh-hans", "zh-hans": "zh-hans", "zh_cn": "zh-hans",
    "en": "en", "en-us": "en", "en-gb": "en",
}  # fmt: skip
# What a spreadsheet would run as a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class ImportRefused(Exception):
    """The file as a whole cannot be read; ``str()`` is one sentence."""


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that was not imported: ``line`` of the file where it begins, from 1."""

    line: int
    message: str


@dataclass(slots=True)
class ImportReport:
    """What an import did, or in a dry run would do."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    errors: list[RowError] = field(default_factory=list)


class _RowRefused(Exception):
    pass


class _DryRun(Exception):
    pass


def entries_import(*, site: Site, path: Path, dry_run: bool = False) -> ImportReport:
    """Read a file into a site's entries, in one transaction.

    A row whose question the site already has (in that language) updates that entry. Rows with
    errors are reported and left out; the others are imported.

    Raises:
        ImportRefused: the file is missing, too large, of an unknown kind, in an unknown encoding,
            or has no column for question and answer.
    """
    report = ImportReport()
    text = _text_read(path)
    rows = _csv_rows(text) if _is_csv(path) else _json_rows(text)
    try:
        with transaction.atomic():
            _rows_import(site, rows, report)
            if dry_run:
                raise _DryRun
    except _DryRun:
        pass
    return report


def entries_export(*, site: Site, path: Path) -> int:
    """Write a site's entries to a file that ``entries_import`` reads; returns how many.

    CSV gets a byte-order mark for spreadsheets, and an apostrophe before what they would run.

    Raises:
        ImportRefused: the file cannot be written or is of an unknown kind.
    """
    is_csv = _is_csv(path)
    entries = Entry.objects.filter(site=site).prefetch_related("phrasings").order_by("pk")
    try:
        with path.open("w", encoding="utf-8-sig" if is_csv else "utf-8", newline="") as file:
            return (_csv_write if is_csv else _json_write)(file, entries)
    except OSError as error:
        raise ImportRefused(
            _("%(path)s cannot be written: %(why)s.") % {"path": path, "why": error.strerror}
        ) from error


def _is_csv(path: Path) -> bool:
    kind = path.suffix.lower()
    if kind not in (".csv", ".jsonl", ".ndjson"):
        raise ImportRefused(
            _("Only .csv and .jsonl files are known, not %(path)s.") % {"path": path.name}
        )
    return kind == ".csv"


def _text_read(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_MOST:
            raise ImportRefused(_("The file is larger than 50 MB; split it."))
        data = path.read_bytes()
    except OSError as error:
        raise ImportRefused(
            _("%(path)s cannot be read: %(why)s.") % {"path": path, "why": error.strerror}
        ) from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "gb18030")  # gb18030: what Chinese spreadsheets save
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ImportRefused(_("The file is neither UTF-8 nor GB 18030 text."))


_Row = tuple[int, Mapping[str, Any] | _RowRefused]


def _csv_rows(text: str) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if not {"question", "answer"} <= set(header):
            raise ImportRefused(_("The first line must name the columns question and answer."))
        while True:
            line = reader.line_num + 1
            cells = next(reader, None)
            if cells is None:
                return
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header):
                yield line, _RowRefused(_("The row has more cells than the first line has names."))
            else:
                row = dict(zip(header, map(_formula_unescape, cells), strict=False))
                yield line, {**row, "phrasings": row.get("phrasings", "").splitlines()}
    except csv.Error as error:
        # What follows a broken quote cannot be told apart, so reading ends here.
        yield line, _RowRefused(_("The row is not valid CSV: %(why)s.") % {"why": error})


def _json_rows(text: str) -> Iterator[_Row]:
    for line, source in enumerate(text.split("\n"), start=1):
        if not source.strip():
            continue
        try:
            if len(source) > LINE_MOST:
                raise _RowRefused(_("The row is too long."))
            row = json.loads(source)
            if not isinstance(row, dict):
                raise _RowRefused(_("The row is not a JSON object."))
        except _RowRefused as error:
            yield line, error
        except (ValueError, RecursionError):
            yield line, _RowRefused(_("The row is not valid JSON."))
        else:
            yield line, row


def _rows_import(site: Site, rows: Iterable[_Row], report: ImportReport) -> None:
    known = {
        (entry.language, entry.question): entry
        for entry in Entry.objects.filter(site=site).prefetch_related("phrasings")
    }
    for number, (line, row) in enumerate(rows):
        if number >= ROWS_MOST:
            raise ImportRefused(_("The file has more than 100,000 rows; split it."))
        try:
            if isinstance(row, _RowRefused):
                raise row
            # A savepoint, so that a row is imported whole or not at all.
            with transaction.atomic():
                entry = _row_import(site, _values(row, site), known, report)
            known[(entry.language, entry.question)] = entry
        except _RowRefused as error:
            report.errors.append(RowError(line, str(error)))
        except ValidationError as error:
            report.errors.append(RowError(line, _validation_sentence(error)))


def _row_import(
    site: Site,
    values: dict[str, Any],
    known: Mapping[tuple[str, str], Entry],
    report: ImportReport,
) -> Entry:
    entry = known.get((values["language"], values["question"]))
    if entry is None:
        entry = entry_create(site=site, **values)
        report.created += 1
        return entry
    phrasings = [phrasing.text for phrasing in entry.phrasings.all()]
    same = all(
        getattr(entry, name) == value for name, value in values.items() if name != "phrasings"
    )
    if same and set(phrasings) == set(values["phrasings"]):
        report.unchanged += 1
        return entry
    entry = entry_update(entry=Entry(pk=entry.pk), **values)
    report.updated += 1
    return entry


def _values(row: Mapping[str, Any], site: Site) -> dict[str, Any]:
    question = _text(row, "question")
    if not question:
        raise _RowRefused(_("The question is empty."))
    answer = _text(row, "answer")
    if not answer:
        raise _RowRefused(_("The answer is empty."))
    code = _text(row, "language").lower()
    if code not in _LANGUAGES:
        raise _RowRefused(
            _("The language “%(code)s” is neither zh-hans nor en.") % {"code": code[:20]}
        )
    status = _text(row, "status").lower() or Entry.Status.PUBLISHED.value
    if status not in Entry.Status.values:
        raise _RowRefused(
            _("The status “%(status)s” is neither draft nor published.") % {"status": status[:20]}
        )
    return {
        "question": question,
        "answer": answer,
        "keywords": ", ".join(_texts(row, "keywords")),
        "language": _LANGUAGES[code] or language_of(question, default=site.language),
        "status": status,
        "phrasings": list(dict.fromkeys(_texts(row, "phrasings"))),
    }


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _RowRefused(_("“%(name)s” is not a text.") % {"name": name})
    # As the service cleans, so that an imported question is found again.
    value = value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    return value.replace("\r\n", "\n").strip()


def _texts(row: Mapping[str, Any], name: str) -> list[str]:
    value = row.get(name)
    if not isinstance(value, list):
        return [text] if (text := _text(row, name)) else []
    texts = [_text({name: part}, name) for part in value]
    return [text for text in texts if text]


def _validation_sentence(error: ValidationError) -> str:
    if hasattr(error, "message_dict"):
        return " ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
    return " ".join(error.messages)


def _row_of(entry: Entry) -> dict[str, Any]:
    return {
        "question": entry.question,
        "answer": entry.answer,
        "phrasings": [phrasing.text for phrasing in entry.phrasings.all()],
        "keywords": entry.keywords,
        "language": Language(entry.language).value,
        "status": Entry.Status(entry.status).value,
    }


def _csv_write(file: TextIO, entries: Iterable[Entry]) -> int:
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    count = 0
    for entry in entries:
        row = {**_row_of(entry), "phrasings": "\n".join(_row_of(entry)["phrasings"])}
        writer.writerow([_formula_escape(row[name]) for name in COLUMNS])
        count += 1
    return count


def _json_write(file: TextIO, entries: Iterable[Entry]) -> int:
    count = 0
    for entry in entries:
        file.write(json.dumps(_row_of(entry), ensure_ascii=False) + "\n")
        count += 1
    return count


def _formula_escape(text: str) -> str:
    # An apostrophe of our own keeps a text that already begins like an escaped one apart.
    return f"'{text}" if text.startswith(_FORMULA) or _is_escaped(text) else text


def _formula_unescape(text: str) -> str:
    return text[1:] if _is_escaped(text) else text


def _is_escaped(text: str) -> bool:
    return text.startswith("'") and text.lstrip("'").startswith(_FORMULA)
