"""Another model while the desk runs: no answer is dropped, and a model that fails changes nothing."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from inference.backends.assembly import backends_make
from inference.backends.pool import BackendPool
from inference.chat import ChatMessage, EngineIdentity, GenerationParameters
from inference.ports import port_free
from inference.weights.manifest import Manifest, file_sha256, files_record, manifest_write
from supportdesk.control import ControlRefused, control_ask, control_open
from supportdesk.model_switch import ModelSwitch
from supportdesk.supervisor import ChildSpec, Supervisor, Timing

BASE_DIR = Path(__file__).resolve().parents[2]
TIMING = Timing(probe_every=0.05, answer=3.0, overdue=3.0, start=60.0, backoff_least=0.05)
WAIT_SECONDS = 60.0
KEY = "key of the engines"


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


def model_make(directory: Path, script: str, *, kind: str = "chat") -> Path:
    """A model directory whose weights are a script."""
    directory.mkdir()
    (directory / "model.bin").write_text(script, encoding="utf-8")
    manifest = Manifest(
        name=directory.name,
        kind=kind,  # type: ignore[arg-type]
        architecture="script",
        source="",
        source_sha256="",
        quantization="",
        context_length=4096,
        files=files_record(directory),
    )
    manifest_write(directory, manifest)
    return directory


@dataclass(slots=True)
class RunningDesk:
    supervisor: Supervisor
    switch: ModelSwitch
    pool: BackendPool
    control_port: int
    lines: list[str]

    async def use(self, path: Path) -> list[str]:
        """What ``manage.py model use`` does."""

        def ask() -> list[str]:
            return list(
                control_ask(
                    self.control_port, KEY, seconds=WAIT_SECONDS, command="use", path=str(path)
                )
            )

        return await asyncio.to_thread(ask)

    async def asked(self) -> tuple[str, EngineIdentity | None]:
        messages = [ChatMessage("user", "hello")]
        stream = self.pool.stream(messages, GenerationParameters(), timeout=WAIT_SECONDS)
        chunks = [chunk async for chunk in stream]
        return "".join(chunk.text for chunk in chunks), chunks[-1].engine


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not await condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


@asynccontextmanager
async def desk_running(first: Path) -> AsyncIterator[RunningDesk]:
    port = port_free()

    def spec(path: Path, aliases: Sequence[str], when_ready: bool) -> ChildSpec:
        health_port = port_free()
        return ChildSpec(
            name="engine",
            command=[
                sys.executable, "-m", "inference.server", "--port", str(port), "--share-port",
                "--scripted", str(path / "model.bin"), "--health-port", str(health_port),
                "--drain", "30", *(["--when-ready"] if when_ready else []),
            ],
            environment={"PYTHONPATH": str(BASE_DIR), "SUPPORTDESK_ENGINE_API_KEY": ""},
            health_port=health_port,
        )  # fmt: skip

    lines: list[str] = []
    supervisor = Supervisor(
        [spec(first, [], False)], timing=TIMING, report=lambda _, line: lines.append(line)
    )
    running = asyncio.create_task(supervisor.run())
    child = supervisor.children[0]
    switch = ModelSwitch(supervisor, child, spec, aliases=["scripted"], drain=30.0)
    pool = backends_make(local_url=f"http://127.0.0.1:{port}", local_model="scripted")
    try:
        async with control_open(KEY, {"use": switch.use}) as control_port:
            await asyncio.wait_for(child.ready.wait(), WAIT_SECONDS)
            yield RunningDesk(supervisor, switch, pool, control_port, lines)
    finally:
        await pool.aclose()
        supervisor.stop()
        await running


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    script = f'[[reply]]\ntext = "{"old " * 40}"\ndelay = 0.05\n'
    return model_make(tmp_path / "slow", script)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return model_make(tmp_path / "new", '[[reply]]\ntext = "new"\n')


async def test_a_running_answer_ends_with_the_old_model_and_the_next_begins_with_the_new(
    slow: Path, new: Path
) -> None:
    async with desk_running(slow) as desk:
        old = desk.supervisor.children[0]
        running = asyncio.create_task(desk.asked())

        async def is_running() -> bool:
            return (await desk.pool.statuses())[0].running == 1

        await until(is_running)
        told = await desk.use(new)
        text, engine = await running
        assert text == "old " * 40
        assert engine == EngineIdentity("scripted", "", file_sha256(slow / "model.bin"))
        text, engine = await desk.asked()
        assert text == "new"
        assert engine == EngineIdentity("scripted", "", file_sha256(new / "model.bin"))
        assert told[-1] == "new answers from now on."
        assert old not in desk.supervisor.children
        assert old.process is not None
        assert old.process.returncode is not None


async def test_no_request_fails_while_the_model_changes(tmp_path: Path, new: Path) -> None:
    first = model_make(tmp_path / "first", '[[reply]]\ntext = "first"\ndelay = 0.01\n')
    async with desk_running(first) as desk:
        done = asyncio.Event()
        texts: list[str] = []

        async def customer() -> None:
            while not done.is_set():
                texts.append((await desk.asked())[0])

        customers = [asyncio.create_task(customer()) for _ in range(4)]
        await desk.use(new)
        count = len(texts)

        async def eight_more() -> bool:
            return len(texts) >= count + 8

        await until(eight_more)
        done.set()
        await asyncio.gather(*customers)
    assert set(texts) == {"first", "new"}
    assert set(texts[-4:]) == {"new"}


async def test_the_new_engine_is_not_taken_for_hung(slow: Path, new: Path) -> None:
    """The next process of its kind will have another port for its health than this one has."""
    async with desk_running(slow) as desk:
        await desk.use(new)
        child = desk.supervisor.children[0]
        for _ in range(40):  # many times as long as three questions for its health
            assert (await desk.asked())[0] == "new"
        assert child.restarts == 0


async def test_the_new_engine_is_started_again_like_any_other(slow: Path, new: Path) -> None:
    async with desk_running(slow) as desk:
        await desk.use(new)
        child = desk.supervisor.children[0]
        assert "--when-ready" not in child.spec.command
        child.kill()

        async def is_back() -> bool:
            return child.restarts == 1 and (await desk.pool.health()).state == "ready"

        await until(is_back)
        assert (await desk.asked())[0] == "new"


async def test_a_model_that_cannot_be_loaded_leaves_the_old_one_in_place(
    slow: Path, tmp_path: Path
) -> None:
    broken = model_make(tmp_path / "broken", "this is no script")
    async with desk_running(slow) as desk:
        with pytest.raises(ControlRefused, match="The model in use stays"):
            await desk.use(broken)
        assert len(desk.supervisor.children) == 1
        assert (await desk.asked())[0].startswith("old")


async def test_what_is_no_chat_model_is_refused_before_anything_is_started(
    slow: Path, tmp_path: Path
) -> None:
    vectors = model_make(tmp_path / "vectors", "", kind="embedding")
    async with desk_running(slow) as desk:
        with pytest.raises(ControlRefused, match="vectors is no chat model"):
            await desk.use(vectors)
        with pytest.raises(ControlRefused, match="does not exist"):
            await desk.use(tmp_path / "missing")
        assert len(desk.supervisor.children) == 1


async def test_a_model_that_does_not_fit_into_memory_is_refused(
    slow: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.weights.memory.memory_available", lambda: 10**8)
    async with desk_running(slow) as desk:
        with pytest.raises(ControlRefused, match=r"new needs about 500 MB .* only 100 MB are free"):
            await desk.use(new)


async def test_only_who_knows_the_key_is_heard() -> None:
    async def never(request: object, tell: object) -> None:
        raise AssertionError("A stranger was heard.")

    async with control_open(KEY, {"use": never}) as port:

        def ask(key: str, command: str) -> list[str]:
            return list(control_ask(port, key, seconds=5.0, command=command))

        with pytest.raises(ControlRefused, match="key is wrong"):
            await asyncio.to_thread(ask, "guess", "use")
        with pytest.raises(ControlRefused, match="no such command"):
            await asyncio.to_thread(ask, KEY, "format")
    with pytest.raises(ControlRefused, match="does not answer"):
        await asyncio.to_thread(ask, KEY, "use")


async def test_a_request_that_is_no_json_is_refused() -> None:
    async with control_open(KEY, {}) as port:
        for line in (b"[1]\n", b"{\n", b"\n", b'{"key": null}\n'):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(line)
            assert b'"error"' in await reader.readline()
            writer.close()
