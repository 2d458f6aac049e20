"""A row of a file as the values of an entry, and an entry as values again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import ValidationError

from inference.text.language import language_of
from knowledge.models import Audience, Entry, Language, Phrasing, Site
from knowledge.notices import notice as _
from knowledge.services.imports.columns import FIELDS
from knowledge.services.imports.moments import moment_parse, moment_text

_LANGUAGES: Final = {
    "": "", "zh": "zh-hans", "zh-cn": "zh-hans", "zh-hans": "zh-hans", "zh cn": "zh-hans",
    "中文": "zh-hans", "chinese": "zh-hans",
    "en": "en", "en-us": "en", "en-gb": "en", "english": "en", "英文": "en", "英语": "en",
}  # fmt: skip
_STATUSES: Final = {
    "draft": "draft", "草稿": "draft", "published": "published", "已发布": "published", "发布": "published",
}  # fmt: skip

# Msgids of the models' fields.
_FIELD_NAMES: Final = {
    "question": "question", "answer": "answer", "keywords": "keywords", "language": "language",
    "status": "status", "text": "other phrasings",
}  # fmt: skip

EntryValues = dict[str, Any]
"""``question``, ``answer``, ``language``, ``status``: texts.

``keywords`` (a text), ``phrasings`` (a list), ``audience`` (a name; empty: everyone), ``valid_from``
and ``valid_until`` (empty: unlimited) are there only where the file tells them; an entry that it
changes keeps its own otherwise.
"""


class RowRefused(Exception):
    """A row that cannot become an entry; ``sentence`` says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


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
        raise RowRefused(_("The language “%(code)s” is neither zh-hans nor en.", code=code[:20]))
    given_status = _text("status", by_field).lower() or status
    if given_status not in _STATUSES:
        raise RowRefused(
            _("The status “%(status)s” is neither draft nor published.", status=given_status[:20])
        )
    values: EntryValues = {
        "question": question,
        "answer": answer,
        "language": _LANGUAGES[code] or language_of(question, default=site.language),
        "status": _STATUSES[given_status],
    }
    told = {field for field in FIELDS if mapping.get(field, "") in row}
    if "keywords" in told:
        values["keywords"] = ", ".join(_texts("keywords", by_field))
    if "phrasings" in told:
        values["phrasings"] = list(dict.fromkeys(_texts("phrasings", by_field, lines=True)))
    values |= {
        name: _text(name, by_field)
        for name in ("audience", "valid_from", "valid_until")
        if name in told
    }
    _check(values, site)
    return {**values, **_moments_told_alike(values)}


def values_of_entry(entry: Entry) -> EntryValues:
    """A stored entry in the same form; its phrasings and audience should be prefetched."""
    return {
        "question": entry.question,
        "answer": entry.answer,
        "keywords": entry.keywords,
        "language": Language(entry.language).value,
        "status": Entry.Status(entry.status).value,
        "phrasings": [p.text for p in sorted(entry.phrasings.all(), key=lambda p: p.pk)],
        "audience": entry.audience.name if entry.audience is not None else "",
        "valid_from": moment_text(entry.valid_from),
        "valid_until": moment_text(entry.valid_until),
    }


def values_wanted(values: EntryValues, before: EntryValues | None) -> EntryValues:
    """What a row wants, with what it does not tell as it was before."""
    untold = {"keywords": "", "phrasings": [], "audience": "", "valid_from": "", "valid_until": ""}
    return {**untold, **(before or {}), **values}


def entry_fields(values: EntryValues, *, site: Site) -> dict[str, Any]:
    """Values as the services of entries take them.

    Raises:
        RowRefused: the site has no audience of that name, or a date cannot be read.
    """
    fields = dict(values)
    if "audience" in values:
        fields["audience"] = _audience(values["audience"], site)
    for name in ("valid_from", "valid_until"):
        if name in values:
            fields[name] = _moment(name, values[name])
    return fields


def values_equal(one: EntryValues, other: EntryValues) -> bool:
    """Whether two entries say the same; the order of phrasings does not matter."""
    return set(one["phrasings"]) == set(other["phrasings"]) and all(
        one.get(name, "") == other.get(name, "") for name in FIELDS if name != "phrasings"
    )


def _check(values: EntryValues, site: Site) -> None:
    fields = entry_fields(values, site=site)
    phrasings = fields.pop("phrasings", [])
    try:
        entry = Entry(site=site, **fields)
        entry.clean_fields(exclude=["site", "updated_by", "document", "audience", "owner"])
        if entry.valid_from and entry.valid_until and entry.valid_until <= entry.valid_from:
            raise RowRefused(_("“Valid until” must come after “valid from”."))
        for text in phrasings:
            Phrasing(text=text).clean_fields(exclude=["entry"])
    except ValidationError as error:
        raise RowRefused(_validation_sentence(error)) from error


def _audience(name: str, site: Site) -> Audience | None:
    if not name:
        return None
    audience = Audience.objects.filter(site=site, name=name).first()
    if audience is None:
        raise RowRefused(_("The site has no audience with the name “%(name)s”.", name=name[:80]))
    return audience


def _moment(name: str, text: str) -> datetime | None:
    try:
        return moment_parse(text, is_end=name == "valid_until")
    except ValueError as error:
        raise RowRefused(
            _("“%(text)s” is no date such as 2026-12-31 or 2026-12-31 18:00.", text=text[:40])
        ) from error


def _moments_told_alike(values: EntryValues) -> EntryValues:
    """One moment is told in one way, so that it is compared as text."""
    names = [name for name in ("valid_from", "valid_until") if name in values]
    return {name: moment_text(_moment(name, values[name])) for name in names}


def _validation_sentence(error: ValidationError) -> str:
    """The first thing that is wrong, in words of our own where it is a length."""
    name, [first, *_others] = next(iter(error.error_dict.items()))
    field = _(_FIELD_NAMES.get(name, name))
    if first.code == "max_length" and first.params:
        return _(
            "“%(field)s” has %(length)d characters; at most %(most)d are possible.",
            field=field,
            length=first.params["show_value"],
            most=first.params["limit_value"],
        )
    return _("“%(field)s”: %(problem)s", field=field, problem=" ".join(first.messages))


def _text(name: str, row: Mapping[str, Any]) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RowRefused(_("“%(name)s” is not a text.", name=name))
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
