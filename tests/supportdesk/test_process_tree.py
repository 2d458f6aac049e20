"""Which processes ``serve`` plans, by the settings."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from supportdesk import demoshop
from supportdesk.process_tree import children_plan, demo_shop_spec, memory_problem


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture
def cache(settings: Any, tmp_path: Path) -> Path:
    settings.CACHE_DIR = tmp_path
    settings.ENGINE_URL = settings.ENCODER_URL = settings.LABEL_ENGINE_URL = ""
    settings.LOCAL_ENGINE, settings.MODEL, settings.LABEL_MODEL = "first", "answers", ""
    for name, size in (("answers", 1000), ("labels", 2000)):
        directory = tmp_path / "models" / name
        directory.mkdir(parents=True)
        (directory / "model.bin").write_bytes(bytes(size))
    return tmp_path


def planned() -> dict[str, Any]:
    return {child.name: child for child in children_plan(host="127.0.0.1", port=8000)}


def test_the_engine_and_the_encoder_run_here_by_default(cache: Path) -> None:
    children = planned()
    assert list(children) == ["web", "engine", "encoder", "worker"]
    web, engine = children["web"].environment, children["engine"]
    port = engine.command[engine.command.index("--port") + 1]
    assert web["SUPPORTDESK_ENGINE_URL"] == f"http://127.0.0.1:{port}"
    assert web["SUPPORTDESK_ENGINE_API_KEY"] == engine.environment["SUPPORTDESK_ENGINE_API_KEY"]
    # Another engine may take over its port, so each is asked for its health at its own.
    assert str(engine.health_port) != port


@pytest.mark.parametrize("order", ["first", "last"])
def test_an_engine_runs_here_beside_others(cache: Path, settings: Any, order: str) -> None:
    settings.LOCAL_ENGINE = order
    assert "engine" in planned()


def test_no_engine_runs_here_where_the_settings_say_so(cache: Path, settings: Any) -> None:
    settings.LOCAL_ENGINE = "off"
    children = planned()
    assert list(children) == ["web", "encoder", "worker"]
    assert children["web"].environment["SUPPORTDESK_ENGINE_URL"] == ""


def test_engines_elsewhere_are_left_alone(cache: Path, settings: Any) -> None:
    settings.ENGINE_URL, settings.ENCODER_URL = "http://gpu:8000", "http://gpu:8001"
    assert list(planned()) == ["web", "worker"]


def test_a_model_for_labels_gets_an_engine_of_its_own(cache: Path, settings: Any) -> None:
    settings.LABEL_MODEL = "labels"
    children = planned()
    assert list(children) == ["web", "engine", "labels", "encoder", "worker"]
    labels = children["labels"]
    assert str(cache / "models" / "labels") in labels.command
    port = labels.command[labels.command.index("--port") + 1]
    for name in ("web", "worker"):
        where = children[name].environment
        assert where["SUPPORTDESK_LABEL_ENGINE_URL"] == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("name", ["", "answers"])
def test_one_model_does_both_by_default(cache: Path, settings: Any, name: str) -> None:
    settings.LABEL_MODEL = name
    children = planned()
    assert "labels" not in children
    assert children["web"].environment["SUPPORTDESK_LABEL_ENGINE_URL"] == ""
    assert memory_problem() == ""


def test_two_models_that_do_not_fit_into_memory_are_refused(
    cache: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LABEL_MODEL = "labels"
    monkeypatch.setattr("inference.weights.memory.memory_available", lambda: 900_000_000)
    assert memory_problem() == (
        "labels and answers need about 1.00 GB of memory, and only 900 MB are free: leave"
        " SUPPORTDESK_LABEL_MODEL out, or name a smaller one."
    )
    monkeypatch.setattr("inference.weights.memory.memory_available", lambda: 2_000_000_000)
    assert memory_problem() == ""
    settings.LOCAL_ENGINE = "off"
    monkeypatch.setattr("inference.weights.memory.memory_available", lambda: 900_000_000)
    assert memory_problem() == ""


def test_a_label_model_that_is_not_here_is_told(
    cache: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.LABEL_MODEL = "Qwen3-0.6B"
    assert "models/Qwen3-0.6B holds no converted model" in memory_problem()
    assert "run: manage.py model pull Qwen3-0.6B" in capsys.readouterr().out


def test_a_sites_key_may_begin_with_a_hyphen(
    settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings.DEMOSHOP_PORT = taken.getsockname()[1]
        spec = demo_shop_spec("127.0.0.1", 8000, "-iaw0Qx", "secret")
        arguments = spec.command[spec.command.index("supportdesk.demoshop") + 1 :]
        assert demoshop.main(arguments) == 1  # 2 would be arguments that it does not understand
    assert "cannot listen" in capsys.readouterr().err
