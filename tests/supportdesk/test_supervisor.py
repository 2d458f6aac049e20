"""The supervisor restarts what ends or hangs, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import psutil
import pytest

from inference.ports import port_free
from supportdesk.process_tree import address_problem, addresses
from supportdesk.supervisor import Backoff, ChildSpec, Supervisor, Timing

BASE_DIR = Path(__file__).resolve().parents[2]
TIMING = Timing(
    probe_every=0.05, answer=0.9, overdue=0.3, start=60.0, backoff_least=0.05, backoff_most=0.4
)
WAIT_SECONDS = 60.0


def spec(name: str, code: str, **options: object) -> ChildSpec:
    return ChildSpec(name=name, command=[sys.executable, "-c", code], **options)  # type: ignore[arg-type]


def engine_spec(tmp_path: Path, script: str) -> tuple[ChildSpec, str]:
    path = tmp_path / "script.toml"
    path.write_text(script)
    port = port_free()
    command = [sys.executable, "-m", "inference.server", "--port", str(port)]
    return (
        ChildSpec(
            name="engine",
            command=[*command, "--scripted", str(path)],
            environment={"PYTHONPATH": str(BASE_DIR), "SUPPORTDESK_ENGINE_API_KEY": ""},
            nice=5,
            health_port=port,
        ),
        f"http://127.0.0.1:{port}",
    )


@asynccontextmanager
async def running(*specs: ChildSpec, timing: Timing = TIMING) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(specs, timing=timing, report=REPORTED.append_pair)
    task = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        supervisor.stop()
        await task


class Reported(list[str]):
    def append_pair(self, name: str, line: str) -> None:
        self.append(f"{name}: {line}")


REPORTED = Reported()


@pytest.fixture(autouse=True)
def reported() -> Reported:
    REPORTED.clear()
    return REPORTED


async def until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen; {REPORTED}"
        await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_the_backoff_doubles_up_to_its_limit_and_forgets_after_a_calm_run() -> None:
    backoff = Backoff(Timing(backoff_least=0.5, backoff_most=3.0, calm=60.0))
    assert [backoff.delay(lived=1.0) for _ in range(4)] == [0.5, 1.0, 2.0, 3.0]
    assert backoff.delay(lived=61.0) == 0.5
    assert backoff.delay(lived=1.0, exit_code=78) == 3.0


async def test_a_child_that_ends_is_started_again_and_its_lines_are_shown() -> None:
    async with running(spec("web", "print('您好 from child')")) as supervisor:
        await until(lambda: supervisor.children[0].restarts >= 2, "two restarts")
    assert "web: 您好 from child" in REPORTED
    assert any("exit code 0" in line for line in REPORTED)


async def test_a_child_that_is_being_started_is_stopped_and_seen_to_its_end(tmp_path: Path) -> None:
    supervisor = Supervisor(
        [spec("web", "import time; time.sleep(600)")], report=REPORTED.append_pair
    )
    task = asyncio.create_task(supervisor.run())
    child = supervisor.children[0]
    await asyncio.sleep(0)  # the supervisor runs, the process does not yet
    await asyncio.sleep(0)
    assert child.process is None
    supervisor.stop()
    assert await asyncio.wait_for(task, WAIT_SECONDS) == 0
    assert child.process is not None
    assert child.process.returncode == -signal.SIGKILL


async def test_an_engine_that_is_stopped_is_killed_and_works_again(tmp_path: Path) -> None:
    engine, url = engine_spec(tmp_path, '[[reply]]\ntext = "x"\n')
    async with running(engine) as supervisor:
        child = supervisor.children[0]
        await asyncio.wait_for(child.ready.wait(), WAIT_SECONDS)
        assert child.process is not None
        first = child.process.pid
        assert psutil.Process(first).nice() >= 5
        os.kill(first, signal.SIGSTOP)
        await until(lambda: child.restarts == 1, "the restart")
        await until(lambda: answers(url), "an answer of the new engine")
        assert not alive(first)
    assert any("has not answered" in line for line in REPORTED)


async def test_a_web_process_that_hangs_is_killed_and_answers_again() -> None:
    port = port_free()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    web = ChildSpec(name="web", command=command, ready_port=port)
    timing = replace(TIMING, page_every=0.05, page=0.9)
    async with running(web, timing=timing) as supervisor:
        child = supervisor.children[0]
        await asyncio.wait_for(child.ready.wait(), WAIT_SECONDS)
        assert child.process is not None
        first = child.process.pid
        os.kill(first, signal.SIGSTOP)
        await until(lambda: child.restarts == 1, "the restart")
        await until(lambda: listens(port), "the new process")
        assert not alive(first)
        assert child.restarts == 1, "a process that starts is given its time"
    assert any("has answered no page" in line for line in REPORTED)


async def test_an_engine_that_is_killed_works_again(tmp_path: Path) -> None:
    engine, url = engine_spec(tmp_path, '[[reply]]\ntext = "x"\n')
    async with running(engine) as supervisor:
        child = supervisor.children[0]
        await asyncio.wait_for(child.ready.wait(), WAIT_SECONDS)
        assert child.process is not None
        os.kill(child.process.pid, signal.SIGKILL)
        await until(lambda: child.restarts == 1, "the restart")
        await until(lambda: answers(url), "an answer of the new engine")
    assert any("SIGKILL" in line for line in REPORTED)


async def test_an_engine_whose_request_does_not_stop_is_killed(tmp_path: Path) -> None:
    script = '[[reply]]\ntext = "abc"\nstall_after = 1\ndeaf = true\n'
    engine, url = engine_spec(tmp_path, script)
    async with running(engine) as supervisor:
        child = supervisor.children[0]
        await asyncio.wait_for(child.ready.wait(), WAIT_SECONDS)
        assert await asyncio.to_thread(completion, url, seconds=0.1) == 504
        await until(lambda: child.restarts == 1, "the restart")
    assert any("late to stop a request" in line for line in REPORTED)


async def test_an_unusable_model_is_told_and_not_tried_again_at_once(tmp_path: Path) -> None:
    code = "import sys; print('The model is damaged.'); sys.exit(78)"
    timing = Timing(backoff_least=0.01, backoff_most=30.0)
    async with running(spec("engine", code), timing=timing) as supervisor:
        await until(lambda: any("starts again in 30.0 s" in line for line in REPORTED), "the wait")
        assert supervisor.children[0].restarts == 1
    assert "engine: The model is damaged." in REPORTED


async def test_an_essential_child_that_cannot_start_ends_the_tree() -> None:
    web = spec("web", "raise SystemExit('wrong setting')", essential=True, ready_port=port_free())
    other = spec("other", "import time; time.sleep(600)")
    supervisor = Supervisor([web, other], timing=TIMING, report=REPORTED.append_pair)
    assert await asyncio.wait_for(supervisor.run(), WAIT_SECONDS) == 1
    assert "web: wrong setting" in REPORTED
    assert all(
        child.process and child.process.returncode is not None for child in supervisor.children
    )


async def test_the_first_child_is_stopped_before_the_others() -> None:
    code = (
        "import signal, sys, time\n"
        "def stop(*_):\n time.sleep({0}); print('stopped', flush=True); sys.exit()\n"
        "signal.signal(signal.SIGTERM, stop); print('up', flush=True)\n"
        "while True: time.sleep(0.05)\n"
    )
    async with running(spec("web", code.format(0.3)), spec("engine", code.format(0))):
        await until(lambda: {"web: up", "engine: up"} <= set(REPORTED), "the start")
    assert [line for line in REPORTED if "stopped" in line] == ["web: stopped", "engine: stopped"]


async def test_who_does_not_stop_in_time_is_killed_with_what_it_started(tmp_path: Path) -> None:
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(p.pid, flush=True); time.sleep(600)\n"
    )
    async with running(spec("web", code, stop_seconds=0.2)) as supervisor:
        await until(lambda: bool(REPORTED), "the start")
        grandchild = int(REPORTED[0].split()[-1])
        assert alive(grandchild)
        child = supervisor.children[0]
    assert child.process is not None
    assert child.process.returncode == -signal.SIGKILL
    await until(lambda: not alive(grandchild), "the end of the grandchild")
    assert any("did not stop" in line for line in REPORTED)


def test_the_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from supportdesk.supervisor import ChildSpec, Supervisor\n"
        "sleeper = 'import os, time; print(os.getpid(), flush=True); time.sleep(600)'\n"
        "spec = ChildSpec('child', [sys.executable, '-c', sleeper])\n"
        "asyncio.run(Supervisor([spec]).run())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=BASE_DIR, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    child = psutil.Process(int(process.stdout.readline().split()[-1]))
    process.kill()
    process.wait()
    process.stdout.close()
    child.wait(timeout=10)
    assert not child.is_running()


def test_a_taken_port_is_told_in_a_sentence() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert str(port) in address_problem("127.0.0.1", port)
        assert "PORT=" in address_problem("127.0.0.1", port)
    assert address_problem("127.0.0.1", port) == ""
    assert address_problem("192.0.2.1", port) != ""


def test_addresses_are_ones_that_a_browser_on_this_machine_can_open() -> None:
    any_address = "0.0.0.0"  # noqa: S104 (nothing is bound)
    assert "http://127.0.0.1:8000/admin/" in addresses(any_address, 8000)[1]
    assert "http://[::1]:8000/" in addresses("::", 8000)[0]
    assert "http://desk.example:80/" in addresses("desk.example", 80)[0]


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def answers(url: str) -> bool:
    try:
        return completion(url, seconds=5.0) == 200
    except httpx2.HTTPError:
        return False


def completion(url: str, *, seconds: float) -> int:
    return httpx2.post(
        f"{url}/v1/chat/completions",
        json={"model": "scripted", "messages": [{"role": "user", "content": "hi"}]},
        headers={"X-Timeout-Seconds": str(seconds)},
        timeout=10,
    ).status_code
