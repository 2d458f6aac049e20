"""Database connections of threads that no request's end looks after."""

from __future__ import annotations

from django.db import connection


def connection_release() -> None:
    """Give this thread's connection back to the pool, where there is one (PostgreSQL).

    A thread that kept it would hold it for good when it ends, and would find out only at its next
    query that the server was restarted; the pool tries a connection before it hands it out. A
    connection to a file is kept: to open one costs more than a search. Inside a transaction
    nothing happens.
    """
    if connection.settings_dict["OPTIONS"].get("pool") and not connection.in_atomic_block:
        connection.close()
