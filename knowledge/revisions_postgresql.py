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
                "$$ DECLARE changed bigint[]; numbered bigint[]; "
                f"BEGIN {body} RETURN NULL; END $$"
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
    text_changed = _changed("after_rows", "before_rows", ("question", "answer"))
    number_kept = (
        "SELECT id, revision FROM after_rows INTERSECT SELECT id, revision FROM before_rows"
    )
    # The stamp at the end is an update of its own, which changes none of these columns: without
    # the return the trigger would call itself for ever.
    return (
        f"SELECT array_agg(id) INTO changed FROM "
        f"({_changed('after_rows', 'before_rows', _ENTRY_COLUMNS)}) AS c; "
        "IF changed IS NULL THEN RETURN NULL; END IF; "
        + _raised("SELECT site_id FROM before_rows UNION SELECT site_id FROM after_rows")
        # A bulk update does not count the entry's revision, which the sources of answers name.
        # What it wrote is kept when the entry is next looked at (services/revisions.py).
        + f"SELECT array_agg(id) INTO numbered FROM (SELECT id FROM ({text_changed}) AS c "
        f"INTERSECT SELECT id FROM ({number_kept}) AS k) AS n; "
        "UPDATE knowledge_entry SET revision = revision + 1 WHERE id = ANY(numbered); "
        + _stamped("SELECT unnest(changed)")
    )


def _phrasings(rows: Sequence[str]) -> str:
    entries = " UNION ".join(f"SELECT entry_id FROM {each}" for each in rows)
    return (
        _raised(f"SELECT site_id FROM knowledge_entry WHERE id IN ({entries})")
        + _stamped(entries)
    )  # fmt: skip


def _changed(these: str, others: str, columns: Sequence[str]) -> str:
    """A query of those rows of the one table that the other has not, with their ids.

    A set operation and no join: these tables have no index, and a join that was planned for a few
    rows would compare each of a hundred thousand with all others.
    """
    names = ", ".join(f'"{name}"' for name in ("id", *columns))
    return f"SELECT {names} FROM {these} EXCEPT SELECT {names} FROM {others}"


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
        sites = " UNION ".join(
            f"SELECT site_id FROM ({_changed(these, others, worded.columns)}) AS c"
            for these, others in (rows, rows[::-1])
        )
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
