"""The table of prefixes is bounded and knows what the engine holds."""

from __future__ import annotations

from inference.engines.prefixes import PrefixTable
from inference.engines.protocol import PrefixReport


def test_the_longest_registered_prefix_matches() -> None:
    table = PrefixTable()
    table.replace([(1, 2), (1, 2, 3), (7,)])
    assert table.match([1, 2, 3, 4], most=3) == (1, 2, 3)
    assert table.match([1, 2, 3, 4], most=2) == (1, 2)
    assert table.match([1, 9], most=1) == ()
    assert table.match([7, 7], most=1) == (7,)


def test_there_is_room_for_a_bounded_number_of_prefixes_and_tokens() -> None:
    table = PrefixTable(count_most=2, tokens_most=5)
    report = table.replace([(1, 2, 3), (1, 2, 3), (), (4, 5, 6), (7,), (8,)])
    assert report == PrefixReport(kept=2, tokens=4, refused=2)
    assert table.match([4, 5, 6, 0], most=3) == ()
    assert table.match([7, 0], most=1) == (7,)


def test_cold_prefixes_are_read_in_order_until_all_are_held() -> None:
    table = PrefixTable()
    table.replace([(1,), (2,)])
    assert table.cold() == (1,)
    table.hold((1,))
    assert table.cold() == (2,)
    table.hold((2,))
    assert table.cold() == ()
    assert not table.stale


def test_what_is_no_longer_registered_is_stale_until_all_is_forgotten() -> None:
    table = PrefixTable()
    table.replace([(1,), (2,)])
    table.hold((1,))
    table.replace([(2,)])
    assert table.stale
    assert table.match([1, 0], most=1) == ()
    table.forget()
    assert not table.stale
    assert table.cold() == (2,)


def test_stale_states_leave_no_endless_room_for_new_ones() -> None:
    table = PrefixTable(tokens_most=3)
    for start in range(0, 30, 3):  # published again and again, never idle
        prefix = (start, start + 1, start + 2)
        table.replace([prefix])
        if table.match([*prefix, 0], most=3):
            table.hold(prefix)
    assert table.match([27, 28, 29, 0], most=3) == ()
    assert table.cold() == ()
    table.forget()
    assert table.match([27, 28, 29, 0], most=3) == (27, 28, 29)
