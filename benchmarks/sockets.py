"""``python -m benchmarks.sockets``: acks of a busy desk that holds many idle sockets.

A whole desk is started; 1,000 sockets only listen, 50 customers ask, read the answer, pause and ask
again. The goal is a 99th percentile of the ack of 250 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.desk import BASE_DIR, Desk, desk_running
from benchmarks.ladder import QUESTIONS
from benchmarks.machine import machine_describe
from benchmarks.tables import table_print

SOCKETS_PER_VISITOR = 5
OPENING_AT_ONCE = 20
PAUSE_SECONDS = (1.0, 5.0)
# The desk lets one address open 30 sessions a minute; so the tokens are made beside it.
_TOKENS = """
import json, sys
from conversations.models import Conversation, Visitor
from conversations.tokens import Session, session_token_make
from knowledge.models import Site
site = Site.objects.get(is_demo=True)
tokens = []
for _ in range(int(sys.argv[1])):
    visitor = Visitor.objects.create(site=site)
    conversation = Conversation.objects.create(site=site, visitor=visitor)
    tokens.append(session_token_make(Session(site.pk, sys.argv[2], visitor.pk, conversation.pk)))
print(json.dumps(tokens))
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sockets", description=__doc__)
    parser.add_argument("--idle", type=int, default=1000, help="sockets that only listen")
    parser.add_argument("--active", type=int, default=50, help="customers who ask")
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    print(f"Machine: {machine_describe()}.")
    with tempfile.TemporaryDirectory() as folder, desk_running(Path(folder)) as desk:
        row = asyncio.run(sockets_measure(desk, options.idle, options.active, options.seconds))
    table_print("Acks with many sockets", [row])


async def sockets_measure(desk: Desk, idle: int, active: int, seconds: float) -> dict[str, object]:
    """Open the sockets, let the customers ask for ``seconds``; times in milliseconds."""
    visitors = -(-idle // SOCKETS_PER_VISITOR)
    tokens = await asyncio.to_thread(_tokens, desk, visitors + active)
    web = _web_process(desk)
    before = web.memory_info().rss
    opening = asyncio.Semaphore(OPENING_AT_ONCE)
    async with AsyncExitStack() as stack:
        listeners = [tokens[n % visitors] for n in range(idle)]
        await asyncio.gather(*(_opened(desk, token, stack, opening) for token in listeners))
        held = web.memory_info().rss
        customers = await asyncio.gather(
            *(_opened(desk, token, stack, opening) for token in tokens[visitors:])
        )
        ends = time.monotonic() + seconds
        rows = await asyncio.gather(*(_talk(socket, ends) for socket in customers))
    acks = sorted(ack for talked in rows for ack, _ in talked)
    answers = [answer for talked in rows for _, answer in talked]
    return {
        "idle": idle,
        "active": active,
        "messages": len(acks),
        "ack_p50_ms": round(statistics.median(acks), 1),
        "ack_p99_ms": round(acks[min(len(acks) - 1, int(0.99 * len(acks)))], 1),
        "ack_worst_ms": round(acks[-1], 1),
        "answer_p50_ms": round(statistics.median(answers), 1),
        "kib_a_socket": round((held - before) / 1024 / max(idle, 1), 1),
    }


async def _opened(
    desk: Desk, token: str, stack: AsyncExitStack, opening: asyncio.Semaphore
) -> ClientConnection:
    address = desk.url.replace("http", "ws", 1) + "/widget/v1/socket"
    async with opening:
        socket = await stack.enter_async_context(
            connect(address, origin=desk.shop_origin, compression=None, ping_interval=None)
        )
        await socket.send(json.dumps({"v": 1, "type": "hello", "token": token, "last_seq": 0}))
        while json.loads(await socket.recv())["type"] != "welcome":
            pass
    return socket


async def _talk(socket: ClientConnection, ends: float) -> list[tuple[float, float]]:
    """Ask until the time is over; the milliseconds to each ack and answer."""
    rows = []
    while True:
        await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
        if time.monotonic() > ends:
            return rows
        message_id = str(uuid.uuid4())
        frame = {"v": 1, "type": "send", "client_message_id": message_id}
        began = time.monotonic()
        await socket.send(json.dumps({**frame, "text": random.choice(QUESTIONS)}))
        ack = 0.0
        while True:
            answer = json.loads(await socket.recv())
            if answer["type"] == "error":
                raise RuntimeError(f"the desk refused a message: {answer['code']}")
            if answer["type"] == "ack":
                ack = 1000 * (time.monotonic() - began)
            if answer["type"] == "item" and answer["reply_to"] == message_id:
                rows.append((ack, 1000 * (time.monotonic() - began)))
                break


def _tokens(desk: Desk, count: int) -> list[str]:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import django; django.setup()\n{_TOKENS}",
            str(count),
            desk.shop_origin,
        ],
        cwd=BASE_DIR,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "supportdesk.settings",
            "SUPPORTDESK_DATA": str(desk.data_dir),
        },
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    tokens: list[str] = json.loads(done.stdout)
    return tokens


def _web_process(desk: Desk) -> psutil.Process:
    for process in psutil.Process(desk.pid).children(recursive=True):
        if "web" in process.cmdline():
            return process
    raise RuntimeError("the desk has no web process")


if __name__ == "__main__":
    main()
