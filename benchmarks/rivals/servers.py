"""Starts one engine's HTTP server for a comparison: the product's, or llama.cpp's."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from benchmarks.desk import BASE_DIR
from inference.ports import port_free

START_SECONDS = 120.0
# Room for the longest prompt of the comparison and its answer in each of llama-server's slots.
SLOT_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class EngineServer:
    """A server that answers.

    ``extra`` are fields that its requests carry beside the usual ones; ``exact``: it can be told to
    write a number of tokens, whatever it would like.
    """

    name: str
    url: str
    model: str
    pid: int
    extra: dict[str, object]
    log: Path
    exact: bool = True


@contextmanager
def own_server_running(
    model_dir: Path, *, name: str, threads: int, folder: Path
) -> Iterator[EngineServer]:
    """The product's inference server with one chat model, as ``manage.py serve`` starts it."""
    port = port_free()
    command = [
        sys.executable, "-m", "inference.server", "--port", str(port),
        "--chat-model", str(model_dir), "--threads", str(threads),
    ]  # fmt: skip
    log = folder / f"{_slug(name)}.log"
    with _running(command, port, log) as pid:
        url = f"http://127.0.0.1:{port}"
        model = httpx2.get(f"{url}/v1/models").json()["data"][0]["id"]
        yield EngineServer(name, url, model, pid, {}, log, exact=False)


@contextmanager
def llama_server_running(
    program: Path, gguf: Path, *, name: str, threads: int, slots: int, folder: Path
) -> Iterator[EngineServer]:
    """llama-server with ``slots`` sequences in one continuous batch, each slot keeping its prefix.

    ``--cache-ram 0``: its second cache, for prompts that come back after their slot was given away,
    would only cost it time and memory here, where no prompt comes back.
    """
    port = port_free()
    command = [
        str(program), "--host", "127.0.0.1", "--port", str(port), "--model", str(gguf),
        "--parallel", str(slots), "--ctx-size", str(slots * SLOT_TOKENS), "--cont-batching",
        "--cache-prompt", "--cache-ram", "0", "--threads", str(threads),
        "--threads-batch", str(threads),
    ]  # fmt: skip
    log = folder / f"{_slug(name)}.log"
    with _running(command, port, log) as pid:
        # It would otherwise end an answer where it likes; all must write as many tokens.
        extra: dict[str, object] = {"ignore_eos": True}
        yield EngineServer(name, f"http://127.0.0.1:{port}", "default", pid, extra, log)


@contextmanager
def _running(command: Sequence[str], port: int, log: Path) -> Iterator[int]:
    with log.open("w") as output:
        process = subprocess.Popen(
            list(command), cwd=BASE_DIR, stdout=output, stderr=output, env=_environment()
        )
        try:
            _health_wait(process, port, log)
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "LLAMA_ARG_THREADS"}


def _health_wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode}; see {log}")
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"{process.args} was not ready within {START_SECONDS:g} s; see {log}")


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower())
