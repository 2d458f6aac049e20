import csv
import io

import pytest

from conversations.reports.exports import cell_escape, ratings_csv
from conversations.reports.periods import period_recent
from conversations.reports.selectors import ratings_by_time
from tests.supportdesk.staff.desk_factory import answer_make, site_make

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "  =cmd|' /C calc'!A0"]


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_are_escaped(text):
    assert cell_escape(text) == f"'{text}"


@pytest.mark.parametrize("text", ["退货", "a=b", "5", ""])
def test_harmless_cells_stay(text):
    assert cell_escape(text) == text


@pytest.mark.django_db
def test_a_rating_survives_the_round_trip_with_its_formulas_harmless():
    comment = '=HYPERLINK("https://evil.example","x")'
    answer_make(site_make(), question="=1+1", stars=1, comment=comment)
    text = "".join(ratings_csv(ratings_by_time(period_recent(7))))
    assert text.startswith("\ufeff")
    header, row = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    assert len(header) == len(row)
    assert row[3] == "'=1+1"
    assert row[-1] == f"'{comment}"
