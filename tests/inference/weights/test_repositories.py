"""The hubs, as a local server that answers like them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest

from inference.errors import WeightsError
from inference.weights.catalog import RemoteFile, RepositorySource
from inference.weights.downloads import SourceUnavailable
from inference.weights.repositories import repository_fetch
from tests.inference.weights.file_server import COMMIT, FileServer

LARGE = b"weights " * 100_000
SMALL = b'{"model_type": "qwen2"}'
REPOSITORY = "Qwen/Tiny"


def _source(hub: Literal["huggingface", "modelscope"], *files: RemoteFile) -> RepositorySource:
    return RepositorySource(hub, "gguf", REPOSITORY, files)


def _environment(server: FileServer) -> Mapping[str, str]:
    return {"HF_ENDPOINT": server.url + "/", "MODELSCOPE_ENDPOINT": server.url}


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.delenv("HF_TOKEN", raising=False)


def test_hugging_face_files_come_from_one_commit_and_are_checked_with_its_hashes(
    server: FileServer, tmp_path: Path, told: list[str]
) -> None:
    server.hub_add(REPOSITORY, "model.gguf", LARGE)
    server.hub_add(REPOSITORY, "config.json", SMALL, lfs=False)
    source = _source("huggingface", RemoteFile("model.gguf"), RemoteFile("config.json"))
    model, config = repository_fetch(
        source, tmp_path, told.append, what="M", environment=_environment(server)
    )
    assert (model.read_bytes(), config.read_bytes()) == (LARGE, SMALL)
    got = {path for method, path, _ in server.requests if method == "GET"}
    assert got == {
        f"/{REPOSITORY}/resolve/{COMMIT}/model.gguf",
        f"/cdn/{hashlib.sha256(LARGE).hexdigest()}",
        f"/{REPOSITORY}/resolve/{COMMIT}/config.json",
    }


def test_a_hugging_face_download_resumes_at_the_address_it_is_sent_to(
    server: FileServer, tmp_path: Path, told: list[str]
) -> None:
    cdn = server.hub_add(REPOSITORY, "model.gguf", LARGE)
    sha256 = hashlib.sha256(LARGE).hexdigest()
    (tmp_path / f"model.gguf.{sha256[:16]}.part").write_bytes(LARGE[:300_000])
    source = _source("huggingface", RemoteFile("model.gguf"))
    (path,) = repository_fetch(
        source, tmp_path, told.append, what="M", environment=_environment(server)
    )
    assert path.read_bytes() == LARGE
    assert server.ranges(cdn) == ["bytes=300000-"]


@pytest.mark.parametrize("lfs", [True, False], ids=["sha256", "git"])
def test_bytes_that_are_not_what_the_hub_announced_are_refused(
    server: FileServer, tmp_path: Path, told: list[str], lfs: bool
) -> None:
    where = server.hub_add(REPOSITORY, "model.gguf", LARGE, lfs=lfs)
    server.files[where] = b"x" + LARGE[1:]
    source = _source("huggingface", RemoteFile("model.gguf"))
    with pytest.raises(WeightsError, match="does not have the hash that was expected"):
        repository_fetch(source, tmp_path, told.append, what="M", environment=_environment(server))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("hub", ["huggingface", "modelscope"])
def test_a_hub_with_another_file_than_the_catalogs_is_refused_before_the_download(
    server: FileServer,
    tmp_path: Path,
    told: list[str],
    hub: Literal["huggingface", "modelscope"],
) -> None:
    cdn = server.hub_add(REPOSITORY, "model.gguf", LARGE)
    server.modelscope_add(REPOSITORY, {"model.gguf": LARGE})
    source = _source(hub, RemoteFile("model.gguf", len(LARGE), "0" * 64))
    with pytest.raises(WeightsError, match=r"offers another model\.gguf than the catalog names"):
        repository_fetch(source, tmp_path, told.append, what="M", environment=_environment(server))
    assert server.ranges(cdn) == []


def test_a_missing_repository_is_told_with_the_status(
    server: FileServer, tmp_path: Path, told: list[str]
) -> None:
    source = _source("huggingface", RemoteFile("model.gguf"))
    with pytest.raises(
        SourceUnavailable, match=r"^127\.0\.0\.1 answers 404 for Qwen/Tiny/model\.gguf\.$"
    ):
        repository_fetch(source, tmp_path, told.append, what="M", environment=_environment(server))


@pytest.mark.parametrize("hub", ["huggingface", "modelscope"])
def test_a_hub_out_of_reach_is_one_sentence(
    tmp_path: Path,
    told: list[str],
    unused_tcp_port: int,
    hub: Literal["huggingface", "modelscope"],
) -> None:
    address = f"http://127.0.0.1:{unused_tcp_port}"
    environment = {"HF_ENDPOINT": address, "MODELSCOPE_ENDPOINT": address}
    source = _source(hub, RemoteFile("model.gguf"))
    with pytest.raises(SourceUnavailable, match=r"^127\.0\.0\.1 cannot be reached \(.*\)\.$"):
        repository_fetch(source, tmp_path, told.append, what="M", environment=environment)


def test_modelscope_files_are_checked_with_the_hashes_of_its_list(
    server: FileServer, tmp_path: Path, told: list[str]
) -> None:
    server.modelscope_add(REPOSITORY, {"model.gguf": LARGE, "config.json": SMALL})
    source = _source("modelscope", RemoteFile("config.json"), RemoteFile("model.gguf"))
    config, model = repository_fetch(
        source, tmp_path, told.append, what="M", environment=_environment(server)
    )
    assert (model.read_bytes(), config.read_bytes()) == (LARGE, SMALL)


def test_modelscope_without_the_file_is_one_sentence(
    server: FileServer, tmp_path: Path, told: list[str]
) -> None:
    server.modelscope_add(REPOSITORY, {"config.json": SMALL})
    source = _source("modelscope", RemoteFile("model.gguf"))
    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1 has no Qwen/Tiny/model\.gguf\."):
        repository_fetch(source, tmp_path, told.append, what="M", environment=_environment(server))
