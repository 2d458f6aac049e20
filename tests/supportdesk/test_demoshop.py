"""The demo shop serves its page in two languages under a strict policy, and ends with its parent."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path

import pytest

from inference.ports import port_free
from supportdesk.demoshop import Shop, language_choose, main, server_make

ROOT = Path(__file__).resolve().parents[2]
SHOP = Shop(desk_url="http://127.0.0.1:8000", site_key='key"<')


@pytest.fixture
def address() -> Iterator[str]:
    server = server_make(host="127.0.0.1", port=0, shop=SHOP)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(5)


def page_get(url: str, language: str = "") -> tuple[str, Message]:
    request = urllib.request.Request(url, headers={"Accept-Language": language})  # noqa: S310
    with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
        return response.read().decode(), response.headers


def test_the_language_is_the_browsers_unless_the_path_names_one(address: str) -> None:
    assert '<html lang="zh-Hans">' in page_get(f"{address}/", "zh-TW,en;q=0.5")[0]
    assert '<html lang="en">' in page_get(f"{address}/", "en-GB,zh;q=0.5")[0]
    assert '<html lang="zh-Hans">' in page_get(f"{address}/zh", "en")[0]
    assert language_choose("fr, de;q=0.8") == "en"


def test_the_widget_is_embedded_with_the_sites_key(address: str) -> None:
    page, _ = page_get(f"{address}/en")
    assert 'src="http://127.0.0.1:8000/static/widget/supportdesk.js"' in page
    assert 'data-site-key="key&quot;&lt;"' in page
    assert 'data-language="en"' in page
    assert "{{" not in page


def test_the_policy_names_the_shop_and_the_desk_only(address: str) -> None:
    _, headers = page_get(f"{address}/zh")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self' http://127.0.0.1:8000 ws://127.0.0.1:8000" in policy
    assert "unsafe" not in policy


def test_nothing_else_is_served(address: str) -> None:
    for path in ("/content.toml", "/../settings.py", "/%2e%2e/demoshop.py", "/fr"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            page_get(f"{address}{path}")
        assert refused.value.code == 404


def test_a_taken_port_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["--port", port, "--desk", "http://desk", "--site-key", "k"]) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


def test_it_ends_with_the_process_that_started_it() -> None:
    port = port_free()
    command = [
        sys.executable, "-m", "supportdesk.demoshop",
        "--port", str(port), "--desk", "http://127.0.0.1:1", "--site-key", "k",
    ]  # fmt: skip
    starter = "import subprocess, sys; print(subprocess.Popen(sys.argv[1:]).pid); sys.stdin.read()"
    parent = subprocess.Popen(
        [sys.executable, "-c", starter, *command],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    _until(lambda: _answers(port), "the shop did not start")
    parent.communicate("")
    _until(lambda: not _answers(port), f"process {child} outlived its parent {parent.pid}")


def _answers(port: int) -> bool:
    try:
        return page_get(f"http://127.0.0.1:{port}/health")[0] == "ok"
    except OSError:
        return False


def _until(condition: Callable[[], bool], words: str, seconds: float = 10) -> None:
    limit = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < limit, words
        pause.wait(0.05)
