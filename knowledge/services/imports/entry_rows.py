"""A row of a file as the values of an entry, and an entry as values again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from inference.text.language import language_of
from knowledge.models import Entry, Language, Phrasing, Site
from knowledge.services.imports.columns import FIELDS

_LANGUAGES: Final = {
    "": "", "zh": "zh-hans", "zh-cn": "zh-hans", "zh-hans": "zh-hans", "zh cn": "zh-hans",
    "中文": "zh-hans", "chinese": "zh-hans",
    "en": "en", "en-us": "en", "en-gb": "en", "english": "en", "英文": "en", "英语": "en",
}  # fmt: skip
_STATUSES: Final = {
    "draft": "draft", "草稿": "draft", "published": "published", "已发布": "published", "发布": "published",
}  # fmt: skip

EntryValues = dict[str, Any]
"""``question``, ``answer``, ``keywords``, ``language``, ``status``: texts; ``phrasings``: a list."""


class RowRefused(Exception):
    """A row that cannot become an entry; ``str()`` is one translated sentence."""


def values_of_row(
    row: Mapping[str, Any], mapping: Mapping[str, str], *, site: Site, status: str
) -> EntryValues:
    """The entry that a row describes, checked as the entry itself would be.

    Raises:
        RowRefused: a needed text is missing, or one is too long or of the wrong kind.
    """
    by_field = {field: row.get(mapping.get(field, "")) for field in FIELDS}
    question, answer = _text("question", by_field), _text("answer", by_field)
    if not question:
        raise RowRefused(_("The question is empty."))
    if not answer:
        raise RowRefused(_("The answer is empty."))
    code = _text("language", by_field).lower().replace("_", "-")
    if code not in _LANGUAGES:
        raise RowRefused(
            _("The language “%(code)s” is neither zh-hans nor en.") % {"code": code[:20]}
        )
    given_status = _text("status", by_field).lower() or status
    if given_status not in _STATUSES:
        raise RowRefused(
            _("The status “%(status)s” is neither draft nor published.")
            % {"status": given_status[:20]}
        )
    values: EntryValues = {
        "question": question,
        "answer": answer,
        "keywords": ", ".join(_texts("keywords", by_field)),
        "language": _LANGUAGES[code] or language_of(question, default=site.language),
        "status": _STATUSES[given_status],
        "phrasings": list(dict.fromkeys(_texts("phrasings", by_field, lines=True))),
    }
    _check(values, site)
    return values


def values_of_entry(entry: Entry) -> EntryValues:
    """A stored entry in the same form; its phrasings should be prefetched."""
    return {
        "question": entry.question,
        "answer": entry.answer,
        "keywords": entry.keywords,
        "language": Language(entry.language).value,
        "status": Entry.Status(entry.status).value,
        "phrasings": [p.text for p in sorted(entry.phrasings.all(), key=lambda p: p.pk)],
    }


def values_equal(one: EntryValues, other: EntryValues) -> bool:
    """Whether two entries say the same; the order of phrasings does not matter."""
    return set(one["phrasings"]) == set(other["phrasings"]) and all(
        one[name] == other[name] for name in FIELDS if name != "phrasings"
    )


def _check(values: EntryValues, site: Site) -> None:
    fields = {name: value for name, value in values.items() if name != "phrasings"}
    try:
        Entry(site=site, **fields).clean_fields(exclude=["site", "updated_by", "document"])
        for text in values["phrasings"]:
            Phrasing(text=text).clean_fields(exclude=["entry"])
    except ValidationError as error:
        raise RowRefused(_validation_sentence(error)) from error


def _validation_sentence(error: ValidationError) -> str:
    return " ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())


def _text(name: str, row: Mapping[str, Any]) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RowRefused(_("“%(name)s” is not a text.") % {"name": name})
    # As the service cleans, so that an imported question is found again.
    value = value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    return value.replace("\r\n", "\n").strip()


def _texts(name: str, row: Mapping[str, Any], *, lines: bool = False) -> list[str]:
    value = row.get(name)
    if isinstance(value, list):
        texts = [_text(name, {name: part}) for part in value]
    else:
        text = _text(name, row)
        texts = [line.strip() for line in text.splitlines()] if lines else [text]
    return [text for text in texts if text]
