"""The server process tells how it is, and ends with a sentence when it cannot work."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.inference.server.conftest import BASE_DIR, ServerStart


def run(*arguments: str, key: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "inference.server", *arguments],
        cwd=BASE_DIR,
        env={**os.environ, "SUPPORTDESK_ENGINE_API_KEY": key},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_health_says_loading_then_ready(server_start: ServerStart) -> None:
    server = server_start(script='load_seconds = 1.0\n[[reply]]\ntext = "x"\n', ready=False)
    answer = httpx2.get(f"{server.url}/health")
    assert (answer.status_code, answer.json()["state"]) == (503, "loading")
    request = {"model": "scripted", "messages": [{"role": "user", "content": "x"}]}
    early = httpx2.post(f"{server.url}/v1/chat/completions", json=request)
    assert early.status_code == 503
    assert early.json()["error"]["code"] == "engine_starting"
    server.wait(lambda health: health["state"] == "ready")
    assert httpx2.get(f"{server.url}/health").status_code == 200


def test_a_request_that_does_not_stop_is_told_as_overdue(server_start: ServerStart) -> None:
    server = server_start(script='[[reply]]\ntext = "abc"\nstall_after = 1\ndeaf = true\n')
    request = {"model": "scripted", "messages": [{"role": "user", "content": "x"}]}
    answer = httpx2.post(
        f"{server.url}/v1/chat/completions", json=request, headers={"X-Timeout-Seconds": "0.1"}
    )
    assert answer.status_code == 504
    server.wait(lambda health: float(str(health["overdue_seconds"])) > 0.2)
    assert server.health()["running"] == 1


@pytest.mark.parametrize("damage", ["missing", "empty", "manifest", "file"])
def test_an_unusable_model_ends_the_process_with_one_sentence(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "model"
    if damage != "missing":
        path.mkdir()
    if damage == "manifest":
        (path / "manifest.json").write_text("{")
    if damage == "file":
        path = tmp_path / "model.bin"
        path.write_bytes(b"\0")
    for option in ("--chat-model", "--embedding-model"):
        done = run(option, str(path), "--port", "0")
        assert done.returncode == 78
        assert done.stderr.count("\n") == 1
        assert str(path) in done.stderr


def test_health_tells_why_while_the_process_lingers(
    server_start: ServerStart, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    server = server_start("--chat-model", str(model), "--linger", "60", ready=False)
    server.wait(lambda health: health["state"] == "stopped")
    assert str(model) in str(server.health()["detail"])


def test_wrong_arguments_are_told_in_one_sentence(tmp_path: Path) -> None:
    script = tmp_path / "bad.toml"
    script.write_text("[[reply]]\nunknown = 1\n")
    for arguments in ((), ("--scripted", str(script)), ("--scripted", str(tmp_path / "none"))):
        done = run(*arguments)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1


def test_a_public_address_needs_a_key(tmp_path: Path) -> None:
    done = run("--host", "192.0.2.1", "--chat-model", str(tmp_path))
    assert done.returncode == 2
    assert "SUPPORTDESK_ENGINE_API_KEY" in done.stderr


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("--chat-model", str(tmp_path), "--port", str(port))
    assert done.returncode == 1
    assert str(port) in done.stderr
