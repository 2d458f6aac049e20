"""Stop strings end an answer wherever the pieces are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engines.stop_strings import StopStrings


def shown(pieces: list[str], stops: list[str]) -> str:
    filter_ = StopStrings(stops)
    text = "".join(filter_.feed(piece) for piece in pieces)
    return text + filter_.flush()


@pytest.mark.parametrize(
    ("pieces", "stops", "text"),
    [
        (["Yes.\nCusto", "mer: no"], ["\nCustomer:"], "Yes."),
        (["a", "b", "c", "d"], ["bcx", "cd"], "ab"),
        (["ab", "ab", "ac"], ["abac"], "ab"),
        (["aaaa"], ["aa", "a"], ""),
        (["abcx"], ["abcx", "b"], "a"),
        (["abc"], [], "abc"),
        (["abc"], [""], "abc"),
        (["价格", "是5", "元。完", "毕"], ["完毕"], "价格是5元。"),
    ],
)
def test_text_ends_before_the_first_stop_string(
    pieces: list[str], stops: list[str], text: str
) -> None:
    assert shown(pieces, stops) == text


def test_a_possible_beginning_is_held_back_and_then_released() -> None:
    stops = StopStrings(["END"])
    assert stops.feed("the E") == "the "
    assert stops.feed("N") == ""
    assert stops.feed("glish") == "ENglish"
    assert not stops.reached


def test_nothing_is_shown_after_the_stop_string() -> None:
    stops = StopStrings(["."])
    assert stops.feed("Yes. No") == "Yes"
    assert stops.reached
    assert stops.feed("more") == stops.flush() == ""


@given(
    st.lists(st.text("abc", max_size=4), max_size=8),
    st.lists(st.text("abc", min_size=1, max_size=3), max_size=3),
)
def test_the_cutting_of_the_pieces_changes_nothing(pieces: list[str], stops: list[str]) -> None:
    whole = "".join(pieces)
    assert shown(pieces, stops) == shown(list(whole), stops)
    assert not any(stop in shown(pieces, stops) for stop in stops)
