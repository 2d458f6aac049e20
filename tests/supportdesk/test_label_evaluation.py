"""``evaluate sentiment|intent`` on rows of our own: what is learnt from, grouped and told."""

from __future__ import annotations

import math

import pytest

from inference.labels.labelling import Labeller
from inference.labels.values import Labelling
from supportdesk.evaluation.labels import LabelTools, _probability_metrics, labels_score
from supportdesk.evaluation.rows import Row
from tests.inference.labels.cast import ChanceEncoder

COLOURS = {"red": ("crimson", "scarlet"), "blue": ("navy", "azure"), "oos": ("loud", "quiet")}


def rows(*things: str, bot: str = "") -> list[Row]:
    return [
        {"text": f"a {word} {thing}", "label": label, **({"bot": bot} if bot else {})}
        for label, words in COLOURS.items()
        for word in words
        for thing in things
    ]


@pytest.fixture
def tools(settings, tmp_path) -> LabelTools:
    settings.CACHE_DIR = tmp_path
    return LabelTools(Labeller(None, ChanceEncoder()), lambda _line: None)


async def test_learnt_labels_are_scored_on_other_rows(tools) -> None:
    learnt = rows("cup", "hat", "box", "pen", "bag")
    score = await labels_score("intent", "x", rows("shoe", "ring"), learnt, tools)
    assert (score.task, score.set, score.n) == ("intent", "x", 12)
    assert score.metrics["accuracy"] == 1.0
    assert score.metrics["macro_f1"] == 1.0
    assert score.metrics["oos_recall"] == 1.0


async def test_each_bot_learns_from_its_own_rows_and_the_mean_is_told(tools) -> None:
    learnt = rows("cup", "hat", "box", "pen", bot="one") + [
        {**row, "label": "always", "bot": "two"} for row in rows("cup", "hat")[:4]
    ]
    learnt += [{**row, "label": "never", "bot": "two"} for row in rows("cup", "hat")[8:]]
    scored = [*rows("ring", bot="one"), {"text": "zzz", "label": "neither", "bot": "two"}]
    score = await labels_score("intent", "x", scored, learnt, tools)
    assert score.metrics["accuracy_one"] == 1.0
    assert score.metrics["accuracy_two"] == 0.0
    assert score.metrics["accuracy"] == 0.5


async def test_groups_and_fine_labels_are_told_apart(tools) -> None:
    def grouped(some: list[Row]) -> list[Row]:
        return [
            {**row, "group_full": row["label"], "label": row["text"].split()[1]} for row in some
        ]

    learnt = grouped(rows("cup", "hat", "box", "pen"))
    score = await labels_score("intent", "x", grouped(rows("ring")), learnt, tools)
    assert score.metrics["macro_f1"] == 1.0
    assert score.metrics["macro_f1_fine"] == 1.0


async def test_what_was_learnt_is_kept(tools, settings) -> None:
    learnt, lines = rows("cup", "hat", "box"), []
    told = LabelTools(tools.labeller, lines.append)
    await labels_score("intent", "x", rows("ring"), learnt, told)
    assert any("fitting" in line for line in lines)
    lines.clear()
    await labels_score("intent", "x", rows("ring"), learnt, told)
    assert not any("fitting" in line for line in lines)
    # Other examples are another thing to learn.
    await labels_score("intent", "x", rows("ring"), learnt[1:], told)
    assert any("fitting" in line for line in lines)


def test_probabilities_are_measured_against_how_often_they_are_right() -> None:
    def said(red: float) -> Labelling:
        pairs = sorted({"red": red, "blue": 1 - red}.items(), key=lambda pair: -pair[1])
        return Labelling("x", tuple(pairs), 0.7, ("words",))

    # .95 twice and .65 twice, of each pair one right; the one unknown label counts as wrong.
    labellings = [said(0.95), said(0.05), said(0.65), said(0.35)]
    metrics = _probability_metrics(labellings, ["red", "red", "red", "green"])
    assert metrics["calibration_error"] == pytest.approx((0.45 + 0.15) / 2)
    assert metrics["log_loss"] == pytest.approx(-(math.log(0.95 * 0.05 * 0.65)) / 3)
    assert metrics["told"] == 0.5
    assert _probability_metrics(labellings, ["green"] * 4) == {}
