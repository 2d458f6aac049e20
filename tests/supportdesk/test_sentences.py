"""What ``serve`` says at the terminal is in the terminal's language."""

from __future__ import annotations

import re
import socket

import pytest

from inference.errors import WeightsError
from supportdesk.process_tree import address_problem
from supportdesk.sentences import error_text, gettext

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
