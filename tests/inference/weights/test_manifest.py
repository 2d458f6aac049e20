from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from inference.errors import WeightsError
from inference.weights import manifest as manifests
from inference.weights.manifest import (
    STAMP,
    Manifest,
    files_record,
    manifest_read,
    manifest_verify,
    manifest_write,
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.mkdir()
    (path / "model.bin").write_bytes(bytes(range(256)) * 100)
    (path / "tokenizer.json").write_text("{}")
    manifest_write(
        path,
        Manifest(
            name="tiny",
            kind="chat",
            architecture="qwen2",
            source="a test",
            source_sha256="",
            quantization="int8",
            context_length=32,
            files=files_record(path),
            eos_token_ids=(2, 1),
        ),
    )
    return path


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    with file.open("r+b") as stream:
        stream.write(content)


def test_what_is_written_is_read_again(model: Path) -> None:
    manifest = manifest_read(model)
    assert (manifest.name, manifest.eos_token_ids, manifest.context_length) == ("tiny", (2, 1), 32)
    assert manifest_verify(model, quick=False) == manifest


def test_the_model_hash_is_that_of_sha256sum(model: Path) -> None:
    names = sorted(manifest_read(model).files)
    printed = subprocess.run(["sha256sum", *names], cwd=model, capture_output=True, check=True)
    again = subprocess.run(["sha256sum"], input=printed.stdout, capture_output=True, check=True)
    assert again.stdout.decode().split()[0] == manifest_read(model).model_hash


@pytest.mark.parametrize("quick", [True, False])
def test_a_flipped_bit_is_refused(model: Path, quick: bool) -> None:
    _flip(model / "model.bin")
    with pytest.raises(WeightsError, match=r"model\.bin is damaged: its SHA-256 is not that"):
        manifest_verify(model, quick=quick)


def test_a_flipped_bit_with_the_old_modification_time_is_refused_by_the_quick_check(
    model: Path,
) -> None:
    before = (model / "model.bin").stat()
    _flip(model / "model.bin")
    os.utime(model / "model.bin", ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(WeightsError, match="is damaged"):
        manifest_verify(model, quick=True)


@pytest.mark.parametrize("quick", [True, False])
def test_a_cut_off_file_is_refused(model: Path, quick: bool) -> None:
    os.truncate(model / "model.bin", 100)
    with pytest.raises(WeightsError, match="it has 100 bytes instead of 25600"):
        manifest_verify(model, quick=quick)


@pytest.mark.parametrize("quick", [True, False])
def test_a_missing_file_is_refused(model: Path, quick: bool) -> None:
    (model / "tokenizer.json").unlink()
    with pytest.raises(WeightsError, match=r"tokenizer\.json is missing"):
        manifest_verify(model, quick=quick)


@pytest.mark.parametrize("quick", [True, False])
def test_a_file_that_a_tokenizer_would_read_as_well_is_refused(model: Path, quick: bool) -> None:
    (model / "added_tokens.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"holds added_tokens\.json, which its manifest lacks"):
        manifest_verify(model, quick=quick)


def test_the_quick_check_hashes_nothing_while_nothing_changed(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hashed(path: Path) -> str:
        raise AssertionError(f"{path} was hashed")

    monkeypatch.setattr(manifests, "file_sha256", hashed)
    assert manifest_verify(model, quick=True).name == "tiny"


def test_a_copied_directory_is_hashed_once_and_then_quick(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", model, copy], check=True)
    hashed: list[str] = []
    original = manifests.file_sha256
    monkeypatch.setattr(
        manifests, "file_sha256", lambda path: hashed.append(path.name) or original(path)
    )
    manifest_verify(copy, quick=True)
    assert sorted(hashed) == ["model.bin", "tokenizer.json"]
    manifest_verify(copy, quick=True)
    assert len(hashed) == 2


def test_a_stamp_of_nonsense_leads_to_a_full_check(model: Path) -> None:
    (model / STAMP).write_text("[1, 2")
    assert manifest_verify(model, quick=True).name == "tiny"


def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        manifest_read(tmp_path / "nowhere")


def test_a_directory_without_a_manifest_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="holds no converted model"):
        manifest_read(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"format": 2}',
        '{"format": 1, "model_hash": "", "files": {}, "kind": "chat"}',
    ],
)
def test_a_damaged_manifest_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(WeightsError, match=r"manifest\.json is damaged"):
        manifest_read(tmp_path)


def test_hashes_that_were_edited_by_hand_are_refused(model: Path) -> None:
    file = model / "manifest.json"
    old = manifest_read(model).files["model.bin"].sha256
    file.write_text(file.read_text().replace(old, "0" * 64))
    with pytest.raises(WeightsError, match=r"manifest\.json is damaged"):
        manifest_verify(model, quick=False)
