"""``manage.py model`` on tiny weights."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from inference.engines.tuning import tuning_load
from inference.weights.manifest import manifest_read
from supportdesk.control import ControlRefused, control_open
from supportdesk.process_tree import MODEL_USE, STATE_FILE
from tests.inference.weights import tiny_models as tiny


@pytest.fixture
def cache(settings: Any, tmp_path: Path) -> Path:
    settings.CACHE_DIR = tmp_path / "cache"
    return tmp_path / "cache"


def _model(*arguments: str) -> str:
    output = StringIO()
    with translation.override("en"):
        call_command("model", *arguments, stdout=output)
    return output.getvalue()


def test_list_shows_every_model_with_its_licence(cache: Path) -> None:
    head, *lines, _note = _model("list").splitlines()
    assert head.split()[:4] == ["name", "kind", "size", "on"]
    assert len(lines) == 13
    lines = [line.removeprefix("*").strip() for line in lines]
    (line,) = (line for line in lines if line.startswith("Qwen2.5-3B-Instruct"))
    assert "Qwen-Research" in line
    assert "32768" in line


def test_convert_then_verify(cache: Path, tmp_path: Path) -> None:
    source = tiny.gguf_write(tiny.DECODERS[0], tmp_path / "tiny.gguf")
    path = _model("convert", str(source), "--name", "mine").splitlines()[-1]
    assert path == str(cache / "models" / "mine")
    assert manifest_read(Path(path)).model_hash in _model("verify", path)


def test_weights_can_be_kept_in_float32_under_a_name_of_their_own(
    cache: Path, tmp_path: Path
) -> None:
    source = tiny.gguf_write(tiny.DECODERS[0], tmp_path / "tiny.gguf")
    small = Path(_model("convert", str(source)).splitlines()[-1])
    large = Path(_model("convert", str(source), "--quantization", "float32").splitlines()[-1])
    assert large.name == f"{small.name}-float32"
    assert manifest_read(large).quantization == "float32"
    assert (large / "model.bin").stat().st_size > 2 * (small / "model.bin").stat().st_size


def test_verify_refuses_a_flipped_byte(cache: Path, tmp_path: Path) -> None:
    source = tiny.gguf_write(tiny.DECODERS[0], tmp_path / "tiny.gguf")
    path = Path(_model("convert", str(source), "--name", "mine").splitlines()[-1])
    content = bytearray((path / "model.bin").read_bytes())
    content[-1] ^= 1
    (path / "model.bin").write_bytes(content)
    with pytest.raises(CommandError, match=r"model\.bin is damaged"):
        _model("verify", str(path))


def test_tune_measures_a_model_and_list_shows_how_fast_it_is(cache: Path, tmp_path: Path) -> None:
    source = tiny.gguf_write(tiny.DECODERS[0], tmp_path / "tiny.gguf")
    _model("convert", str(source), "--name", "mine")
    assert "tok/s" not in _model("list")
    assert "written to" in _model("tune", "mine")
    tuning = tuning_load(cache / "models" / "mine")
    assert tuning is not None
    (line,) = (line for line in _model("list").splitlines() if line.startswith("  mine "))
    assert f"+ {tuning.decode_tokens_per_second:.0f} tok/s" in line
    assert line.endswith("here")
    assert "as it was converted" in _model("verify", "mine")


def test_list_says_why_a_model_cannot_be_used(cache: Path, tmp_path: Path) -> None:
    source = tiny.gguf_write(tiny.DECODERS[0], tmp_path / "tiny.gguf")
    _model("convert", str(source), "--name", "mine")
    (cache / "models" / "mine" / "manifest.json").write_text("{")
    assert "manifest.json is damaged" in _model("list")


def test_use_needs_a_running_desk(cache: Path, tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path
    source = tiny.gguf_write(tiny.DECODERS[0], tmp_path / "tiny.gguf")
    _model("convert", str(source), "--name", "mine")
    with pytest.raises(CommandError, match=r"No desk is running here.*SUPPORTDESK_MODEL=mine"):
        _model("use", "mine")


async def test_use_asks_the_running_desk_and_shows_what_it_tells(
    cache: Path, tmp_path: Path, settings: Any
) -> None:
    settings.DATA_DIR = tmp_path
    source = tiny.gguf_write(tiny.DECODERS[0], tmp_path / "tiny.gguf")
    path = (await asyncio.to_thread(_model, "convert", str(source), "--name", "mine")).split()[-1]
    asked: list[str] = []

    async def use(request: dict[str, Any], tell: Callable[[str], None]) -> None:
        asked.append(request["path"])
        tell("Loading mine ...")
        if len(asked) == 2:
            raise ControlRefused("There is no room for it.")

    async with control_open("key", {MODEL_USE: use}) as port:
        state = {"control_port": port, "api_key": "key"}
        (tmp_path / STATE_FILE).write_text(json.dumps(state))
        output = await asyncio.to_thread(_model, "use", "mine")
        assert output.splitlines()[0] == "Loading mine ..."
        assert "set SUPPORTDESK_MODEL=mine" in output
        with pytest.raises(CommandError, match="There is no room for it"):
            await asyncio.to_thread(_model, "use", "mine")
    assert asked == [path, path]


def test_errors_are_one_sentence(cache: Path) -> None:
    with pytest.raises(CommandError, match="There is no model 'nothing'"):
        _model("pull", "nothing")
    with pytest.raises(CommandError, match=r"run: manage\.py model pull Qwen3-0\.6B"):
        _model("verify", "Qwen3-0.6B")
