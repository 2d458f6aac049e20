"""Revisions that the database itself keeps, so that no path of writing can forget them.

Admin forms and services save one row at a time, but bulk actions, ``QuerySet.update``, imports,
cascading deletes and a person with an SQL prompt do not pass by any service. Triggers see them
all, in the same transaction:

- a change of entries or phrasings raises ``Site.knowledge_revision`` and stamps the entry's
  ``changed_in`` with it, so that an index of another process notices by reading one row and then
  reads only the entries that changed; a question or answer that changes past the services gets
  a number of its own as well;
- a change of rules, prompts or tools raises ``Site.wording_revision``, of every site if the rule or
  template belongs to none.

They are taken away before ``migrate`` and created after it, not in a migration: SQLite drops a
table's triggers whenever a migration rebuilds that table, and refuses to rebuild one that another
table's trigger names.

Those of PostgreSQL are in ``revisions_postgresql.py``: they run once for a statement.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from django.apps import AppConfig
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from knowledge import revisions_postgresql

_ENTRY_COLUMNS: Final = (
    "site_id, question, answer, keywords, language, status, audience_id, valid_from, valid_until"
)
_LABEL_SET_COLUMNS: Final = "site_id, key, language, system, user, is_enabled"
_ROWS: Final = {"INSERT": ("NEW",), "UPDATE": ("OLD", "NEW"), "DELETE": ("OLD",)}


def triggers_install(
    sender: AppConfig | None = None, using: str = "default", **options: Any
) -> None:
    """Create or replace the triggers; a receiver of ``post_migrate``."""
    connection = connections[using]
    tables = set(connection.introspection.table_names())
    if "knowledge_entry" not in tables or not _is_current(connection):
        return
    with connection.cursor() as cursor:
        for statement in _installation(connection, tables):
            cursor.execute(statement)


def triggers_remove(
    sender: AppConfig | None = None, using: str = "default", **options: Any
) -> None:
    """Take the triggers away; a receiver of ``pre_migrate``."""
    connection = connections[using]
    tables = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for statement in _removal(connection, tables):
            cursor.execute(statement)


def _installation(connection: BaseDatabaseWrapper, tables: Collection[str]) -> Iterator[str]:
    if connection.vendor == "postgresql":
        yield from revisions_postgresql.installation(tables)
        return
    for table, event, columns, body in _triggers():
        if table in tables:
            when = f"UPDATE OF {columns}" if event == "UPDATE" and columns else event
            name = _name(table, event)
            block = "; ".join(body) + ";"
            yield f"DROP TRIGGER IF EXISTS {name}"
            yield f"CREATE TRIGGER {name} AFTER {when} ON {table} FOR EACH ROW BEGIN {block} END"


def _removal(connection: BaseDatabaseWrapper, tables: Collection[str]) -> Iterator[str]:
    if connection.vendor == "postgresql":
        yield from revisions_postgresql.removal(tables)
        return
    for table, event, _columns, _body in _triggers():
        if table in tables:
            yield f"DROP TRIGGER IF EXISTS {_name(table, event)}"


def _is_current(connection: BaseDatabaseWrapper) -> bool:
    """Whether the columns are there; while migrations run backwards they may not be."""
    with connection.cursor() as cursor:
        columns = {
            column.name
            for name in ("knowledge_site", "knowledge_entry")
            for column in connection.introspection.get_table_description(cursor, name)
        }
    return {"wording_revision", "changed_in", "knowledge_revision", "valid_until"} <= columns


def _triggers() -> Iterator[tuple[str, str, str, list[str]]]:
    """Table, event, columns whose update counts (empty: all), statements."""
    for event, rows in _ROWS.items():
        sites = ", ".join(f"{row}.site_id" for row in rows)
        body = [_raise_knowledge(f"IN ({sites})")]
        if event != "DELETE":
            body.append(_stamp("= NEW.id"))
        if event == "UPDATE":
            body.append(_number_text())
        # Every statement that names a column counts, changed or not: a comparison would have to
        # be spelled twice, and reading one entry again costs nothing.
        yield "knowledge_entry", event, _ENTRY_COLUMNS, body

        entries = ", ".join(f"{row}.entry_id" for row in rows)
        owners = f"IN (SELECT site_id FROM knowledge_entry WHERE id IN ({entries}))"  # noqa: S608
        body = [_raise_knowledge(owners), _stamp(f"IN ({entries})")]
        yield "knowledge_phrasing", event, "", body

        for table in ("knowledge_rule", "knowledge_prompttemplate", "knowledge_tool"):
            yield table, event, "", [_raise_wording(f"{row}.site_id") for row in rows]
        tool = "(SELECT site_id FROM knowledge_tool WHERE id = {}.tool_id)"
        body = [_raise_wording(tool.format(row)) for row in rows]
        yield "knowledge_toolwording", event, "", body
        template = "(SELECT site_id FROM knowledge_prompttemplate WHERE id = {}.template_id)"
        body = [_raise_wording(template.format(row)) for row in rows]
        yield "knowledge_promptversion", event, "", body

        # Not the columns that tell how far the learning of a set is.
        yield (
            "knowledge_labelset", event, _LABEL_SET_COLUMNS,
            [_raise_wording(f"{row}.site_id") for row in rows],
        )  # fmt: skip
        owner = "(SELECT site_id FROM knowledge_labelset WHERE id = {}.label_set_id)"
        yield "knowledge_label", event, "", [_raise_wording(owner.format(row)) for row in rows]


def _raise_knowledge(sites: str) -> str:
    return f"UPDATE knowledge_site SET knowledge_revision = knowledge_revision + 1 WHERE id {sites}"  # noqa: S608


def _stamp(entries: str) -> str:
    revision = "SELECT knowledge_revision FROM knowledge_site WHERE id = knowledge_entry.site_id"
    return f"UPDATE knowledge_entry SET changed_in = ({revision}) WHERE id {entries}"  # noqa: S608


def _number_text() -> str:
    # A bulk update does not count the entry's revision, which the sources of answers name. What
    # it wrote is kept when the entry is next looked at (services/revisions.py).
    return (
        "UPDATE knowledge_entry SET revision = revision + 1 WHERE id = NEW.id "
        "AND NEW.revision = OLD.revision "
        "AND (NEW.question <> OLD.question OR NEW.answer <> OLD.answer)"
    )


def _raise_wording(site: str) -> str:
    # A row without site concerns every site.
    return (
        "UPDATE knowledge_site SET wording_revision = wording_revision + 1 "  # noqa: S608
        f"WHERE id = {site} OR {site} IS NULL"
    )


def _name(table: str, event: str) -> str:
    return f"{table}_{event.lower()}_revision"
