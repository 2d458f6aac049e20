"""``evaluate labelling`` times sentiment and intent together, in every way that the tools allow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from inference.chat import ChatMessage, Priority
from inference.labels.labelling import Labeller
from supportdesk.evaluation.labelling import labelling_scores
from supportdesk.evaluation.labels import LabelTools
from tests.inference.labels.cast import ChanceEncoder


class Model:
    """Counts what it is asked, and always says the same."""

    asked = 0

    async def next_logprobs(
        self,
        messages: Sequence[ChatMessage],
        candidates: Sequence[str],
        *,
        timeout: float,  # noqa: ASYNC109
        priority: Priority = Priority.LABEL,
    ) -> dict[str, float]:
        self.asked += 1
        return dict.fromkeys(candidates, -1.0)


@pytest.fixture
def data(tmp_path: Path, settings) -> Path:
    settings.CACHE_DIR = tmp_path / "cache"
    for name, labels in (
        ("sentiment_en_uci_reviews", ("positive", "negative")),
        ("intent_en_ours", ("pay", "send")),
    ):
        rows = [{"text": f"{label} {n}", "label": label} for label in labels for n in range(6)]
        lines = "\n".join(json.dumps(row) for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path


def test_the_model_is_asked_in_one_way_of_three_when_it_adds_nothing(data) -> None:
    model = Model()
    tools = LabelTools(Labeller(model, ChanceEncoder()), lambda _line: None, "ours")
    [learning] = labelling_scores(data, None, 1, tools)
    known = model.asked
    [score] = labelling_scores(data, None, 4, tools)
    # Two sets, four messages: only the way that always asks.
    assert model.asked - known == 2 * 4
    assert score.set == "intent_en_ours"
    assert score.way == "learnt"
    assert score.metrics["examples"] == 24
    assert score.metrics["sentiment_wants_model"] == score.metrics["intent_wants_model"] == 0
    for share in ("sentiment_asked", "intent_asked", "any_asked"):
        assert score.metrics[share] == 0
    for way in ("as_learnt", "asked", "unasked"):
        assert score.metrics[f"ms_p50_{way}"] > 0
        assert score.metrics[f"processor_ms_p50_{way}"] > 0
    assert learning.n == 1


def test_without_a_model_there_is_one_way(data) -> None:
    tools = LabelTools(Labeller(None, ChanceEncoder()), lambda _line: None)
    [score] = labelling_scores(data, "intent_en_ours", 2, tools)
    assert "ms_p50_unasked" in score.metrics
    assert "ms_p50_asked" not in score.metrics
