"""Server processes for the tests of the server, the client and /v1."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

BASE_DIR = Path(__file__).resolve().parents[3]
START_SECONDS = 90.0


@dataclass(frozen=True)
class ServerProcess:
    """A running ``python -m inference.server``."""

    url: str
    process: subprocess.Popen[str]

    def health(self) -> dict[str, object]:
        body: dict[str, object] = httpx2.get(f"{self.url}/health", timeout=30).json()
        return body

    def wait(self, condition: Callable[[dict[str, object]], bool], seconds: float = 10.0) -> None:
        """Wait until ``/health`` satisfies the condition."""
        end = time.monotonic() + seconds
        while not condition(self.health()):
            assert time.monotonic() < end, f"not within {seconds} s: {self.health()}"


ServerStart = Callable[..., ServerProcess]


@pytest.fixture(scope="session")
def server_start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerStart]:
    """Starts servers on free ports; all are killed in the end.

    ``script`` is the text of a script; ``ready=False`` does not wait until it is loaded.
    """
    started: list[subprocess.Popen[str]] = []

    def start(
        *arguments: str, script: str | None = None, key: str = "", ready: bool = True
    ) -> ServerProcess:
        command = [sys.executable, "-m", "inference.server", "--port", "0", *arguments]
        if script is not None:
            path = tmp_path_factory.mktemp("script") / "script.toml"
            path.write_text(script, encoding="utf-8")
            command += ["--scripted", str(path)]
        process = subprocess.Popen(
            command,
            cwd=BASE_DIR,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "SUPPORTDESK_ENGINE_API_KEY": key},
        )
        started.append(process)
        assert process.stdout is not None
        server = ServerProcess(process.stdout.readline().split()[-1], process)
        if ready:
            server.wait(lambda health: health["state"] == "ready", START_SECONDS)
        return server

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
