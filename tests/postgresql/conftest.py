"""On a real PostgreSQL server only: ``make test-postgresql``, or ``tests/supportdesk/test_postgresql.py``,
which runs this folder beside a throw-away server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
from django.db import connection

from benchmarks.postgresql import Server

BASE_DIR = Path(__file__).resolve().parent.parent.parent
_BEGIN = "import django; django.setup(); import json, sys; argument = json.loads(sys.argv[1])\n"

Started = subprocess.Popen[str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if connection.vendor == "postgresql":
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="needs PostgreSQL: make test-postgresql"))


@pytest.fixture
def server() -> Server:
    """The server that the tests run on."""
    folder = Path(connection.settings_dict["OPTIONS"]["host"])
    pid = int((folder / "postmaster.pid").read_text().split()[0])
    return Server(folder, Path(psutil.Process(pid).exe()).parent)


@pytest.fixture
def process_start(transactional_db: None) -> Callable[[str, Any], Started]:
    """Starts Python of the desk in another process, on the same database; ``argument`` is passed
    as JSON. What it prints is read with :func:`printed`."""
    settings = connection.settings_dict
    address = (
        f"postgresql://postgres:@/{settings['NAME']}?host={quote(settings['OPTIONS']['host'])}"
    )

    def start(code: str, argument: Any = None) -> Started:
        return subprocess.Popen(
            [sys.executable, "-c", _BEGIN + code, json.dumps(argument)],
            cwd=BASE_DIR,
            env={
                **os.environ,
                "DATABASE_URL": address,
                "DJANGO_SETTINGS_MODULE": "supportdesk.settings",
            },
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
        )

    return start


def printed(process: Started) -> Any:
    """What a process printed, as JSON, after its end."""
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return json.loads(out)
