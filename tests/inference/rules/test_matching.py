import time

import pytest

from inference.errors import RuleError
from inference.rules.matching import Rule, RuleOutcome, RuleSet, rule_check


def decide(*rules, text, language="en", trigger="before"):
    return RuleSet.of(rules).decide(text, language, trigger)


def test_english_keywords_match_whole_words_only():
    rule = Rule(1, "refund", keywords_any=("refund",), reply="r")
    assert decide(rule, text="I want a REFUND!").rule is rule
    assert decide(rule, text="Are refunds possible?").rule is rule
    assert decide(rule, text="prefundable").rule is None


def test_an_english_phrase_matches_its_words_in_order():
    rule = Rule(1, "status", keywords_any=("order status",), reply="r")
    assert decide(rule, text="What is my order   status?").rule is rule
    assert decide(rule, text="status of my order").rule is None


def test_chinese_keywords_match_anywhere_and_in_traditional_characters():
    rule = Rule(1, "person", keywords_any=("人工客服",), action="handoff")
    assert decide(rule, text="我要转人工客服啊", language="zh-hans").rule is rule
    assert decide(rule, text="轉人工客服", language="zh-hans").rule is rule


def test_every_given_condition_must_hold():
    rule = Rule(
        1, "x", keywords_any=("late", "slow"), keywords_all=("parcel",), pattern=r"\d{4}", reply="r"
    )
    assert decide(rule, text="My parcel 1234 is late").rule is rule
    missing_all = decide(rule, text="order 1234 is late").trace[0]
    assert (missing_all.outcome, missing_all.missing) == (
        RuleOutcome.SOME_OF_ALL_MISSING,
        ("parcel",),
    )
    assert missing_all.matched == ("late",)
    assert decide(rule, text="parcel is late").trace[0].outcome is RuleOutcome.PATTERN_ABSENT
    assert decide(rule, text="parcel 1234").trace[0].outcome is RuleOutcome.NONE_OF_ANY


def test_the_smallest_priority_wins_and_the_trace_says_who_was_outranked():
    first = Rule(2, "first", priority=1, keywords_any=("hi",), reply="a")
    second = Rule(1, "second", priority=5, keywords_any=("hi",), reply="b")
    decision = decide(second, first, text="hi")
    assert decision.rule is first
    assert [verdict.outcome for verdict in decision.trace] == [
        RuleOutcome.FIRED,
        RuleOutcome.OUTRANKED,
    ]
    assert decision.trace[0].matched == ("hi",)


def test_language_and_trigger_are_respected():
    chinese = Rule(1, "zh", language="zh-hans", keywords_any=("hi",), reply="a")
    fallback = Rule(2, "fb", trigger="fallback", reply="sorry")
    decision = decide(chinese, fallback, text="hi")
    assert decision.rule is None
    assert [v.outcome for v in decision.trace] == [
        RuleOutcome.OTHER_LANGUAGE,
        RuleOutcome.OTHER_TRIGGER,
    ]
    assert decide(fallback, text="anything", trigger="fallback").rule is fallback


@pytest.mark.parametrize(
    "pattern", ["(", "[a", "(?<name", r"\1", "(?=a)", "(((x{999}){999}){999})", "\ud800"]
)
def test_a_bad_pattern_is_refused_with_a_sentence(pattern):
    with pytest.raises(RuleError, match=r"^The pattern is not valid: .+\.$"):
        rule_check(Rule(1, "bad", pattern=pattern, reply="r"))


def test_a_stored_bad_pattern_does_not_stop_the_other_rules():
    bad = Rule(1, "bad", priority=1, pattern="(", reply="r")
    good = Rule(2, "good", pattern="h.y", reply="r")
    decision = decide(bad, good, text="hey")
    assert decision.rule is good
    assert decision.trace[0].outcome is RuleOutcome.UNUSABLE


def test_a_pattern_made_to_backtrack_ends_at_once():
    rule = Rule(1, "redos", pattern=r"^(a+)+$", reply="r")
    began = time.perf_counter()
    assert decide(rule, text="a" * 4000 + "!").rule is None
    assert time.perf_counter() - began < 0.5


def test_a_pattern_ignores_case_and_sees_full_width_digits():
    rule = Rule(1, "order", pattern=r"SF\d{6}", reply="r")
    assert decide(rule, text="ｓｆ１２３４５６").rule is rule


def test_a_rule_that_would_answer_everything_is_refused():
    with pytest.raises(RuleError, match="answer everything"):
        rule_check(Rule(1, "all", keywords_any=("  ",), reply="r"))
    rule_check(Rule(1, "last resort", trigger="fallback", reply="sorry"))


def test_a_reply_rule_without_reply_is_refused():
    with pytest.raises(RuleError, match="needs a reply"):
        rule_check(Rule(1, "mute", keywords_any=("hi",)))


def test_odd_messages_match_nothing_and_raise_nothing():
    rule = Rule(1, "hi", keywords_any=("hi",), pattern="hi", reply="r")
    for text in ["", "\ud800", "\x00", "\u200b", "a\u0300" * 2000]:
        assert decide(rule, text=text).rule is None
