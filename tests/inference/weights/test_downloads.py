from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from inference.errors import WeightsError
from inference.weights import downloads
from inference.weights.downloads import Download, Downloader, SourceUnavailable
from tests.inference.weights.file_server import FileServer

CONTENT = bytes(range(256)) * 20_000  # 5 MB: several chunks
SHA256 = hashlib.sha256(CONTENT).hexdigest()

Fetch = Callable[..., Path]


def _part(directory: Path) -> Path:
    return directory / f"model.gguf.{SHA256[:16]}.part"


@pytest.fixture
def fetch(server: FileServer, tmp_path: Path, told: list[str]) -> Fetch:
    def fetch(sha256: str = SHA256, size: int = len(CONTENT)) -> Path:
        item = Download(f"{server.url}/file", "model.gguf", size, sha256=sha256)
        waits: list[float] = []
        with Downloader(tmp_path / "d", told.append, pause=waits.append) as downloader:
            (path,) = downloader.fetch_all([item], "Model")
        return path

    server.files["/file"] = CONTENT
    return fetch


def test_a_file_arrives_and_its_size_and_time_are_told(fetch: Fetch, told: list[str]) -> None:
    assert fetch().read_bytes() == CONTENT
    assert told[-1].startswith("Model: 5 MB in ")


def test_a_broken_connection_is_continued_where_it_broke(fetch: Fetch, server: FileServer) -> None:
    server.cut_after["/file"] = [1_500_000, 2_000_000]
    path = fetch()
    assert path.read_bytes() == CONTENT
    first, second, third = server.ranges("/file")
    assert first == ""
    starts = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in (second, third)]
    assert 0 < starts[0] <= 1_500_000 < starts[1] <= 3_500_000


def test_a_part_of_an_earlier_run_is_continued(
    fetch: Fetch, server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    _part(tmp_path / "d").write_bytes(CONTENT[:3_000_000])
    assert fetch().read_bytes() == CONTENT
    assert server.ranges("/file") == ["bytes=3000000-"]


def test_a_complete_file_of_an_earlier_run_is_not_asked_for(
    fetch: Fetch, server: FileServer
) -> None:
    fetch()
    server.requests.clear()
    assert fetch().read_bytes() == CONTENT
    assert server.requests == []


def test_a_damaged_part_of_an_earlier_run_is_replaced(
    fetch: Fetch, server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    _part(tmp_path / "d").write_bytes(b"x" * 3_000_000)
    assert fetch().read_bytes() == CONTENT
    assert server.ranges("/file") == ["bytes=3000000-", ""]


def test_a_server_without_ranges_is_read_from_the_start(
    fetch: Fetch, server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    _part(tmp_path / "d").write_bytes(CONTENT[:3_000_000])
    server.ignore_range = True
    assert fetch().read_bytes() == CONTENT
    assert server.ranges("/file") == ["bytes=3000000-", ""]


def test_a_busy_server_is_asked_again(fetch: Fetch, server: FileServer) -> None:
    server.statuses["/file"] = [503, 429]
    assert fetch().read_bytes() == CONTENT


def test_a_wrong_hash_is_refused_and_nothing_stays(fetch: Fetch, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"does not have the hash that was expected .* not used"):
        fetch(sha256="0" * 64)
    assert list((tmp_path / "d").iterdir()) == []


def test_a_file_that_is_too_long_is_refused_and_nothing_stays(fetch: Fetch, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="longer than the 100 bytes"):
        fetch(size=100)
    assert list((tmp_path / "d").iterdir()) == []


def test_a_truncated_file_is_not_taken_for_the_whole(
    fetch: Fetch, server: FileServer, tmp_path: Path
) -> None:
    server.files["/file"] = CONTENT[:1000]
    with pytest.raises(
        SourceUnavailable, match=r"gives less of model\.gguf than its 5120000 bytes"
    ):
        fetch()
    assert not (tmp_path / "d" / "model.gguf").exists()


def test_a_missing_file_is_told_with_the_status(fetch: Fetch, server: FileServer) -> None:
    del server.files["/file"]
    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1 answers 404 for model\.gguf\."):
        fetch()


def test_a_network_that_is_away_is_one_sentence_after_some_attempts(
    tmp_path: Path, told: list[str], unused_tcp_port: int
) -> None:
    waits: list[float] = []
    item = Download(f"http://127.0.0.1:{unused_tcp_port}/f", "f", 10, sha256="0" * 64)
    with (
        Downloader(tmp_path, told.append, attempts=3, pause=waits.append) as downloader,
        pytest.raises(SourceUnavailable, match=r"^127\.0\.0\.1 cannot be reached \(.*\)\.$"),
    ):
        list(downloader.fetch_all([item], "Model"))
    assert waits == [2.0, 4.0]


def test_a_disk_that_is_too_full_is_told_before_anything_is_asked_for(
    fetch: Fetch, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=1_000_000)
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(WeightsError, match=r"is too full: 5 MB are needed, 1 MB are free\."):
        fetch()
    assert server.requests == []


def test_one_failing_file_stops_the_others(
    server: FileServer, tmp_path: Path, told: list[str]
) -> None:
    server.files["/a"] = CONTENT
    missing = Download(f"{server.url}/missing", "missing", 10, sha256="0" * 64)
    others = [
        Download(f"{server.url}/a", f"a{number}", len(CONTENT), sha256=SHA256)
        for number in range(6)
    ]
    with (
        Downloader(tmp_path, told.append) as downloader,
        pytest.raises(SourceUnavailable, match="404 for missing"),
    ):
        list(downloader.fetch_all([missing, *others], "Model"))
    assert len(server.ranges("/a")) < len(others)
