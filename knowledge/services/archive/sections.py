"""What an archive holds: rows of plain values, section by section.

Every field is named here or by the services that write it; what is not named stays out, so that no
secret of a site comes along by the way. Other apps add sections of their own with
:func:`section_register`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from django.db.models import Q

from knowledge.models import (
    Audience,
    Entry,
    LabelSet,
    PromptTemplate,
    QuestionSet,
    Rule,
    Site,
    Tool,
)
from knowledge.models.prompts import CONTENT as PROMPT_CONTENT
from knowledge.services.imports.entry_rows import values_of_entry
from knowledge.services.rules import FIELDS as RULE_FIELDS
from knowledge.services.sites import FIELDS as SITE_FIELDS
from knowledge.services.tools import FIELDS as TOOL_FIELDS
from knowledge.tools.stored import WORDS as TOOL_WORDS

Row = dict[str, Any]
Rows = Callable[[Sequence[int]], Iterable[Row]]

SITE_COLUMNS: Final = tuple(sorted(SITE_FIELDS - {"identity_secret", "identity_secret_previous"}))
RULE_COLUMNS: Final = tuple(sorted(RULE_FIELDS - {"site", "tool"}))
# A header may hold a secret that somebody wrote into it in spite of the advice.
TOOL_COLUMNS: Final = tuple(sorted(TOOL_FIELDS - {"site", "headers", "check_tool"}))
LABEL_SET_COLUMNS: Final = ("key", "language", "name", "system", "user", "is_enabled")
LABEL_COLUMNS: Final = ("name", "words", "description", "threshold", "position")
_AT_ONCE: Final = 500


def _sites(site_ids: Sequence[int]) -> Iterator[Row]:
    for site in Site.objects.filter(pk__in=site_ids).order_by("pk"):
        yield _columns(site, SITE_COLUMNS)


def _audiences(site_ids: Sequence[int]) -> Iterator[Row]:
    for audience in _of(Audience, site_ids):
        yield {"site": audience.site.key, "name": audience.name, "groups": audience.groups}


def entries_of(site_ids: Sequence[int]) -> Iterator[Row]:
    """Entries with their phrasings, in the columns that an import reads, and what is around."""
    entries = (
        Entry.objects.filter(site__in=site_ids)
        .select_related("site", "audience", "document", "owner")
        .prefetch_related("phrasings")
        .order_by("site_id", "pk")
    )
    for entry in entries.iterator(chunk_size=_AT_ONCE):
        yield {
            "site": entry.site.key,
            **values_of_entry(entry),
            "document": entry.document.name if entry.document is not None else "",
            "owner": entry.owner.get_username() if entry.owner is not None else "",
            "review_by": entry.review_by.isoformat() if entry.review_by is not None else "",
            "revision": entry.revision,
            "updated_at": entry.updated_at.isoformat(),
        }


def _tools(site_ids: Sequence[int]) -> Iterator[Row]:
    for tool in _of(Tool, site_ids).select_related("check_tool"):
        yield {
            "site": _key(tool.site),
            **_columns(tool, TOOL_COLUMNS),
            "check_tool": tool.check_tool.key if tool.check_tool is not None else "",
            "header_names": [
                line.partition(":")[0].strip() for line in tool.headers.splitlines() if line.strip()
            ],
            "words": {
                words.language: {name: getattr(words, name) for name in TOOL_WORDS}
                for words in tool.wordings.all()
            },
        }


def _rules(site_ids: Sequence[int]) -> Iterator[Row]:
    for rule in _of(Rule, site_ids, general=True).select_related("tool"):
        yield {
            "site": _key(rule.site),
            **_columns(rule, RULE_COLUMNS),
            "tool": rule.tool.key if rule.tool is not None else "",
        }


def _prompts(site_ids: Sequence[int]) -> Iterator[Row]:
    templates = _of(PromptTemplate, site_ids, general=True).prefetch_related("versions")
    for template in templates:
        yield {
            "site": _key(template.site),
            **_columns(template, ("role", "language", "name")),
            "versions": [
                {
                    **_columns(version, ("number", "status", "note", *PROMPT_CONTENT)),
                    "published_at": version.published_at.isoformat()
                    if version.published_at
                    else None,
                }
                for version in sorted(template.versions.all(), key=lambda version: version.number)
            ],
        }


def _label_sets(site_ids: Sequence[int]) -> Iterator[Row]:
    sets = _of(LabelSet, site_ids, general=True)
    for label_set in sets.prefetch_related("labels", "examples__label"):
        yield {
            "site": _key(label_set.site),
            **_columns(label_set, LABEL_SET_COLUMNS),
            "labels": [_columns(label, LABEL_COLUMNS) for label in label_set.labels.all()],
            "examples": [
                {"text": example.text, "label": example.label.name}
                for example in label_set.examples.all()
            ],
        }


def _question_sets(site_ids: Sequence[int]) -> Iterator[Row]:
    sets = _of(QuestionSet, site_ids).prefetch_related("questions__entries")
    for question_set in sets:
        yield {
            "site": question_set.site.key,
            "name": question_set.name,
            "questions": [
                {
                    **_columns(
                        question,
                        ("text", "language", "expectation", "facts", "forbidden", "source"),
                    ),
                    "entries": [entry.question for entry in question.entries.all()],
                }
                for question in question_set.questions.all()
            ],
        }


def _of(model: Any, site_ids: Sequence[int], *, general: bool = False) -> Any:
    chosen = Q(site__in=site_ids) | Q(site=None) if general else Q(site__in=site_ids)
    return model.objects.filter(chosen).select_related("site").order_by("pk")


def _columns(row: Any, names: Iterable[str]) -> Row:
    return {name: getattr(row, name) for name in names}


def _key(site: Site | None) -> str:
    return site.key if site is not None else ""


_SECTIONS: dict[str, Rows] = {
    "sites": _sites,
    "audiences": _audiences,
    "entries": entries_of,
    "tools": _tools,
    "rules": _rules,
    "prompts": _prompts,
    "label_sets": _label_sets,
    "question_sets": _question_sets,
}


def section_register(name: str, rows: Rows) -> None:
    """Add a section; ``rows`` gets the ids of the chosen sites."""
    _SECTIONS[name] = rows


def sections() -> dict[str, Rows]:
    """The sections by name, in the order in which they are written and read."""
    return dict(_SECTIONS)
