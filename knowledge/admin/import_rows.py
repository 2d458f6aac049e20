"""The rows of an import as people read them: on its page, and as the file of those with errors."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Any, Final

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from knowledge.admin.differences import difference_html
from knowledge.admin.import_forms import FIELD_LABELS
from knowledge.documents.rows import formula_escape
from knowledge.models import Entry, KnowledgeImport, KnowledgeImportRow, Language
from knowledge.services.imports.columns import FIELDS

Action = KnowledgeImportRow.Action

_CHOICES: Final[dict[str, Any]] = {"language": Language, "status": Entry.Status}
# No heading of a file: what the desk itself says of a page that could not be read.
_HEADINGS: Final[dict[str, str | Promise]] = {"address": _("address")}


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row of the preview: what it would do, with the differences marked."""

    row: KnowledgeImportRow
    question: SafeString
    answer: SafeString
    others: list[tuple[str | Promise, SafeString]]

    @property
    def found(self) -> list[tuple[str | Promise, str]]:
        """What stands in the file, for a row with an error: by the file's own headings."""
        known = {} if self.row.batch.columns else {**FIELD_LABELS, **_HEADINGS}
        return [
            (known.get(name, name), _cell(value))
            for name, value in self.row.values.items()
            if value
        ]


def row_shown(row: KnowledgeImportRow) -> ShownRow:
    """The row's values beside what is there now."""
    before: dict[str, Any] = row.before or {}
    is_change = row.action in (Action.UPDATE, Action.REMOVE)

    def text(values: dict[str, Any], name: str) -> str:
        value = values.get(name, "")
        if name in ("valid_from", "valid_until"):
            return _moment(value)
        if value and name in _CHOICES:
            return str(_CHOICES[name](value).label)
        return "\n".join(value) if isinstance(value, list) else str(value)

    def shown(name: str) -> SafeString:
        now = text(row.values, name)
        return difference_html(text(before, name) if is_change else now, now)

    others = [
        (FIELD_LABELS[name], shown(name))
        for name in FIELDS[2:]
        if (is_change and text(before, name) != text(row.values, name))
        or (
            row.action == Action.CREATE
            and name not in ("language", "status")
            and row.values.get(name)
        )
    ]
    return ShownRow(row, shown("question"), shown("answer"), others)


def _cell(value: Any) -> str:
    """A value as the import reads it back: several phrasings a line each."""
    if value is None:
        return ""
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def _moment(value: str | None) -> str:
    """A stored moment as people read it, in the desk's time."""
    moment = parse_datetime(value) if value else None
    if moment is None or timezone.is_naive(moment):
        return value or ""
    return date_format(timezone.localtime(moment), "SHORT_DATETIME_FORMAT")


def errors_write(file: Any, batch: KnowledgeImport) -> None:
    """Write the rows with errors as CSV, to be mended and imported again."""
    rows = list(batch.rows.filter(action=Action.ERROR))
    # PostgreSQL does not keep the order in which a row's values were stored.
    known = [batch.columns[field] for field in FIELDS if field in batch.columns]
    found = dict.fromkeys(name for row in rows for name in row.values)
    names = [
        *(name for name in known if name in found),
        *(name for name in found if name not in known),
    ]
    writer = csv.writer(file)
    writer.writerow(
        [gettext("line"), gettext("what is wrong"), *(formula_escape(name) for name in names)]
    )
    for row in rows:
        cells = [_cell(row.values.get(name)) for name in names]
        told = [row.message_words, *cells]
        writer.writerow([row.line, *(formula_escape(cell) for cell in told)])
