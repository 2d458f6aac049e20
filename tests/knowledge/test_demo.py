import pytest

from knowledge.models import Entry, Expectation, PromptVersion, QuestionSet, Rule, Site
from knowledge.selectors import prompt_published, rules_enabled
from knowledge.services.demo import defaults_ensure, demo_load, demo_remove
from knowledge.services.entries import entry_create
from knowledge.trials.scoring import fact_holds, facts_of

pytestmark = pytest.mark.django_db


def test_the_defaults_are_complete_and_ensured_once():
    defaults_ensure()
    counts = Rule.objects.count(), PromptVersion.objects.count()
    defaults_ensure()
    assert (Rule.objects.count(), PromptVersion.objects.count()) == counts
    site = demo_load()
    for language in ("zh-hans", "en"):
        assert prompt_published(site_id=site.pk, role="answer", language=language) is not None
    rules = rules_enabled(site_id=site.pk)
    assert rules.decide("我要转人工", "zh-hans", "before").rule.action == "handoff"
    assert rules.decide("I want to talk to a human", "en", "before").rule.action == "handoff"
    assert rules.decide("xyzzy", "en", "fallback").rule is not None


def test_what_an_administrator_removed_or_changed_stays_so():
    defaults_ensure()
    Rule.objects.first().delete()
    PromptVersion.objects.update(user="mine {{ question }}")
    rules = Rule.objects.count()
    defaults_ensure()
    assert Rule.objects.count() == rules
    assert set(PromptVersion.objects.values_list("user", flat=True)) == {"mine {{ question }}"}


def test_the_demo_shop_is_loaded_once_in_both_languages():
    site = demo_load()
    assert demo_load() == site
    for language in ("zh-hans", "en"):
        assert site.entries.filter(language=language, status="published").count() >= 10
    assert any(origin.startswith("http://127.0.0.1:") for origin in site.origins)


def test_a_new_port_is_added_to_the_demo_shops_origins(settings):
    site = demo_load()
    settings.DEMOSHOP_PORT = 9876
    defaults_ensure()
    assert "http://127.0.0.1:9876" in Site.objects.get(pk=site.pk).origins


def test_removing_the_demo_leaves_the_shops_own_site(site):
    entry_create(site=site, question="Q", answer="A")
    demo_load()
    demo_remove()
    assert list(Site.objects.all()) == [site]
    assert Entry.objects.count() == 1
    demo_remove()


def test_the_demo_shop_has_questions_whose_expected_entries_are_there(db):
    site = demo_load()
    [questions] = site.question_sets.all()
    assert questions.is_demo
    rows = list(questions.questions.prefetch_related("entries"))
    assert len(rows) == 20
    for row in rows:
        expects = row.expectation == Expectation.ANSWERED
        assert bool(row.entries.all()) == expects
        for entry in row.entries.all():
            assert entry.language == row.language
            assert all(fact_holds(fact, entry.answer) for fact in facts_of(row.facts))
    assert {row.expectation for row in rows} == set(Expectation.values)
    demo_remove()
    assert not QuestionSet.objects.exists()


@pytest.mark.parametrize(
    ("text", "language", "is_looked_up"),
    [
        ("my parcel has not arrived yet", "en", True),
        ("my parcel arrived broken what now", "en", False),
        ("the item I ordered came crushed", "en", False),
        ("我的快递到哪了", "zh-hans", True),
        ("我的快递收到了但是破损，什么情况", "zh-hans", False),
        ("我买的杯子收到就碎了，怎么还这样", "zh-hans", False),
    ],
)
def test_a_parcel_that_came_damaged_is_not_looked_up(
    text: str, language: str, is_looked_up: bool
) -> None:
    rules = rules_enabled(site_id=demo_load().pk)
    rule = rules.decide(text, language, "before").rule
    assert (rule is not None and rule.action == "tool") == is_looked_up
