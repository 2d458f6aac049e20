"""Finds a port of the loopback interface for a server that is about to start."""

from __future__ import annotations

import random
import socket

# Where Linux, BSD and Windows take no local ports for outgoing connections by default. A port from
# their range can be taken by any connection between the choice and the bind, even by the client
# that waits for the server and reaches itself.
_PORTS = range(20_000, 32_000)
_ATTEMPTS = 200


def port_free() -> int:
    """A port that nobody listens on now.

    Raises:
        OSError: no port was free in 200 attempts.
    """
    for port in random.sample(_PORTS, _ATTEMPTS):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("No port of the loopback interface is free.")
