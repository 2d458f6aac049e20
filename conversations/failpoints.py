"""Places where a fault test may end the process, as a crash would.

Nothing happens unless the environment names the place: ``SUPPORTDESK_FAILPOINTS`` is a list such
as ``message_committed``, separated by commas.
"""

from __future__ import annotations

import os
import signal

_ARMED = frozenset(filter(None, os.environ.get("SUPPORTDESK_FAILPOINTS", "").split(",")))


def failpoint(name: str) -> None:
    """Kill the process with SIGKILL if the environment armed this place."""
    if name in _ARMED:
        os.kill(os.getpid(), signal.SIGKILL)
