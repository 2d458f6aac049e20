"""Rules that ask what a message was labelled with."""

from __future__ import annotations

import pytest

from inference.errors import RuleError
from inference.rules.matching import LabelFound, Rule, RuleOutcome, RuleSet, rule_check

ANGRY = Rule(
    1, "angry", label_set="sentiment", label="negative", label_probability=0.8, action="handoff"
)


def test_a_label_that_is_probable_enough_fires() -> None:
    labels = {"sentiment": LabelFound("negative", 0.9)}
    decision = RuleSet.of([ANGRY]).decide("anything", "en", "before", labels)
    assert decision.rule is ANGRY
    assert decision.trace[0].matched == ("sentiment: negative 0.90",)


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"sentiment": LabelFound("negative", 0.79)},
        {"sentiment": LabelFound("positive", 0.99)},
        {"intent": LabelFound("negative", 0.99)},
    ],
)
def test_any_other_label_does_not(labels: dict[str, LabelFound]) -> None:
    decision = RuleSet.of([ANGRY]).decide("anything", "en", "before", labels)
    assert decision.rule is None
    assert decision.trace[0].outcome is RuleOutcome.OTHER_LABEL


def test_the_other_conditions_must_hold_too() -> None:
    rule = Rule(1, "angry about a refund", keywords_any=("refund",), label_set="sentiment",
                label="negative", action="handoff")  # fmt: skip
    labels = {"sentiment": LabelFound("negative", 0.9)}
    rules = RuleSet.of([rule])
    assert rules.decide("where is my refund", "en", "before", labels).rule is rule
    assert rules.decide("where is my parcel", "en", "before", labels).rule is None


def test_labels_are_asked_for_only_where_they_decide() -> None:
    greeting = Rule(2, "greeting", priority=10, keywords_any=("hello",), reply="Hi!")
    refund = Rule(3, "refund", keywords_any=("refund",), label_set="intent", label="refund",
                  reply="x")  # fmt: skip
    rules = RuleSet.of([ANGRY, greeting, refund])
    assert rules.label_sets_asked("hello", "en") == ()
    assert rules.label_sets_asked("what a mess", "en") == ("sentiment",)
    assert rules.label_sets_asked("my refund", "en") == ("sentiment", "intent")


def test_a_rule_that_asks_for_half_a_label_is_refused() -> None:
    with pytest.raises(RuleError, match="both"):
        rule_check(Rule(1, "half", label_set="sentiment", reply="x"))


def test_a_label_alone_is_condition_enough() -> None:
    rule_check(ANGRY)


def test_no_labels_are_known_when_the_model_cannot_answer() -> None:
    with pytest.raises(RuleError, match="before the model"):
        rule_check(Rule(1, "late", trigger="fallback", label_set="sentiment", label="negative",
                        reply="x"))  # fmt: skip
