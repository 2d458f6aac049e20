"""What stands between a draft and its publication."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from inference.errors import PromptError
from knowledge.models import (
    Expectation,
    PromptTemplate,
    PromptVersion,
    QuestionSet,
    Trial,
    TrialAnswer,
)
from knowledge.services.prompts import (
    prompt_draft_save,
    prompt_publish,
    prompt_rollback,
    prompt_template_create,
    prompt_withdraw,
)
from knowledge.services.trials import (
    question_add,
    questions_export,
    questions_import,
    trial_create,
)
from knowledge.trials.gate import PublishRefused, gate_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def template(db) -> PromptTemplate:
    PromptTemplate.objects.all().delete()
    template = prompt_template_create(site=None, role="answer", language="en", name="Answers")
    prompt_publish(version=draft(template, "One."))
    return template


def draft(template: PromptTemplate, system: str) -> PromptVersion:
    return prompt_draft_save(template=template, system=system, user="{{ question }}")


@pytest.fixture
def questions(site) -> QuestionSet:
    made = QuestionSet.objects.create(site=site, name="Old questions")
    for number in range(10):
        question_add(question_set=made, text=f"Question {number}?", language="en")
    return made


def tried(questions: QuestionSet, version: PromptVersion, *, lost: int, gained: int = 0) -> Trial:
    """A finished trial: the last question of ten was answered wrongly by what is published."""
    trial = trial_create(question_set=questions, candidate=version)
    for question in trial.questions.all():
        n = question.position
        before = n > gained
        TrialAnswer.objects.create(question=question, side="baseline", is_right=before)
        after = n <= 10 - lost
        TrialAnswer.objects.create(question=question, side="candidate", is_right=after)
    Trial.objects.filter(pk=trial.pk).update(state=Trial.State.DONE)
    return trial


def test_a_worse_draft_is_published_only_with_a_reason_that_is_kept(template, questions):
    worse = draft(template, "Two.")
    trial = tried(questions, worse, lost=1)
    with pytest.raises(PublishRefused, match="reason_required"):
        prompt_publish(version=worse, reason="  ")
    worse.refresh_from_db()
    assert worse.status == PromptVersion.Status.DRAFT

    bob = User.objects.create(username="bob")
    prompt_publish(version=worse, by=bob, reason="The law asks for it.")
    worse.refresh_from_db()
    assert (worse.publish_reason, worse.published_by) == ("The law asks for it.", bob)
    [figures] = worse.trial_figures["trials"]
    assert (figures["trial"], figures["questions"], figures["worse"]) == (trial.pk, 10, True)
    assert figures["low"] < figures["difference"] < figures["high"]

    trial.delete()
    worse.refresh_from_db()
    assert worse.trial_figures["trials"][0]["candidate"] == 9


def test_a_draft_that_holds_its_own_needs_no_reason(template, questions):
    equal = draft(template, "Two.")
    tried(questions, equal, lost=0)
    prompt_publish(version=equal)
    assert template.versions.get(status="published") == equal


def test_a_site_sets_how_much_may_be_lost_without_a_reason(template, questions, site):
    site.trial_margin = 10.0
    site.save(update_fields=["trial_margin"])
    worse = draft(template, "Two.")
    tried(questions, worse, lost=1)
    assert gate_of(version=worse).worse == []
    worst = tried(questions, worse, lost=2)
    assert [one.trial for one in gate_of(version=worse).worse] == [worst]


def test_a_sure_loss_needs_a_reason_whatever_the_margin(template, questions, site):
    site.trial_margin = 100.0
    site.save(update_fields=["trial_margin"])
    worse = draft(template, "Two.")
    tried(questions, worse, lost=9)
    assert len(gate_of(version=worse).worse) == 1


def test_of_every_set_its_newest_trial_counts(template, questions, site):
    other = QuestionSet.objects.create(site=site, name="Other")
    for number in range(10):
        question_add(question_set=other, text=f"Other {number}?", language="en")
    version = draft(template, "Two.")
    tried(questions, version, lost=3)
    tried(questions, version, lost=0)
    tried(other, version, lost=1)
    gate = gate_of(version=version)
    assert len(gate.outcomes) == 2
    assert [one.trial.question_set for one in gate.worse] == [other]


def test_a_required_trial_must_be_of_this_text_and_against_what_is_published_now(
    template, questions, site
):
    site.trial_is_required = True
    site.save(update_fields=["trial_is_required"])
    version = draft(template, "Two.")
    with pytest.raises(PublishRefused, match="trial_required"):
        prompt_publish(version=version, reason="I am in a hurry")
    tried(questions, version, lost=0)
    version = draft(template, "Two, changed.")
    assert gate_of(version=version).is_missing
    assert gate_of(version=version).is_outdated
    tried(questions, version, lost=0)
    prompt_publish(version=version)
    # What is published now is another one, so a trial against the first says nothing any more.
    third = draft(template, "Three.")
    tried(questions, third, lost=0)
    prompt_rollback(version=template.versions.get(number=1))
    assert gate_of(version=third).is_outdated


def test_a_trial_with_another_model_says_nothing_of_the_draft(template, questions):
    version = draft(template, "Two.")
    trial = tried(questions, version, lost=5)
    Trial.objects.filter(pk=trial.pk).update(model="engine:big")
    assert gate_of(version=version).outcomes == []


def test_the_first_version_and_other_roles_pass(template, site):
    site.trial_is_required = True
    site.save(update_fields=["trial_is_required"])
    other = prompt_template_create(site=None, role="summary", language="en", name="Summaries")
    prompt_publish(version=draft(other, "Sum up."))
    prompt_publish(version=draft(other, "Sum up well."))
    own = prompt_template_create(site=site, role="answer", language="en", name="Own")
    prompt_publish(version=draft(own, "First."))


def test_going_back_needs_no_trial_and_keeps_who_and_why(template, site):
    first = template.versions.get(number=1)
    prompt_publish(version=draft(template, "Two."))
    site.trial_is_required = True
    site.save(update_fields=["trial_is_required"])
    bob = User.objects.create(username="bob")
    again = prompt_rollback(version=first, by=bob, reason="Two was rude.")
    assert (again.number, again.restored_from, again.publish_reason) == (3, first, "Two was rude.")
    assert (again.published_by, again.created_by) == (bob, bob)
    first.refresh_from_db()
    assert first.status == PromptVersion.Status.RETIRED


def test_a_withdrawn_prompt_is_not_used_any_more(template):
    prompt_withdraw(template=template)
    assert not template.versions.filter(status="published").exists()


def test_a_trial_asks_only_questions_in_the_prompts_language(template, questions):
    question_add(question_set=questions, text="退货政策是什么？", language="zh-hans")
    trial = trial_create(question_set=questions, candidate=draft(template, "Two."))
    assert trial.questions.count() == 10


def test_a_trial_of_nothing_new_or_of_no_question_is_refused(template, questions, site):
    with pytest.raises(ValidationError):
        trial_create(question_set=questions)
    empty = QuestionSet.objects.create(site=site, name="Empty")
    with pytest.raises(ValidationError):
        trial_create(question_set=empty, candidate=draft(template, "Two."))


def test_a_draft_that_cannot_be_rendered_is_not_tried(template, questions):
    broken = prompt_draft_save(template=template, system="Two.", user="{{ question }} {{ nothing")
    with pytest.raises(PromptError):
        trial_create(question_set=questions, candidate=broken)
    assert not Trial.objects.exists()


def test_questions_travel_as_csv(questions, site):
    entry = site.entries.create(question="Returns?", answer="7 days.", language="en")
    question_add(
        question_set=questions, text="=1+1?", entries=[entry], facts="7 days\n14 days | two weeks",
        forbidden="free", language="en",
    )  # fmt: skip
    text = questions_export(question_set=questions)
    assert "'=1+1?" in text
    copy = QuestionSet.objects.create(site=site, name="Copy")
    report = questions_import(question_set=copy, data=text.encode())
    assert (report.created, report.errors) == (11, [])
    read = copy.questions.get(text="=1+1?")
    assert (read.facts, read.forbidden) == ("7 days\n14 days | two weeks", "free")
    assert list(read.entries.all()) == [entry]
    assert questions_import(question_set=copy, data=text.encode()).unchanged == 11


def test_rows_that_cannot_be_read_are_told_with_their_line(questions):
    data = (
        "question,expectation,entries\nGood?,,\n,,\nWhat?,perhaps,\nWhich?,answered,No such entry\n"
    )
    report = questions_import(question_set=questions, data=data.encode())
    assert report.created == 1
    assert [line.split(":")[0] for line in report.errors] == ["Line 3", "Line 4", "Line 5"]
    with pytest.raises(ValidationError):
        questions_import(question_set=questions, data=b"text\nhello\n")
    assert questions.questions.filter(expectation=Expectation.ANSWERED).count() == 11
