"""Keeps the processes of the desk running: starts, watches, restarts and stops them.

Every child leads a process group of its own, so a Ctrl-C in the terminal reaches the supervisor
alone, and it stops the children in order. A child with a ``health_port`` is asked for ``/health``
all the time: one that does not answer, or whose engine does not stop a request that is past its
deadline, hangs in native code and is killed. The module loads neither Django nor models: the
supervisor is to start its children within a moment and to stay small.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from inference.errors import gettext_noop

# The child says that its model or configuration is unusable (EX_CONFIG of sysexits.h).
EXIT_UNUSABLE = 78
_LAUNCHER = Path(__file__).with_name("child_start.py")
_LINE_BYTES = 8192
_REAP_SECONDS = 5.0
_SUCCESSION_PAUSE = 0.05

Report = Callable[[str, str], None]
Translate = Callable[[str], str]
"""The sentence in the language of who reads the reports, its places still unfilled."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A process to keep running.

    ``health_port`` is where ``GET /health`` answers (0: it is not asked). An ``essential`` child
    that fails three times before it ever answered at ``ready_port`` ends the whole tree.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    nice: int = 0
    health_port: int = 0
    stop_seconds: float = 3.0
    essential: bool = False
    ready_port: int = 0
    ready_host: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds.

    A child that has answered once and then not for ``answer`` is killed, as is one whose engine
    is ``overdue`` with stopping a request, or that is not ready ``start`` after its start. One
    that serves pages is asked for one ``page_every`` and killed after ``page`` without any.
    """

    probe_every: float = 0.5
    answer: float = 3.0
    page_every: float = 2.0
    page: float = 15.0
    overdue: float = 3.0
    start: float = 120.0
    backoff_least: float = 0.5
    backoff_most: float = 30.0
    calm: float = 60.0


class Backoff:
    """How long to wait before a restart: doubles with every failure, forgets after a calm run."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._failures = 0

    def delay(self, *, lived: float, exit_code: int | None = None) -> float:
        """Seconds to wait after a run of ``lived`` seconds that ended with ``exit_code``."""
        if exit_code == EXIT_UNUSABLE:  # trying again soon would fail again
            return self._timing.backoff_most
        if lived >= self._timing.calm:
            self._failures = 0
        self._failures += 1
        # The exponent is bounded so that years of failures do not overflow a float.
        doubled = self._timing.backoff_least * 2 ** min(self._failures - 1, 16)
        return float(min(doubled, self._timing.backoff_most))


