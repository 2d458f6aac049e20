"""Where pgvector cannot be had, everything works, and migrate says where vectors are searched."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.postgresql.conftest import BASE_DIR


def test_migrations_pass_and_the_search_stays_in_memory(server) -> None:
    server.execute("CREATE ROLE plain LOGIN")
    server.execute("CREATE DATABASE without_pgvector OWNER plain")
    try:
        done = subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=BASE_DIR,
            env={**os.environ, "DATABASE_URL": server.url("without_pgvector", user="plain")},
            capture_output=True,
            text=True,
            timeout=120,
        )
        checked = subprocess.run(
            [sys.executable, "manage.py", "check", "--database", "default"],
            cwd=BASE_DIR,
            env={**os.environ, "DATABASE_URL": server.url("without_pgvector", user="plain")},
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        server.execute("DROP DATABASE without_pgvector WITH (FORCE)")
        server.execute("DROP ROLE plain")

    assert done.returncode == 0, done.stderr
    assert "Vectors are compared in memory" in done.stderr
    assert "knowledge.W001" in checked.stderr
