"""Tells that a conversation has something new, once that is committed.

The services know nothing of the web process: its switchboard listens here. In a process without
one (a command) nobody is told, and the polls of the switchboards find the change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from uuid import UUID

from django.db import transaction

Listener = Callable[[UUID], None]

_listeners: list[Listener] = []


@contextmanager
def wakes_heard(listener: Listener) -> Iterator[None]:
    """Call ``listener`` for every wake while the body runs; in the thread that committed."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def wake_after_commit(*, conversation_id: UUID) -> None:
    """Tell the listeners when the transaction around this call is committed."""
    # robust: a listener that fails must not look like a change that failed
    transaction.on_commit(partial(_tell, conversation_id), robust=True)


def _tell(conversation_id: UUID) -> None:
    for listener in tuple(_listeners):
        listener(conversation_id)
