"""Every repository of the catalog, asked for at hubs that answer like the real ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from inference.weights.catalog import RemoteFile, RepositorySource, catalog_load
from inference.weights.repositories import repository_fetch
from tests.inference.weights.file_server import FileServer

# Names of repositories and files as both hubs allow them.
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
FILE = re.compile(r"(?:[\w-]+/)*[\w.-]+\.(?:gguf|safetensors|json|jinja|txt|model)")


def sources() -> Iterator[tuple[str, RepositorySource]]:
    for card in catalog_load().values():
        for source in card.sources:
            if isinstance(source, RepositorySource):
                yield card.name, source


SOURCES = list(sources())


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.delenv("HF_TOKEN", raising=False)


def test_every_model_can_be_had_from_both_hubs() -> None:
    for card in catalog_load().values():
        hubs = {source.hub for source in card.sources if isinstance(source, RepositorySource)}
        assert hubs == {"huggingface", "modelscope"}, card.name


@pytest.mark.parametrize(("name", "source"), SOURCES, ids=lambda value: str(value))
def test_every_file_of_a_repository_is_found_at_its_hub(
    server: FileServer, tmp_path: Path, told: list[str], name: str, source: RepositorySource
) -> None:
    assert REPOSITORY.fullmatch(source.repository)
    assert source.files
    assert all(FILE.fullmatch(file.path) for file in source.files)
    if source.format == "safetensors":
        paths = {file.path for file in source.files}
        assert {"config.json", "tokenizer.json"} <= paths
        shards = {path for path in paths if path.endswith(".safetensors")}
        assert shards == {"model.safetensors"} or "model.safetensors.index.json" in paths
    contents = {file.path: f"{name} {file.path}".encode() for file in source.files}
    if source.hub == "huggingface":
        for path, content in contents.items():
            server.hub_add(source.repository, path, content, lfs=not path.endswith(".json"))
    else:
        server.modelscope_add(source.repository, contents)
    # The real files' sizes and hashes are not those of the stand-ins.
    files = tuple(RemoteFile(file.path) for file in source.files)
    paths_got = repository_fetch(
        replace(source, files=files),
        tmp_path,
        told.append,
        what=name,
        environment={"HF_ENDPOINT": server.url, "MODELSCOPE_ENDPOINT": server.url},
    )
    got = [path.relative_to(tmp_path).as_posix() for path in paths_got]
    assert got == [file.path for file in source.files]
    assert [path.read_bytes() for path in paths_got] == list(contents.values())
