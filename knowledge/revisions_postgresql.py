"""The triggers of ``revisions.py`` for PostgreSQL, which run once for each statement.

There a trigger for each row would raise a site's revision once for every row of a large update,
and PostgreSQL walks through all versions of a row that one transaction has made: 5,000 changed
entries would take 12 million steps. A statement's rows come as two tables, ``before_rows`` and
``after_rows``; columns cannot be named beside them, so that values are compared.
"""

# The statements are put together from names that stand in this file.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_EVENTS: Final = {
    "INSERT": ("after_rows",),
    "UPDATE": ("before_rows", "after_rows"),
    "DELETE": ("before_rows",),
}
_REFERENCING: Final = {
    "before_rows": "OLD TABLE AS before_rows",
    "after_rows": "NEW TABLE AS after_rows",
}
# A plain save() counts, for it writes the time; stamps and reminders do not.
_ENTRY_COLUMNS: Final = (
    "site_id", "question", "answer", "keywords", "language", "status", "audience_id",
    "valid_from", "valid_until", "updated_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Worded:
    """A table whose changes raise ``wording_revision``.

    ``columns``: those whose change counts; none: all. ``parent``: the column and the table that
    lead to the site, where the table has no ``site_id`` of its own.
    """

    table: str
    columns: Sequence[str] = ()
    parent: tuple[str, str] | None = None


_WORDED: Final = (
    _Worded("knowledge_rule"),
    _Worded("knowledge_prompttemplate"),
    _Worded("knowledge_tool"),
    _Worded("knowledge_toolwording", parent=("tool_id", "knowledge_tool")),
    _Worded("knowledge_promptversion", parent=("template_id", "knowledge_prompttemplate")),
    # Not the columns that tell how far the learning of a set is.
    _Worded(
        "knowledge_labelset", columns=("site_id", "key", "language", "system", "user", "is_enabled")
    ),
    _Worded("knowledge_label", parent=("label_set_id", "knowledge_labelset")),
)


def installation(tables: Collection[str]) -> Iterator[str]:
    """The statements that create or replace the triggers of those tables that exist."""
    for table, event, body in _triggers():
        if table in tables:
            name = _name(table, event)
            rows = " ".join(_REFERENCING[each] for each in _EVENTS[event])
            yield (
                f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN {body} RETURN NULL; END $$"
            )
            yield f"DROP TRIGGER IF EXISTS {name} ON {table}"
            yield (
                f"CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING {rows} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
            )


def removal(tables: Collection[str]) -> Iterator[str]:
    """The statements that take the triggers away."""
    for table, event, _body in _triggers():
        if table in tables:
            yield f"DROP TRIGGER IF EXISTS {_name(table, event)} ON {table}"
            yield f"DROP FUNCTION IF EXISTS {_name(table, event)}()"


def _name(table: str, event: str) -> str:
    return f"{table}_{event.lower()}_revision"


def _triggers() -> Iterator[tuple[str, str, str]]:
    """Table, event, statements."""
    for event, rows in _EVENTS.items():
        yield "knowledge_entry", event, _entries(event, rows)
        yield "knowledge_phrasing", event, _phrasings(rows)
        for worded in _WORDED:
            yield worded.table, event, _wording(worded, event, rows)


def _entries(event: str, rows: Sequence[str]) -> str:
    if event != "UPDATE":
        [only] = rows
        stamp = _stamped(f"SELECT id FROM {only}") if event == "INSERT" else ""
        return _raised(f"SELECT site_id FROM {only}") + stamp
    changed = _changed(_ENTRY_COLUMNS)
    # The stamp below is an update of its own, which changes none of these columns: without this
    # end the trigger would call itself for ever.
    return (
        f"IF NOT EXISTS (SELECT {changed}) THEN RETURN NULL; END IF; "
        + _raised(f"SELECT unnest(ARRAY[b.site_id, a.site_id]) {changed}")
        # A bulk update does not count the entry's revision, which the sources of answers name.
        # What it wrote is kept when the entry is next looked at (services/revisions.py).
        + "UPDATE knowledge_entry AS e SET revision = e.revision + 1 "
        "FROM before_rows AS b, after_rows AS a "
        "WHERE e.id = a.id AND a.id = b.id AND a.revision = b.revision "
        "AND (a.question <> b.question OR a.answer <> b.answer); "
        + _stamped(f"SELECT a.id {changed}")
    )


def _phrasings(rows: Sequence[str]) -> str:
    entries = " UNION ".join(f"SELECT entry_id FROM {each}" for each in rows)
    return (
        _raised(f"SELECT site_id FROM knowledge_entry WHERE id IN ({entries})")
        + _stamped(entries)
    )  # fmt: skip


def _changed(columns: Sequence[str]) -> str:
    """The rest of a query over the rows whose columns differ, as ``b`` before and ``a`` after."""
    before = ", ".join(f'b."{name}"' for name in columns)
    after = ", ".join(f'a."{name}"' for name in columns)
    return (
        "FROM before_rows AS b JOIN after_rows AS a USING (id) "
        f"WHERE ({before}) IS DISTINCT FROM ({after})"
    )


def _raised(sites: str) -> str:
    return (
        "UPDATE knowledge_site SET knowledge_revision = knowledge_revision + 1 "
        f"WHERE id IN ({sites}); "
    )


def _stamped(entries: str) -> str:
    return (
        "UPDATE knowledge_entry AS e SET changed_in = s.knowledge_revision "
        f"FROM knowledge_site AS s WHERE s.id = e.site_id AND e.id IN ({entries}); "
    )


def _wording(worded: _Worded, event: str, rows: Sequence[str]) -> str:
    if worded.columns and event == "UPDATE":
        sites = f"SELECT unnest(ARRAY[b.site_id, a.site_id]) AS site_id {_changed(worded.columns)}"
    elif worded.parent is None:
        sites = " UNION ".join(f"SELECT site_id FROM {each}" for each in rows)
    else:
        column, parent = worded.parent
        sites = " UNION ".join(
            f"SELECT p.site_id FROM {each} AS r JOIN {parent} AS p ON p.id = r.{column}"
            for each in rows
        )
    # A row without site concerns every site.
    return (
        f"WITH changed AS ({sites}) "
        "UPDATE knowledge_site SET wording_revision = wording_revision + 1 "
        "WHERE id IN (SELECT site_id FROM changed) "
        "OR EXISTS (SELECT FROM changed WHERE site_id IS NULL); "
    )
