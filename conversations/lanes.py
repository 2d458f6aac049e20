"""Where database work of the asynchronous code runs: a lane for writes, another one for reads.

SQLite takes one writer at a time; writers of one process that compete for its lock wait up to
seconds, so the lane has one thread there, in which they keep their order. PostgreSQL locks rows:
there several threads write, and one conversation's lock does not hold up the others. If reads
shared a thread with writes, as all of Channels' database calls do, a locked write would hold up
everybody's reads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connection

from conversations.errors import Overloaded, Unavailable
from knowledge.connections import connection_release

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

RETRY_MS = 1000


class Lane:
    """Threads with database connections of their own; ``waiting_most`` bounds the line."""

    def __init__(self, name: str, *, threads: int, waiting_most: int) -> None:
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)
        self._waiting_most = waiting_most
        self._waiting = 0

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a service or selector in the lane.

        The work goes on when the caller is cancelled: a transaction is never cut in two.

        Raises:
            Overloaded: the line is full.
            Unavailable: the database is locked, full or gone.
        """
        if self._waiting >= self._waiting_most:
            raise Overloaded(retry_ms=RETRY_MS)
        self._waiting += 1
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._executor, partial(_call, function, *args, **kwargs))
        future.add_done_callback(self._left)
        return await asyncio.shield(future)

    def _left(self, future: asyncio.Future[T]) -> None:
        self._waiting -= 1
        if not future.cancelled():
            future.exception()  # read here too, for the caller may be gone


def _call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return function(*args, **kwargs)
    except (OperationalError, InterfaceError) as error:
        logger.warning("The database refused: %s", error)
        connection.close()  # the thread keeps its connection, but not a broken one
        raise Unavailable(retry_ms=RETRY_MS) from error
    finally:
        connection_release()


WRITES = Lane("writes", threads=1 if connection.vendor == "sqlite" else 4, waiting_most=500)
READS = Lane("reads", threads=4, waiting_most=2000)
