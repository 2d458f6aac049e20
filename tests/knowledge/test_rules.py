import pytest

from inference.errors import PromptError, RuleError
from inference.rules.matching import RuleOutcome
from knowledge.models import Rule
from knowledge.selectors import rules_enabled
from knowledge.services.rules import rule_create, rule_delete, rule_update

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"pattern": "(", "reply": "x"}, RuleError),
        ({"reply": "x"}, RuleError),
        ({"keywords_any": "hi"}, RuleError),
        ({"keywords_any": "hi", "reply": "{{ nonsense }}"}, PromptError),
        ({"keywords_any": "hi", "reply": "{{ passages }}"}, PromptError),
    ],
)
def test_a_rule_that_cannot_work_is_refused(values, error):
    with pytest.raises(error):
        rule_create(site=None, name="bad", **values)
    assert not Rule.objects.exists()


def test_a_change_is_refused_whole():
    rule = rule_create(site=None, name="ok", keywords_any="hi", reply="Hello.")
    with pytest.raises(RuleError):
        rule_update(rule=rule, name="renamed", pattern="[")
    assert Rule.objects.get().name == "ok"


def test_a_broken_rule_can_still_be_switched_off():
    rule = rule_create(site=None, name="ok", keywords_any="hi", reply="Hello.")
    Rule.objects.update(pattern="[")
    assert rule_update(rule=rule, is_enabled=False).is_enabled is False


def test_a_site_has_its_own_rules_and_the_general_ones_in_order(site, other_site):
    rule_create(site=None, name="general", priority=5, keywords_any="hi\nhello\n\n", reply="a")
    rule_create(site=site, name="own", priority=1, keywords_any="hi", reply="b")
    rule_create(site=other_site, name="foreign", keywords_any="hi", reply="c")
    rule_create(site=site, name="off", keywords_any="hi", reply="d", is_enabled=False)
    rules = rules_enabled(site_id=site.pk)
    assert [rule.name for rule in rules.rules] == ["own", "general"]
    assert rules.rules[1].keywords_any == ("hi", "hello")
    decision = rules.decide("hello!", "en", "before")
    assert decision.rule.name == "general"
    assert decision.trace[0].outcome is RuleOutcome.NONE_OF_ANY


def test_an_unknown_site_has_no_rules():
    assert rules_enabled(site_id=404).rules == ()


@pytest.mark.django_db(transaction=True)
def test_unchanged_rules_cost_one_query_and_a_change_is_seen_at_once(
    site, django_assert_num_queries
):
    rule = rule_create(site=None, name="hi", keywords_any="hi", reply="a")
    rules_enabled(site_id=site.pk)
    with django_assert_num_queries(1):
        assert len(rules_enabled(site_id=site.pk).rules) == 1
    Rule.objects.update(reply="b")
    assert rules_enabled(site_id=site.pk).rules[0].reply == "b"
    rule_delete(rule=rule)
    assert rules_enabled(site_id=site.pk).rules == ()
