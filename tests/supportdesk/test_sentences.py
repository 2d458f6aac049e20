"""What ``serve`` says at the terminal is in the terminal's language."""

from __future__ import annotations

import inspect
import re
import socket

import pytest

from inference.errors import WeightsError
from inference.weights import progress, store
from inference.weights.progress import ProgressLine, TransferProgress
from supportdesk import supervisor
from supportdesk.process_tree import address_problem
from supportdesk.sentences import error_text, gettext, line_text

UNKNOWN = "The model %(name)s is not there yet; run: manage.py model pull %(name)s"
CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture(autouse=True)
def locale(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "chinese"),
    [
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, False),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "zh_TW.UTF-8"}, True),
        ({"LANG": "C.UTF-8"}, False),
        ({}, False),
    ],
)
def test_errors_are_told_in_the_language_of_the_terminal(
    locale: pytest.MonkeyPatch, variables: dict[str, str], chinese: bool
) -> None:
    for name, value in variables.items():
        locale.setenv(name, value)
    told = error_text(WeightsError(UNKNOWN, name="tiny"))
    assert told.count("tiny") == 2
    assert bool(CHINESE.search(told)) is chinese
    assert bool(CHINESE.search(gettext("%(name)s is no chat model."))) is chinese


def test_a_sentence_without_places_keeps_its_percent_signs() -> None:
    assert error_text(WeightsError("100 % of it is gone")) == "100 % of it is gone"
    assert error_text(WeightsError()) == ""


@pytest.mark.parametrize("language", ["zh_CN", "en_US"])
def test_a_taken_port_is_told_with_what_to_do(locale: pytest.MonkeyPatch, language: str) -> None:
    locale.setenv("LANG", language)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = address_problem("127.0.0.1", port)
    assert str(port) in told
    assert "PORT=" in told


def test_lines_of_downloads_and_conversion_are_told_in_the_language_of_the_terminal(
    locale: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    transfer = TransferProgress(
        told.append, "tiny", 4_000_000, clock=iter(range(0, 90, 3)).__next__
    )
    transfer.add(1_000_000)
    transfer.finish()
    assert told == ["tiny: 1 MB of 4 MB, 333 kB/s, 9 s left", "tiny: 1 MB in 6 s"]
    assert [line_text(line) for line in told] == told

    locale.setenv("LANG", "zh_CN.UTF-8")
    spoken = [line_text(line) for line in told]
    assert all(CHINESE.search(line) and line.startswith("tiny") for line in spoken)
    assert "333 kB" in spoken[0]


def test_an_error_within_a_line_is_translated_with_it(locale: pytest.MonkeyPatch) -> None:
    locale.setenv("LANG", "zh_CN.UTF-8")
    line = ProgressLine("%(name)s: %(error)s", name="tiny", error=WeightsError(UNKNOWN, name="x"))
    assert CHINESE.search(line_text(line))
    assert line_text("a line of somebody else's") == "a line of somebody else's"


def test_every_line_of_the_supervisor_and_the_weights_is_in_the_catalogue(
    locale: pytest.MonkeyPatch,
) -> None:
    locale.setenv("LANG", "zh_CN.UTF-8")
    marked = [
        message
        for module in (supervisor, store, progress)
        for message in re.findall(r'gettext_noop\(\s*"([^"]+)"\s*\)', inspect.getsource(module))
    ]
    assert len(marked) > 15
    assert [message for message in marked if not CHINESE.search(gettext(message))] == []
