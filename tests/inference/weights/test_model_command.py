from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from inference.weights.manifest import manifest_read
from tests.inference.weights import tiny_models as tiny


@pytest.fixture
def cache(settings: Any, tmp_path: Path) -> Path:
    settings.CACHE_DIR = tmp_path / "cache"
    return tmp_path / "cache"


def _model(*arguments: str) -> str:
    output = StringIO()
    call_command("model", *arguments, stdout=output)
    return output.getvalue()


def test_list_shows_every_model_with_its_licence(cache: Path) -> None:
    lines = _model("list").splitlines()
    assert len(lines) == 13
    (line,) = (line for line in lines if line.startswith("Qwen2.5-3B-Instruct"))
    assert "Qwen-Research" in line
    assert "32768" in line


def test_convert_then_verify(cache: Path, tmp_path: Path) -> None:
    source = tiny.gguf_write(tiny.DECODERS[0], tmp_path / "tiny.gguf")
    path = _model("convert", str(source), "--name", "mine").splitlines()[-1]
    assert path == str(cache / "models" / "mine")
    assert manifest_read(Path(path)).model_hash in _model("verify", path)


def test_verify_refuses_a_flipped_byte(cache: Path, tmp_path: Path) -> None:
    source = tiny.gguf_write(tiny.DECODERS[0], tmp_path / "tiny.gguf")
    path = Path(_model("convert", str(source), "--name", "mine").splitlines()[-1])
    content = bytearray((path / "model.bin").read_bytes())
    content[-1] ^= 1
    (path / "model.bin").write_bytes(content)
    with pytest.raises(CommandError, match=r"model\.bin is damaged"):
        _model("verify", str(path))


def test_errors_are_one_sentence(cache: Path) -> None:
    with pytest.raises(CommandError, match="There is no model 'nothing'"):
        _model("pull", "nothing")
    with pytest.raises(CommandError, match=r"run: manage\.py model pull Qwen3-0\.6B"):
        _model("verify", "Qwen3-0.6B")
