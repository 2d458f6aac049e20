"""The core promises on a real PostgreSQL with pgvector, started for this test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from benchmarks.postgresql import HASTY, postgresql_running

BASE_DIR = Path(__file__).resolve().parent.parent.parent
TESTS = (
    "tests/postgresql",
    "tests/conversations/services/test_messages.py",
    "tests/conversations/services/test_turns.py",
    "tests/knowledge/test_revisions.py",
)


@pytest.mark.skipif(connection.vendor == "postgresql", reason="they run by themselves")
def test_the_core_promises_are_kept_on_postgresql() -> None:
    with postgresql_running(HASTY) as server:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS],
            cwd=BASE_DIR,
            env={**os.environ, "DATABASE_URL": server.database_make("supportdesk")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )

    assert done.returncode == 0, done.stdout[-8000:]
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout
