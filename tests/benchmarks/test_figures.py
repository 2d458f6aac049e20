"""The figures of the READMEs come from the published JSON, and say when a goal is missed."""

from __future__ import annotations

import copy
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.readme import FiguresMissing, files_made, region_replace, rivals_region
from benchmarks.rivals.goals import OWN, goals_judge
from benchmarks.rivals.plot import rivals_plot
from benchmarks.rivals.tables import goals_rows, rivals_tables

RIVAL = "llama.cpp Q4_K_M"
TWO_PASS = "transformers float32"


def spread(median: float) -> dict[str, float]:
    return {"median": median, "min": median * 0.9, "max": median * 1.1}


def latency(system: str, first: float, total: float, written: float) -> dict[str, Any]:
    return {
        "system": system,
        "prompt": 250,
        "prompt_tokens": spread(248),
        "first_token_ms": spread(first),
        "total_ms": spread(total),
        "decode_tokens_per_second": spread(written),
    }


def rate(system: str, value: float) -> dict[str, Any]:
    return {"system": system, "clients": 8, "requests_per_second": spread(value)}


@pytest.fixture
def figures() -> dict[str, Any]:
    """Ours begins in time and is late to end; the others are made up as well."""
    made: dict[str, Any] = {
        "machine": {"processor": "Abacus", "cores": 2},
        "runs": 5,
        "threads": 2,
        "slots": 8,
        "output_tokens": 40,
        "bandwidth": {"read_gb_s": 20.0},
        "skipped": [],
        "latency": [
            latency(OWN, 400, 2400, 20),
            latency(RIVAL, 1000, 2000, 40),
            {
                "system": TWO_PASS,
                "prompt": 250,
                "prompt_tokens": spread(248),
                "first_token_ms": spread(18000),
                "total_ms": spread(18000),
            },
        ],
        "throughput": [rate(OWN, 1.8), rate(RIVAL, 0.9)],
        "memory": [{"system": OWN, "pss_mib": 900}, {"system": RIVAL, "pss_mib": 700}],
        "systems": [
            {
                "system": name,
                "weights": "",
                "weights_bytes_per_token": size,
                "bound_tokens_per_second": 40.0,
            }
            for name, size in ((OWN, 500_000_000), (RIVAL, 390_000_000), (TWO_PASS, 1_980_000_000))
        ],
    }
    made["goals"] = goals_judge(made)
    return made


def test_a_goal_is_met_or_missed_by_the_ratio_of_the_medians(figures: dict[str, Any]) -> None:
    assert {
        (row["goal"], row["rival"]): (row["value"], row["met"]) for row in figures["goals"]
    } == {
        ("first_token", RIVAL): (0.4, True),
        ("total", RIVAL): (1.2, False),
        ("rate", RIVAL): (2.0, True),
        ("faster", TWO_PASS): (7.5, True),
    }


def test_a_missed_goal_says_why_and_a_met_one_says_nothing(figures: dict[str, Any]) -> None:
    _, goals = rivals_tables(figures)[1]
    told = {str(row["goal"]): str(row["why missed"]) for row in goals}
    assert "writes 20.0 tokens/s (rival 40.0)" in told["40-token answer, 1 client"]
    assert "500 MB" in told["40-token answer, 1 client"]
    assert [why for goal, why in told.items() if goal != "40-token answer, 1 client"] == [""] * 3


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_every_engine_and_figure_stands_in_the_region(
    figures: dict[str, Any], language: str
) -> None:
    text = rivals_region(figures, language)
    for system in (RIVAL, TWO_PASS):
        assert system in text
    assert "2,400" in text
    assert "18,000" in text


def test_what_was_left_out_is_told(figures: dict[str, Any]) -> None:
    figures["skipped"] = ["torch 2.13.0 cannot be installed"]
    assert "Left out: torch 2.13.0 cannot be installed." in rivals_region(figures, "en")


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_picture_is_well_formed_and_has_a_bar_for_each_figure(
    figures: dict[str, Any], language: str
) -> None:
    tree = ElementTree.fromstring(rivals_plot(figures, language))  # noqa: S314  our own text
    bars = list(tree.iter("{http://www.w3.org/2000/svg}rect"))
    assert len(bars) == 1 + 3 + 3 + 2  # the background, two panels of three, one of two
    widths = [float(bar.attrib["width"]) for bar in bars[1:]]
    assert widths[0] < widths[1] < widths[2] <= 440


def test_a_wider_spread_is_seen_in_the_picture(figures: dict[str, Any]) -> None:
    wider = copy.deepcopy(figures)
    wider["latency"][0]["first_token_ms"]["max"] = 5000
    assert rivals_plot(wider, "en") != rivals_plot(figures, "en")


def test_goals_without_a_rival_are_none(figures: dict[str, Any]) -> None:
    figures["latency"] = figures["latency"][:1]
    assert goals_judge(figures) == []
    figures["goals"] = []
    assert goals_rows(figures, {}) == []


def test_a_region_is_replaced_between_its_marks_alone() -> None:
    text = "a\n<!-- x -->\nold\n<!-- /x -->\nb <!-- y -->"
    assert region_replace(text, "x", "new\n") == "a\n<!-- x -->\nnew\n<!-- /x -->\nb <!-- y -->"


def test_a_missing_region_is_an_error() -> None:
    with pytest.raises(FiguresMissing, match="marks"):
        region_replace("nothing", "x", "new")


def test_the_readmes_show_the_published_figures() -> None:
    outdated = [p.name for p, text in files_made() if p.read_text(encoding="utf-8") != text]
    assert not outdated, "run: python -m benchmarks.readme"
