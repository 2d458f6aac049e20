"""The demo shop's order system for one question on the command line, where no desk runs one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from django.conf import settings

from conversations.lanes import READS
from conversations.subprocesses import process_stop
from knowledge.demo_shop import ORDERS_FILE, SECRET_NAME, demo_shop_host
from knowledge.models import Site
from knowledge.outbound.addresses import host_split

_START_SECONDS = 10.0
_PROBE_SECONDS = 0.05


@asynccontextmanager
async def demo_orders_leased() -> AsyncIterator[None]:
    """Have the demo shop answer while the body runs: the one of a running desk, else one started
    here. Nothing is started where there is no demo."""
    site = await READS.run(_demo_site)
    host, port = host_split(demo_shop_host())
    if site is None or port is None or await _listens(host, port):
        yield
        return
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "supportdesk.demoshop", "--host", host, "--port", str(port)),
        *("--desk", f"http://{settings.HOST}:{settings.PORT}", "--site-key", site.key),
        *("--orders", str(settings.DATA_DIR / ORDERS_FILE)),
        cwd=settings.BASE_DIR,
        env={**os.environ, "DEMOSHOP_API_KEY": settings.TOOL_SECRETS[SECRET_NAME]},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        with contextlib.suppress(TimeoutError):  # the tool says then that it cannot be asked
            async with asyncio.timeout(_START_SECONDS):
                # Nobody tells when another process listens.
                while process.returncode is None and not await _listens(host, port):  # noqa: ASYNC110
                    await asyncio.sleep(_PROBE_SECONDS)
        yield
    finally:
        await process_stop(process)


def _demo_site() -> Site | None:
    return Site.objects.filter(is_demo=True, is_active=True).order_by("pk").first()


async def _listens(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
