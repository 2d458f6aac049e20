"""A whole desk, started for a measurement and stopped after it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from inference.ports import port_free

BASE_DIR = Path(__file__).resolve().parent.parent
MANAGE = [sys.executable, "manage.py"]


@dataclass(frozen=True, slots=True)
class Desk:
    """A running desk; ``accounts`` are the first passwords of the demo staff, times are seconds
    since its start."""

    url: str
    shop_origin: str
    pid: int
    data_dir: Path
    accounts: dict[str, str]
    first_page_seconds: float
    model_ready_seconds: float


@contextmanager
def desk_running(data_dir: Path, settings: Mapping[str, str] | None = None) -> Iterator[Desk]:
    """Prepare a database in ``data_dir``, start ``manage.py serve``, wait for page,
    model and demo shop.

    Raises:
        RuntimeError: the desk ended or was not ready within two minutes.
    """
    port, shop_port = port_free(), port_free()
    environment = {
        **os.environ,
        "SUPPORTDESK_DATA": str(data_dir),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "SUPPORTDESK_DEMOSHOP_PORT": str(shop_port),
        "SUPPORTDESK_OPEN_V1": "1",
        # What is measured and tried is the model: the same question is asked again and again.
        "SUPPORTDESK_ANSWER_CACHE": "0",
        **(settings or {}),
    }
    prepared = subprocess.run(
        [*MANAGE, "prepare"],
        cwd=BASE_DIR,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    accounts = dict(re.findall(r"^  (admin|manager|operator) +(\S+)$", prepared.stdout, re.M))
    log = (data_dir / "serve.log").open("w")
    began = time.monotonic()
    process = subprocess.Popen(
        [*MANAGE, "serve"], cwd=BASE_DIR, env=environment, stdout=log, stderr=log
    )
    url = f"http://127.0.0.1:{port}"
    try:
        page = _wait(process, lambda: httpx2.get(f"{url}/", timeout=2).status_code < 500, began)
        ready = _wait(process, lambda: _model_answers(url), began)
        shop_origin = f"http://127.0.0.1:{shop_port}"
        _wait(process, lambda: httpx2.get(shop_origin, timeout=2).status_code == 200, began)
        yield Desk(url, shop_origin, process.pid, data_dir, accounts, page, ready)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _model_answers(url: str) -> bool:
    body = {
        "model": "default",
        "messages": [{"role": "user", "content": "Say hello."}],
        "max_tokens": 4,
    }
    names = httpx2.get(f"{url}/v1/models", timeout=5)
    if names.status_code != 200 or not names.json()["data"]:
        return False
    body["model"] = names.json()["data"][0]["id"]
    return httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=30).status_code == 200


def _wait(process: subprocess.Popen[bytes], done: Callable[[], bool], began: float) -> float:
    while time.monotonic() - began < 120:
        if process.poll() is not None:
            raise RuntimeError(f"the desk ended with status {process.returncode}")
        try:
            if done():
                return round(time.monotonic() - began, 2)
        except httpx2.TransportError:
            pass  # nobody listens yet
        time.sleep(0.05)
    raise RuntimeError("the desk was not ready within two minutes")
