from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from conversations.enums import Outcome, Reason, Tier
from conversations.reports.periods import Period, period_recent
from conversations.reports.selectors import ratings_lowest, satisfaction
from tests.supportdesk.staff.desk_factory import answer_make, month_make, site_make

pytestmark = pytest.mark.django_db
SHANGHAI = ZoneInfo("Asia/Shanghai")


def test_stars_win_over_the_thumb_and_a_thumb_counts_alone():
    site = site_make()
    answer_make(site, stars=4)
    answer_make(site, stars=3, thumb=True)
    answer_make(site, thumb=True)
    answer_make(site, thumb=False)
    answer_make(site)
    numbers = satisfaction(period_recent(7))
    assert (numbers.csat.count, numbers.csat.total) == (2, 4)
    assert (numbers.responses.count, numbers.responses.total) == (4, 5)


def test_a_handoff_is_no_answer():
    site = site_make()
    answer_make(site, tier=Tier.RULES)
    answer_make(site, tier=Tier.RULES, outcome=Outcome.HANDOFF)
    numbers = satisfaction(period_recent(7))
    assert (numbers.answers, numbers.handoffs) == (1, 1)
    assert numbers.handoff_share.value == 0.5


def test_tiers_and_fallback_reasons_are_shares_of_their_totals():
    site = site_make()
    for tier, reason in (
        (Tier.DIRECT, ""),
        (Tier.FALLBACK, Reason.FIRST_TOKEN),
        (Tier.FALLBACK, Reason.FIRST_TOKEN),
        (Tier.APOLOGY, Reason.ENGINE_DOWN),
    ):
        answer_make(site, tier=tier, reason=reason)
    numbers = satisfaction(period_recent(7))
    assert {tier.word: tier.percent for tier in numbers.tiers} == {
        "direct": 25.0,
        "fallback": 50.0,
        "apology": 25.0,
    }
    assert [(reason.word, reason.count) for reason in numbers.reasons] == [
        ("first_token", 2),
        ("engine_down", 1),
    ]


def test_days_begin_at_midnight_of_the_desk_and_not_of_utc():
    site = site_make()
    answer_make(site, stars=5, at=datetime(2026, 3, 2, 0, 5, tzinfo=SHANGHAI))
    answer_make(site, stars=5, at=datetime(2026, 3, 1, 23, 50, tzinfo=SHANGHAI))
    day = date(2026, 3, 2)
    numbers = satisfaction(Period(day, day))
    assert [(point.day, point.satisfied) for point in numbers.points] == [(day, 1)]


def test_long_periods_are_added_up_by_week_without_losing_a_rating():
    site = site_make()
    month_make(site, conversations=40)
    by_day = satisfaction(period_recent(31))
    by_week = satisfaction(period_recent(120))
    assert by_week.by_week
    assert not by_day.by_week
    assert sum(point.satisfied + point.unsatisfied for point in by_week.points) == (
        by_week.csat.total
    )
    assert all(point.day.weekday() == 0 for point in by_week.points)


def test_another_sites_answers_do_not_count():
    site, other = site_make(), site_make(name="Other")
    answer_make(other, stars=1)
    assert satisfaction(period_recent(7, site_id=site.pk)).is_empty
    assert satisfaction(period_recent(7, site_id=other.pk)).csat.total == 1


def test_the_lowest_ratings_come_first_and_satisfied_ones_not_at_all():
    site = site_make()
    answer_make(site, stars=2)
    answer_make(site, stars=1)
    answer_make(site, stars=5)
    answer_make(site, thumb=False)
    assert [rating.stars for rating in ratings_lowest(period_recent(7))] == [None, 1, 2]


def test_the_number_of_queries_does_not_grow_with_the_answers(django_assert_num_queries):
    site = site_make()
    month_make(site, conversations=30)
    with django_assert_num_queries(4):
        satisfaction(period_recent(30))


def test_an_old_answer_is_outside():
    site = site_make()
    answer_make(site, stars=5, at=datetime.now(SHANGHAI) - timedelta(days=8))
    assert satisfaction(period_recent(7)).is_empty
