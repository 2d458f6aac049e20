"""The database of the settings: an SQLite file by default, PostgreSQL by its address.

Both keep the same promises: what was committed survives a power cut, and who waits for a lock
waits a few seconds, then fails, so that customers are told to try again instead of hanging.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import environ
from django.core.exceptions import ImproperlyConfigured

from supportdesk import env

SQLITE: Final = "django.db.backends.sqlite3"
POSTGRESQL: Final = "django.db.backends.postgresql"

# Seconds until a connection that lost its server is given up, and for which one may hold locks
# while its process does nothing: a process that was stopped in the middle of a transaction must
# not stop the others.
_CONNECT_SECONDS: Final = 5
_IDLE_SECONDS: Final = 60
# How many texts an HNSW search keeps in view; docs/databases.md has what it finds.
_EF_SEARCH: Final = 200


def database_settings(default_path: Path) -> dict[str, Any]:
    """Django's settings of the database that ``DATABASE_URL`` names.

    Args:
        default_path: the SQLite file that is used without an address.

    Raises:
        ImproperlyConfigured: the address is none, or of another kind of database.
    """
    url = env.text("DATABASE_URL").strip()
    parsed = _parsed(url) if url else {"ENGINE": SQLITE, "NAME": str(default_path)}
    if parsed["ENGINE"] == SQLITE:
        return _sqlite(parsed)
    return _postgresql(parsed)


def _parsed(url: str) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = environ.Env.db_url_config(url)
    except (ValueError, KeyError) as error:
        # The error's words may hold the password.
        raise ImproperlyConfigured(
            "DATABASE_URL is not a database address; characters such as @ and / in a password"
            " are written as %40 and %2F."
        ) from error
    if parsed.get("ENGINE") not in (SQLITE, POSTGRESQL):
        raise ImproperlyConfigured(
            "DATABASE_URL must begin with sqlite:/// or postgresql://, unlike"
            f" {url.partition(':')[0]!r}."
        )
    if parsed["ENGINE"] == POSTGRESQL and not parsed.get("NAME"):
        raise ImproperlyConfigured(
            "DATABASE_URL names no database: postgresql://user:password@host:port/NAME."
        )
    return parsed


def _sqlite(parsed: dict[str, Any]) -> dict[str, Any]:
    Path(str(parsed["NAME"])).parent.mkdir(parents=True, exist_ok=True)
    pages = env.integer("SQLITE_MAX_PAGES", 0, least=0, most=2**32 - 2)
    parsed["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": env.seconds("SQLITE_TIMEOUT", 5.0),
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
        # The most that the file may grow to, so that it leaves the disk some room; 0: no limit.
        f"PRAGMA max_page_count={pages};",
    }
    return parsed


def _postgresql(parsed: dict[str, Any]) -> dict[str, Any]:
    from supportdesk.postgresql_text import text_dumpers_register

    text_dumpers_register()
    given = {key: value for key, value in parsed.get("OPTIONS", {}).items() if key != "options"}
    asked = str(parsed.get("OPTIONS", {}).get("options", ""))
    wait = env.seconds("DATABASE_TIMEOUT", 5.0, least=0.05)
    ours = {
        # An acknowledged message is on the disk: whatever the server or the role say otherwise.
        "synchronous_commit": "on",
        "lock_timeout": f"{round(wait * 1000)}ms",
        "idle_in_transaction_session_timeout": f"{_IDLE_SECONDS}s",
        # The search among vectors (knowledge/retrieval/pgvector.py); nothing without pgvector.
        # An index goes on until enough of what it finds may be shown.
        "hnsw.ef_search": _EF_SEARCH,
        "hnsw.iterative_scan": "relaxed_order",
    }
    parsed["OPTIONS"] = {
        "connect_timeout": _CONNECT_SECONDS,
        "tcp_user_timeout": 1000 * _CONNECT_SECONDS * 2,
        "application_name": "supportdesk",
        **given,
        "options": " ".join([asked, *(f"-c {key}={value}" for key, value in ours.items())]).strip(),
        "pool": {
            "min_size": 1,
            "max_size": env.integer("DATABASE_CONNECTIONS", 20, least=4, most=500),
            # How long a query waits for a free connection, or for a server that is away.
            "timeout": wait,
            # After this the pool stops trying; the next query makes it try again, at once.
            "reconnect_timeout": wait,
        },
    }
    # A connection from the pool is tried before it is used: one that the server's restart broke
    # is replaced and nobody notices.
    parsed["CONN_HEALTH_CHECKS"] = True
    parsed["CONN_MAX_AGE"] = 0
    return parsed
