"""Whatever goes wrong with a page is told in a sentence that says what to do, in both languages."""

from __future__ import annotations

import pytest
from django.utils import translation

from knowledge.outbound.requests import Failure, RequestFailed
from knowledge.web_pages.problems import request_problem, robots_problem, status_problem


def told(reason: Failure, host: str = "", address: str = "") -> str:
    error = RequestFailed("", was_sent=False, reason=reason, host=host, address=address)
    return request_problem(error, origin="shop.example:8080", most=5 * 1024 * 1024, seconds=20.0)


@pytest.mark.parametrize("reason", Failure)
def test_every_failure_has_words_of_its_own_in_both_languages(reason: Failure) -> None:
    english = told(reason, address="https://other.example/x")
    with translation.override("zh-hans"):
        chinese = told(reason, address="https://other.example/x")
    assert english.endswith(".")
    assert chinese.endswith("。")
    others = {told(each, address="https://other.example/x") for each in Failure if each != reason}
    assert english not in others


@pytest.mark.parametrize("status", [301, 403, 404, 410, 429, 500, 503])
def test_every_status_is_told_with_its_number(status: int) -> None:
    assert f"({status})" in status_problem(status) or f"with {status} " in status_problem(status)


def test_a_private_address_names_the_setting_and_what_to_write_into_it() -> None:
    words = told(Failure.PRIVATE, host="intranet.example", address="10.0.0.7")
    assert "intranet.example leads to the private address 10.0.0.7" in words
    assert "list shop.example:8080 in SUPPORTDESK_WEB_IMPORT_PRIVATE_HOSTS" in words


def test_an_address_that_is_a_number_is_named_once() -> None:
    assert told(Failure.PRIVATE, host="10.0.0.7", address="10.0.0.7").startswith(
        "10.0.0.7 is a private address"
    )


def test_a_page_that_is_too_large_is_told_in_megabytes() -> None:
    assert "larger than 5 MB" in told(Failure.TOO_LONG)


def test_robots_are_told_who_we_are() -> None:
    assert "“supportdesk”" in robots_problem()
