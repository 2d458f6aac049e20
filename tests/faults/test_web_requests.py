"""Bodies of HTTP requests: too long, announced wrongly or not at all."""

from __future__ import annotations

import socket as sockets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from knowledge.uploads import TICKET_COOKIE, UPLOAD_BYTES, ticket_make
from tests.faults.desk_process import ORIGIN, WebProcess

MEGABYTE = 1024 * 1024
CHUNK = b"10000\r\n" + b"x" * 65536 + b"\r\n"


@contextmanager
def posting(web: WebProcess, *headers: str) -> Iterator[sockets.socket]:
    """A connection over which the head of a request was sent."""
    lines = [
        "POST /widget/v1/session HTTP/1.1",
        f"Host: 127.0.0.1:{web.port}",
        f"Origin: {ORIGIN}",
        "Content-Type: application/json",
        *headers,
    ]
    with sockets.create_connection(("127.0.0.1", web.port), timeout=20) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        yield connection


def answer_of(connection: sockets.socket) -> bytes:
    """Everything up to the end of the connection."""
    parts = []
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_an_announced_flood_is_refused_before_it_is_sent(web: WebProcess) -> None:
    with posting(web, f"Content-Length: {10**12}") as connection:
        answer = answer_of(connection)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in answer


def test_a_flood_of_unknown_length_is_cut_off_and_costs_little_memory(web: WebProcess) -> None:
    with posting(web, "Transfer-Encoding: chunked") as connection:
        before = web.memory_settled()
        sent = 0
        with suppress(ConnectionError):
            while sent < 1024 * MEGABYTE:
                connection.sendall(CHUNK)
                sent += len(CHUNK)
        answer = answer_of(connection)
        grown = web.memory - before

    assert sent < 1024 * MEGABYTE, "the server read it all"
    # A reset may overtake the answer on its way to a client that goes on sending.
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413 ")
    assert grown < 10 * MEGABYTE


def test_a_body_of_unknown_length_just_over_the_limit_gets_the_answer(web: WebProcess) -> None:
    with posting(web, "Transfer-Encoding: chunked") as connection:
        for _ in range(41):
            connection.sendall(CHUNK)
        connection.sendall(b"0\r\n\r\n")
        answer = answer_of(connection)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_more_than_was_announced_is_not_kept(web: WebProcess) -> None:
    with posting(web, "Content-Length: 2") as connection:
        before = web.memory_settled()
        connection.settimeout(2)
        with suppress(OSError):
            connection.sendall(b"{}" + b"x" * (64 * MEGABYTE))
        grown = web.memory - before

    assert grown < 10 * MEGABYTE


def test_a_body_within_the_limit_reaches_the_view(web: WebProcess) -> None:
    body = b"[" + b" " * 30_000 + b"]"
    with posting(web, f"Content-Length: {len(body)}", "Connection: close") as connection:
        connection.sendall(body)
        answer = answer_of(connection)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"bad_frame"' in answer


def test_only_whoever_has_a_ticket_for_uploads_may_send_a_large_file(
    web_start: Callable[..., WebProcess], settings: Any
) -> None:
    settings.SECRET_KEY = "k" * 50
    web = web_start(SECRET_KEY=settings.SECRET_KEY)
    good = ticket_make()
    length = f"Content-Length: {UPLOAD_BYTES}"
    for ticket in ("", "upload:x:y", f"{good}x", good.replace("upload", "import")):
        with posting(web, length, f"Cookie: {TICKET_COOKIE}={ticket}") as connection:
            assert answer_of(connection).startswith(b"HTTP/1.1 413 ")
    with posting(web, length.replace("5", "6", 1), f"Cookie: {TICKET_COOKIE}={good}") as connection:
        assert answer_of(connection).startswith(b"HTTP/1.1 413 "), "longer than any upload"

    body = b"[" + b" " * 5 * MEGABYTE + b"]"
    ticket = f"Cookie: {TICKET_COOKIE}={good}"
    with posting(web, f"Content-Length: {len(body)}", ticket, "Connection: close") as connection:
        connection.sendall(body)
        answer = answer_of(connection)
    # It came in whole; Django refuses what is no upload.
    assert answer.startswith(b"HTTP/1.1 4")
    assert b"The request is too large." not in answer
