"""What ``serve`` says at the terminal is in the language of the settings."""

from __future__ import annotations

import re
import socket

import pytest
from pytest_django.fixtures import Settings

from inference.errors import WeightsError
from supportdesk.process_tree import address_problem
from supportdesk.sentences import error_text, gettext

UNKNOWN = "The model %(name)s is not there yet; run: manage.py model pull %(name)s"
CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.mark.parametrize(("language", "chinese"), [("zh-hans", True), ("en", False)])
def test_errors_are_told_in_the_language_of_the_settings(
    settings: Settings, language: str, chinese: bool
) -> None:
    settings.LANGUAGE_CODE = language
    told = error_text(WeightsError(UNKNOWN, name="tiny"))
    assert told.count("tiny") == 2
    assert bool(CHINESE.search(told)) is chinese
    assert bool(CHINESE.search(gettext("%(name)s is no chat model."))) is chinese


def test_a_sentence_without_places_keeps_its_percent_signs(settings: Settings) -> None:
    settings.LANGUAGE_CODE = "en"
    assert error_text(WeightsError("100 % of it is gone")) == "100 % of it is gone"
    assert error_text(WeightsError()) == ""


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_a_taken_port_is_told_with_what_to_do(settings: Settings, language: str) -> None:
    settings.LANGUAGE_CODE = language
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = address_problem("127.0.0.1", port)
    assert str(port) in told
    assert "PORT=" in told
