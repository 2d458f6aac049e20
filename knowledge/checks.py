"""System checks of the knowledge's stores (``migrate`` and ``check --database default``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connections

from knowledge.retrieval.pgvector import extension_problem

_HINT = (
    "Install pgvector 0.8 or newer on the server, run CREATE EXTENSION vector in the database,"
    " then migrate and reindex (docs/databases.md); or set SUPPORTDESK_VECTOR_SEARCH=memory."
)


def register_all() -> None:
    """Have Django run the checks of this module."""
    register(vector_search_check, Tags.database)


def vector_search_check(
    *, databases: Sequence[str] | None = None, **options: Any
) -> list[CheckMessage]:
    """Whether vectors can be searched where the settings want it.

    ``knowledge.W001``: PostgreSQL without pgvector; vectors are compared in memory.
    ``knowledge.E001``: pgvector is demanded and cannot be used.
    """
    if "default" not in (databases or ()):
        return []
    wanted = settings.VECTOR_SEARCH
    connection = connections["default"]
    if connection.vendor != "postgresql":
        if wanted == "pgvector":
            return [
                Error("SUPPORTDESK_VECTOR_SEARCH=pgvector needs PostgreSQL.", id="knowledge.E001")
            ]
        return []
    if wanted == "memory":
        return []
    try:
        if "knowledge_entry" not in connection.introspection.table_names():
            return []  # the first migrate makes the extension where it may
        problem = extension_problem(connection)
    except DatabaseError:  # the database is away or not made yet: whoever needs it will say so
        return []
    if not problem:
        return []
    text = f"Vectors are compared in memory, because {problem}."
    if wanted == "pgvector":
        text = f"SUPPORTDESK_VECTOR_SEARCH=pgvector cannot be had, because {problem}."
        return [Error(text, hint=_HINT, id="knowledge.E001")]
    return [Warning(text, hint=_HINT, id="knowledge.W001")]
