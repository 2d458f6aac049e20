"""Text that PostgreSQL cannot hold: NUL, in text and in JSON.

Customers' messages and forms refuse it. What comes from elsewhere (a document that is imported, a
tool's answer, a cookie, a model's byte) may have one, and would fail in the middle of its
transaction; so it becomes U+FFFD, the sign for what could not be read, on its way to the database.
SQLite takes it as it is.
"""

from __future__ import annotations

import re
from typing import Any, Final

import psycopg
from psycopg.abc import Buffer
from psycopg.types.json import Jsonb, JsonbDumper
from psycopg.types.string import StrDumper

_UNREADABLE: Final = "\ufffd"
# An escape, whatever it is, is taken as a whole: in \\u0000 a backslash is escaped, not a NUL.
_ESCAPE: Final = re.compile(rb"\\(?:u0000|.)", re.DOTALL)


class TextDumper(StrDumper):
    """Text without NUL."""

    def dump(self, obj: str) -> Buffer | None:
        """As the server takes it."""
        return super().dump(obj.replace("\x00", _UNREADABLE) if "\x00" in obj else obj)


class JsonDumper(JsonbDumper):
    """JSON without NUL."""

    def dump(self, obj: Any) -> Buffer | None:
        """As the server takes it."""
        made = super().dump(obj)
        if made is None or b"\\u0000" not in bytes(made):
            return made
        return _ESCAPE.sub(
            lambda found: rb"\ufffd" if found[0] == rb"\u0000" else found[0], bytes(made)
        )


def text_dumpers_register() -> None:
    """Have every connection of this process that is opened from now on use them."""
    psycopg.adapters.register_dumper(str, TextDumper)
    psycopg.adapters.register_dumper(Jsonb, JsonDumper)
