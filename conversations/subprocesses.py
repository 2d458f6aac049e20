"""Processes that a command starts for itself and ends again."""

from __future__ import annotations

import asyncio

_STOP_SECONDS = 5.0


async def process_stop(process: asyncio.subprocess.Process) -> None:
    """Ask a process to end, kill it if it does not soon, and wait until it is gone."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
