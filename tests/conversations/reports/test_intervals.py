import pytest

from conversations.reports.intervals import share_of


def test_no_ratings_give_no_share_and_no_interval():
    share = share_of(0, 0)
    assert (share.value, share.low, share.high) == (None, None, None)


def test_the_interval_equals_published_values():
    # R: binom::binom.wilson(81, 263) -> 0.2553, 0.3662
    share = share_of(81, 263)
    assert share.low == pytest.approx(0.2553, abs=1e-4)
    assert share.high == pytest.approx(0.3662, abs=1e-4)


@pytest.mark.parametrize("total", [1, 3, 50])
def test_the_interval_stays_inside_zero_and_one_at_the_edges(total):
    none, everybody = share_of(0, total), share_of(total, total)
    assert none.low == 0.0
    assert 0 < none.high < 1
    assert everybody.high == 1.0
    assert 0 < everybody.low < 1


def test_more_ratings_make_the_interval_narrower():
    few, many = share_of(8, 10), share_of(800, 1000)
    assert many.high - many.low < few.high - few.low


def test_a_count_above_the_total_is_refused():
    with pytest.raises(ValueError, match="between 0 and 2"):
        share_of(3, 2)