class Child:
    """One supervised process, started again whenever it ends.

    ``ready`` is set once it has answered, ``unusable`` says why its model cannot be loaded. A new
    ``spec`` holds from the next start on.
    """

    def __init__(
        self, spec: ChildSpec, timing: Timing, report: Report, translate: Translate = str
    ) -> None:
        self.spec = spec
        self.process: asyncio.subprocess.Process | None = None
        self.failed_for_good = asyncio.Event()
        self.ready = asyncio.Event()
        self.restarts = 0
        self.unusable = ""
        self._timing = timing
        self._report = report
        self._translate = translate
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Keep the process running until :meth:`stop`."""
        backoff = Backoff(self._timing)
        while not self._stopping.is_set():
            started = time.monotonic()
            exit_code = await self._run_once()
            if self._stopping.is_set():
                break
            self.restarts += 1
            if self.spec.essential and self.restarts >= 3 and not self.ready.is_set():
                self._say(gettext_noop("does not start; giving up."))
                self.failed_for_good.set()
                break
            delay = backoff.delay(lived=time.monotonic() - started, exit_code=exit_code)
            self._say(
                gettext_noop("ended (%(how)s); starts again in %(seconds).1f s."),
                how=_exit_text(exit_code, self._translate),
                seconds=delay,
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def stop(self, seconds: float | None = None) -> None:
        """Ask the process to end, and kill what is left of its group after ``seconds``; by
        default, after its ``stop_seconds``."""
        seconds = self.spec.stop_seconds if seconds is None else seconds
        self._stopping.set()
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            self._say(
                gettext_noop("did not stop within %(seconds)g s and is killed."), seconds=seconds
            )
        self.kill()

    def abandon(self) -> None:
        """Kill the process for good; :meth:`run` then ends."""
        self._stopping.set()
        self.kill()

    def kill(self) -> None:
        """Kill the process and everything it has started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    async def _run_once(self) -> int:
        process = self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), str(self.spec.nice),
            *self.spec.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.spec.environment},
            start_new_session=True,
        )  # fmt: skip
        if self._stopping.is_set():  # asked while there was no process to ask
            self.kill()
        helpers = [asyncio.create_task(self._output_copy(process))]
        if self.spec.health_port:
            helpers.append(asyncio.create_task(self._health_watch(self.spec.health_port)))
        if self.spec.ready_port:
            helpers.append(asyncio.create_task(self._page_watch()))
        try:
            exit_code = await process.wait()
            self.kill()  # what it has started must not outlive it
            await asyncio.wait(helpers[:1], timeout=1.0)  # its last words
            return exit_code
        finally:
            for helper in helpers:
                helper.cancel()

    async def _output_copy(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 (asked for above)
        pending = b""
        while piece := await process.stdout.read(_LINE_BYTES):
            *lines, pending = (pending + piece).split(b"\n")
            if len(pending) > _LINE_BYTES:
                lines, pending = [*lines, pending], b""
            for line in lines:
                self._pass_on(line)
        if pending:
            self._pass_on(pending)

    async def _page_watch(self) -> None:
        """Tell when the process answers pages, and kill it when its event loop does no more.

        A page is asked for seldom and waited for long: what is only busy must not be killed, for
        it holds every customer's socket.
        """
        answered = False
        missed = 0
        while not self._stopping.is_set():
            try:
                await http_get(
                    self.spec.ready_host,
                    self.spec.ready_port,
                    "/health/live" if answered else "/",
                    seconds=self._timing.page / 3 if answered else 5.0,
                )
            except (OSError, ValueError, TimeoutError, EOFError):
                missed += answered
            else:
                answered, missed = True, 0
                self.ready.set()
            if missed >= 3 and not self._stopping.is_set():
                self._kill_hung(
                    gettext_noop("has answered no page for %(seconds)g s and is killed."),
                    seconds=self._timing.page,
                )
                return
            await asyncio.sleep(self._timing.page_every if answered else 0.1)

    async def _health_watch(self, port: int) -> None:
        """Kill the process when it hangs; ``port`` is its own, whatever the next one's will be."""
        started = time.monotonic()
        loaded = False
        missed = 0
        told = ""
        while True:
            await asyncio.sleep(self._timing.probe_every)
            try:
                # Several short probes instead of one long: should the supervisor itself have
                # been stopped for a while, a single late look at the clock must not kill.
                _, body = await http_get(
                    "127.0.0.1", port, "/health", seconds=self._timing.answer / 3
                )
                health = json.loads(body)
            except (OSError, ValueError, TimeoutError, EOFError):
                missed += 1
                if loaded and missed >= 3:
                    self._kill_hung(
                        gettext_noop("has not answered for %(seconds)g s and is killed."),
                        seconds=self._timing.answer,
                    )
                    return
            else:
                missed = 0
                state = health.get("state")
                if state == "ready" and not loaded:
                    loaded = True
                    self.ready.set()
                    names = ", ".join(health.get("models", [])[:1])
                    self._say(
                        gettext_noop("ready after %(seconds).1f s: %(names)s"),
                        seconds=time.monotonic() - started,
                        names=names,
                    )
                if state == "stopped" and (detail := health.get("detail", "")) != told:
                    self.unusable = told = (
                        detail  # the process stays for a while, so that others can read why
                    )
                overdue = health.get("overdue_seconds", 0.0)
                if overdue > self._timing.overdue:
                    self._kill_hung(
                        gettext_noop("is %(seconds).1f s late to stop a request and is killed."),
                        seconds=overdue,
                    )
                    return
            if not loaded and not told and time.monotonic() - started > self._timing.start:
                self._kill_hung(
                    gettext_noop("was not ready within %(seconds)g s and is killed."),
                    seconds=self._timing.start,
                )
                return

    def _kill_hung(self, why: str, *, seconds: float) -> None:
        self._say(why, seconds=seconds)
        self.kill()

    def _pass_on(self, line: bytes) -> None:
        """What the child has said itself."""
        self._report(self.spec.name, line.decode("utf-8", "replace").rstrip())

    def _say(self, message: str, **params: object) -> None:
        self._report(self.spec.name, self._translate(message) % params)


class SuccessionFailed(Exception):
    """A process could not take the place of another; ``str()`` is one sentence."""


class Supervisor:
    """Runs children until a signal comes, then stops them in the order of ``specs``.

    The first child (the web process, which has promises to keep) is stopped before the others.
    """

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        *,
        timing: Timing | None = None,
        report: Report | None = None,
        announce: Sequence[str] = (),
        translate: Translate = str,
    ) -> None:
        """``announce`` are lines to print once the first child answers."""
        self._report = report or line_print
        self._translate = translate
        self._timing = timing or Timing()
        self.children = [self._child(spec) for spec in specs]
        self._announce = announce
        self._stop_asked = asyncio.Event()
        self._runs: list[asyncio.Task[None]] = []
        self._watches: list[asyncio.Task[None]] = []
        self._exit_code = 0

    async def run(self) -> int:
        """Returns the exit code: 0 after a signal, 1 when an essential child cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._signal_take)
        self._runs += [asyncio.create_task(child.run()) for child in self.children]
        self._watches.append(asyncio.create_task(self._announce_when_ready()))
        self._watches += [
            asyncio.create_task(self._failure_watch(child)) for child in self.children
        ]
        try:
            await self._stop_asked.wait()
            await self._stop_all()
        finally:
            for child in self.children:
                child.abandon()
            # Who is killed ends soon, and is not gone before its run has seen it.
            await asyncio.wait(self._runs, timeout=_REAP_SECONDS)
            for task in (*self._runs, *self._watches):
                task.cancel()
            await asyncio.gather(*self._runs, *self._watches, return_exceptions=True)
        return self._exit_code

    async def succeed(self, old: Child, spec: ChildSpec, *, drain: float) -> Child:
        """Start a process that is to take the place of ``old``; when it is ready, stop ``old``.

        ``old`` goes on until then, and for up to ``drain`` seconds with what it is at.

        Raises:
            SuccessionFailed: the new process does not become ready; ``old`` stays.
        """
        new = self._child(spec)
        self.children.append(new)
        self._runs.append(asyncio.create_task(new.run()))
        while not new.ready.is_set():
            if new.unusable or new.restarts or self._stop_asked.is_set():
                self.children.remove(new)
                await new.stop()
                raise SuccessionFailed(
                    new.unusable
                    or self._translate(gettext_noop("The new process ended before it was ready."))
                )
            await asyncio.sleep(_SUCCESSION_PAUSE)
        await old.stop(drain)
        self.children.remove(old)
        return new

    def stop(self) -> None:
        """Stop everything; ``run`` then returns."""
        self._stop_asked.set()

    def _child(self, spec: ChildSpec) -> Child:
        return Child(spec, self._timing, self._report, self._translate)

    async def _stop_all(self) -> None:
        first, *others = self.children
        await first.stop()
        await asyncio.gather(*(child.stop() for child in others))

    def _signal_take(self) -> None:
        if not self._stop_asked.is_set():
            self._report("serve", self._translate(gettext_noop("stopping ...")))
            self.stop()
        else:  # asked twice: at once
            for child in self.children:
                child.kill()

    async def _announce_when_ready(self) -> None:
        await self.children[0].ready.wait()
        for line in self._announce:
            self._report("serve", line)

    async def _failure_watch(self, child: Child) -> None:
        await child.failed_for_good.wait()
        self._exit_code = 1
        self.stop()


async def http_get(host: str, port: int, path: str, *, seconds: float) -> tuple[int, bytes]:
    """A GET without the weight of an HTTP library: status and body (at most 64 KiB of it).

    Raises:
        OSError, TimeoutError, EOFError: nobody answers.
        ValueError: what answers does not speak HTTP.
    """
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            request = f"GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            writer.write(request.encode("ascii"))
            await writer.drain()
            answer = await reader.read(2**16)
            while (piece := await reader.read(2**16)) and len(answer) < 2**16:
                answer += piece
        finally:
            writer.close()
    if not answer:
        raise EOFError("The server hung up without an answer.")
    head, _, body = answer.partition(b"\r\n\r\n")
    version, _, rest = head.partition(b" ")
    if not version.startswith(b"HTTP/"):
        raise ValueError("The answer is not HTTP.")
    return int(rest[:3]), body


def line_print(name: str, line: str) -> None:
    """Print a line of a child, marked with the child's name."""
    # Nobody may be reading any more (`make run | head`); the desk runs on.
    with contextlib.suppress(BrokenPipeError):
        print(f"{name:>8} | {line}", flush=True)  # noqa: T201


def _exit_text(exit_code: int, translate: Translate) -> str:
    if exit_code >= 0:
        return translate(gettext_noop("exit code %(number)d")) % {"number": exit_code}
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return translate(gettext_noop("signal %(number)d")) % {"number": -exit_code}
