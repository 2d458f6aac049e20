"""The pages of a prompt: differences that can be read, and a gate that can be passed with a reason."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from knowledge.admin.line_differences import line_changes, words_of
from knowledge.models import PromptTemplate, PromptVersion, QuestionSet, Trial, TrialAnswer
from knowledge.services.entries import entry_create
from knowledge.services.prompts import (
    prompt_draft_save,
    prompt_publish,
    prompt_template_create,
)
from knowledge.services.trials import question_add, trial_create
from supportdesk.staff.roles import StaffRole
from tests.supportdesk.staff.desk_factory import person_make, site_make

pytestmark = pytest.mark.django_db


def shown(before: str, after: str) -> list[tuple[str, str]]:
    return [(change.kind, str(change.html)) for change in line_changes(before, after)]


def test_a_changed_line_marks_its_words_and_the_others_stay_plain():
    assert shown("Be polite.\nBe brief.", "Be polite.\nBe very brief.") == [
        ("same", "Be polite."),
        ("changed", "Be<ins> very</ins> brief."),
    ]


def test_chinese_is_compared_by_words_not_by_characters():
    [(kind, html)] = shown("请礼貌地回答顾客的问题", "请简短地回答顾客的问题")
    assert kind == "changed"
    assert "<del>礼貌地</del>" in html
    assert "<ins>简短地</ins>" in html
    assert html.endswith("回答顾客的问题")


def test_lines_that_are_nothing_alike_go_and_come():
    assert [kind for kind, _html in shown("短信通知\n尾", "Never promise refunds.\n尾")] == [
        "gone",
        "new",
        "same",
    ]


def test_a_difference_shows_tags_as_text():
    html = "".join(html for _kind, html in shown("say <b>yes</b> always", "say <b>no</b> always"))
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_words_joined_again_are_the_text():
    text = "签收后7天内, 可以 return 退货！\t✓"
    assert "".join(words_of(text)) == text


@pytest.fixture
def alice(db, settings) -> Client:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    client = Client(headers={"accept-language": "en"})
    client.force_login(person_make(StaffRole.ADMIN))
    return client


@pytest.fixture
def template(alice) -> PromptTemplate:
    PromptTemplate.objects.all().delete()
    template = prompt_template_create(site=None, role="answer", language="en", name="Answers")
    prompt_publish(
        version=prompt_draft_save(template=template, system="One.", user="{{ question }}")
    )
    return template


def draft_post(client: Client, template: PromptTemplate, **values: object):
    address = reverse("admin:knowledge_prompttemplate_change", args=[template.pk])
    fields = {"system": "Two.", "user": "{{ question }}", "max_tokens": 160, "temperature": 0,
              "top_p": 1, "repetition_penalty": 1, "thinking_tokens": 0, "note": ""}  # fmt: skip
    return client.post(address, {**fields, **values})


def test_two_versions_are_compared_with_their_parameters(alice, template):
    draft_post(alice, template, temperature="0.3", _save="1")
    address = reverse("admin:knowledge_prompttemplate_differences", args=[template.pk])
    page = alice.get(address).content.decode()
    assert "<del>One.</del>" in page or "<del>One</del>" in page
    assert "<del>0.0</del> → <ins>0.3</ins>" in page
    same = alice.get(f"{address}?from=1&to=1").content.decode()
    assert "The same in both." in same


def test_publishing_a_worse_draft_asks_for_a_reason_and_keeps_it(alice, template):
    draft_post(alice, template, _save="1")
    draft = template.versions.get(status="draft")
    questions = QuestionSet.objects.create(site=site_make(), name="Old questions")
    question_add(question_set=questions, text="Returns?", language="en")
    trial = trial_create(question_set=questions, candidate=draft)
    for side, right in (("baseline", True), ("candidate", False)):
        TrialAnswer.objects.create(question=trial.questions.get(), side=side, is_right=right)
    Trial.objects.filter(pk=trial.pk).update(state=Trial.State.DONE)

    page = draft_post(alice, template, _publish="1").content.decode()
    assert "write down why" in page
    assert 'name="publish_reason"' in page
    assert template.versions.get(status="published").number == 1

    assert draft_post(alice, template, _publish="1", publish_reason="New law").status_code == 302
    published = template.versions.get(status="published")
    assert (published.number, published.publish_reason) == (2, "New law")
    assert published.published_by is not None
    page = alice.get(
        reverse("admin:knowledge_prompttemplate_change", args=[template.pk])
    ).content.decode()
    assert "New law" in page


def test_a_version_is_brought_back_with_who_and_why(alice, template):
    draft_post(alice, template, _publish="1")
    first = template.versions.get(number=1)
    address = reverse("admin:knowledge_prompttemplate_rollback", args=[template.pk, first.pk])
    assert alice.post(address, {"reason": "Too rude"}).status_code == 302
    again = template.versions.get(status="published")
    assert (again.restored_from, again.publish_reason) == (first, "Too rude")
    assert again.system == "One."
    assert PromptVersion.objects.filter(template=template, status="published").count() == 1


def test_a_running_trial_is_named_where_its_draft_is_published(alice, template):
    draft_post(alice, template, _save="1", note="Shorter")
    draft = template.versions.get(status="draft")
    questions = QuestionSet.objects.create(site=site_make(), name="Old questions")
    question_add(question_set=questions, text="Returns?", language="en")
    trial = trial_create(question_set=questions, candidate=draft)
    address = reverse("admin:knowledge_prompttemplate_change", args=[template.pk])
    page = alice.get(address)
    assert reverse("admin:knowledge_trial_change", args=[trial.pk]) in page.content.decode()
    assert "is running" in page.content.decode()
    assert page.context["form"]["note"].value() == "Shorter"

    Trial.objects.filter(pk=trial.pk).update(state=Trial.State.CANCELLED)
    assert "is running" not in alice.get(address).content.decode()


def test_a_new_draft_does_not_begin_with_why_the_published_one_was_made(alice, template):
    draft_post(alice, template, _publish="1", note="Shorter")
    page = alice.get(reverse("admin:knowledge_prompttemplate_change", args=[template.pk]))
    assert page.context["form"]["system"].value() == "Two."
    assert page.context["form"]["note"].value() == ""


def test_the_preview_shows_the_entries_that_share_most_words_with_the_question(alice, template):
    site = site_make()
    for question, answer in (("Do you ship abroad?", "No."), ("Is there a warranty?", "A year.")):
        entry_create(site=site, question=question, answer=answer, language="en", status="published")
    for number in range(3):
        entry_create(
            site=site, question=f"Size {number}?", answer="M.", language="en", status="published"
        )
    address = reverse("admin:knowledge_prompttemplate_preview", args=[template.pk])
    fields = {
        "system": "",
        "user": "{% for p in passages %}{{ p.question }}|{% endfor %}",
        "sample_question": "Which warranty is there?",
    }
    assert "Is there a warranty?|" in alice.post(address, fields).content.decode()


def test_what_a_site_wants_before_a_prompt_is_published_is_set_on_its_page(alice):
    site = site_make()
    address = reverse("admin:knowledge_site_change", args=[site.pk])
    fields = {"name": site.name, "allowed_origins": "https://shop.example", "language": "en",
              "trial_is_required": "on", "trial_margin": "2.5", "is_active": "on"}  # fmt: skip
    assert alice.post(address, fields).status_code == 302
    site.refresh_from_db()
    assert (site.trial_is_required, site.trial_margin) == (True, 2.5)


def test_a_trial_begins_with_the_newest_question_set_chosen(alice):
    site = site_make()
    sets = [QuestionSet.objects.create(site=site, name=name) for name in ("Old", "New")]
    address = reverse("admin:knowledge_trial_add")
    assert alice.get(address).context["form"]["question_set"].value() == sets[1].pk
    named = alice.get(address, {"question_set": sets[0].pk})
    assert str(named.context["form"]["question_set"].value()) == str(sets[0].pk)
