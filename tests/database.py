"""Brings the test database back after a test that commits, without running ``flush``.

Django empties every table and emits ``post_migrate`` after each such test, which makes content
types, permissions, roles and triggers anew: a third of a second, some five hundred times. Copying
back the few hundred pages that the file had in the beginning takes a few milliseconds, and what
the migrations put there is there for every test.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.test import TransactionTestCase

_LOCKED_SECONDS = 20.0


@contextmanager
def restored_after_commits() -> Iterator[None]:
    """Keep a copy of the SQLite database as it is now; it comes back after each test that commits.

    Numbers of rows go on counting, as they do after ``flush``: nothing that a process remembers by
    such a number meets another row of the same one.
    """
    pristine = sqlite3.connect(":memory:")
    connection.ensure_connection()
    connection.connection.backup(pristine)

    def restore(case: TransactionTestCase) -> None:
        connection.ensure_connection()
        live: sqlite3.Connection = connection.connection
        counted = live.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
        until = time.monotonic() + _LOCKED_SECONDS

        def patience(status: int, remaining: int, total: int) -> None:
            if remaining and time.monotonic() > until:
                raise TimeoutError("something that the test left holds the database's lock")

        pristine.backup(live, progress=patience, sleep=0.01)
        live.execute("DELETE FROM sqlite_sequence")
        live.executemany("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", counted)
        live.commit()

    flush = TransactionTestCase._fixture_teardown
    TransactionTestCase._fixture_teardown = restore  # type: ignore[method-assign]
    try:
        yield
    finally:
        TransactionTestCase._fixture_teardown = flush  # type: ignore[method-assign]
        pristine.close()
