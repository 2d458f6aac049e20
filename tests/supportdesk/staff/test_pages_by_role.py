"""Every page of the admin, asked for by every role: the matrix of docs/staff.md."""

import re

import pytest
from django.contrib import admin
from django.urls import URLResolver, reverse
from django.utils import timezone
from django.views.defaults import server_error

from conversations.models import Gap, Replay, Turn
from knowledge.models import (
    BulkChange,
    EntryProposal,
    KnowledgeImport,
    LabelSet,
    QuestionSet,
    SetQuestion,
    Trial,
)
from supportdesk.staff.roles import ROLE_PERMISSIONS, StaffRole
from tests.supportdesk.staff.desk_factory import (
    answer_make,
    change_make,
    person_make,
    prompt_make,
    provenance_make,
    rule_make,
    site_make,
    tool_make,
)

pytestmark = pytest.mark.django_db

MODELS = [
    f"{model._meta.app_label}.{model._meta.model_name}"
    for model in admin.site._registry  # every registered list is covered, new ones too
]
READERS = {StaffRole.ADMIN, StaffRole.MANAGER}
ALL = set(StaffRole)
# Pages that hang on no record.
PAGES = {
    "report_satisfaction": READERS,
    "report_satisfaction_export": READERS,
    "report_knowledge": READERS,
    "report_knowledge_export": READERS,
    "demo_remove": {StaffRole.ADMIN},
    "engine_state": ALL,
    "knowledge_rule_try": READERS,
    "knowledge_entry_export_everything": {StaffRole.ADMIN},
    "knowledge_entry_bulk_changes_open": {StaffRole.ADMIN},  # leads on, to a page that is tried
    "conversations_passageuse_export": READERS,
    "conversations_gap_search": READERS,
    "knowledge_entry_preview": ALL,  # shows what was sent, nothing of the desk's
    "index": ALL,
    "search": ALL,
    "password_change": ALL,
    "password_change_done": ALL,
}
# Pages behind a record, beside Django's own five: the record, the method, who may.
RECORD_PAGES = {
    "auth_user_password_change": ("auth.user", "get", {StaffRole.ADMIN}),
    "knowledge_prompttemplate_preview": ("knowledge.prompttemplate", "post", READERS),
    "knowledge_prompttemplate_rollback": ("knowledge.prompttemplate", "post", {StaffRole.ADMIN}),
    "knowledge_prompttemplate_differences": ("knowledge.prompttemplate", "get", READERS),
    "knowledge_prompttemplate_withdraw": ("knowledge.prompttemplate", "post", {StaffRole.ADMIN}),
    "knowledge_prompttemplate_playground": ("knowledge.prompttemplate", "get", {StaffRole.ADMIN}),
    "knowledge_prompttemplate_playground_run": (
        "knowledge.prompttemplate",
        "post",
        {StaffRole.ADMIN},
    ),
    "knowledge_questionset_fill": ("knowledge.questionset", "get", {StaffRole.ADMIN}),
    "knowledge_questionset_csv": ("knowledge.questionset", "get", READERS),
    # These only lead on, to pages that are tried as well.
    "knowledge_questionset_questions_open": ("knowledge.questionset", "get", ALL),
    "knowledge_questionset_fill_open": ("knowledge.questionset", "get", {StaffRole.ADMIN}),
    "knowledge_questionset_trial_open": ("knowledge.questionset", "get", {StaffRole.ADMIN}),
    "knowledge_questionset_csv_open": ("knowledge.questionset", "get", ALL),
    "knowledge_trial_step": ("knowledge.trial", "post", {StaffRole.ADMIN}),
    "knowledge_trial_state": ("knowledge.trial", "get", READERS),
    "knowledge_knowledgeimport_step": ("knowledge.knowledgeimport", "post", {StaffRole.ADMIN}),
    "knowledge_knowledgeimport_progress": ("knowledge.knowledgeimport", "get", {StaffRole.ADMIN}),
    "knowledge_knowledgeimport_errors": ("knowledge.knowledgeimport", "get", {StaffRole.ADMIN}),
    "knowledge_bulkchange_progress": ("knowledge.bulkchange", "get", {StaffRole.ADMIN}),
    "knowledge_labelset_try": ("knowledge.labelset", "get", READERS),
    "knowledge_tool_try": ("knowledge.tool", "post", {StaffRole.ADMIN}),
    "knowledge_tool_try_open": ("knowledge.tool", "get", {StaffRole.ADMIN}),
    # These two only lead on, to pages that are tried as well.
    "knowledge_labelset_try_open": ("knowledge.labelset", "get", ALL),
    "knowledge_labelset_examples_open": ("knowledge.labelset", "get", ALL),
    "knowledge_labelset_learn": ("knowledge.labelset", "post", {StaffRole.ADMIN}),
    "knowledge_labelset_import": ("knowledge.labelset", "post", {StaffRole.ADMIN}),
    "knowledge_entry_revert": ("knowledge.entry", "post", {StaffRole.ADMIN}),
    "knowledge_entryproposal_step": ("knowledge.entryproposal", "post", {StaffRole.ADMIN}),
    "conversations_replay_ask": ("conversations.replay", "post", READERS),
    "conversations_replay_state": ("conversations.replay", "get", READERS),
    "conversations_gap_step": ("conversations.gap", "post", {StaffRole.ADMIN}),
    "conversations_gap_state": ("conversations.gap", "get", READERS),
}
STEPS = {
    "knowledge_knowledgeimport_step": "discard",
    "knowledge_trial_step": "cancel",
    "knowledge_entryproposal_step": "approve",
    "conversations_gap_step": "reopen",
}
# Django's own pages, whose permissions follow the models', and those that need none.
MODEL_PAGES = ("changelist", "add", "change", "delete", "history")
DJANGO_PAGES = {"login", "logout", "jsi18n", "autocomplete", "view_on_site", "app_list", None}


def _page_names(patterns):
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _page_names(pattern.url_patterns)
        else:
            yield pattern.name


def _record(label):
    site = site_make()
    answer = answer_make(site, stars=1)
    made = provenance_make(answer, entry=site.entries.first())
    Turn.objects.create(
        message=answer.reply_to, conversation=answer.conversation, deadline_at=timezone.now()
    )
    good = LabelSet.objects.create(key="mood", name="Mood", language="en").labels.create(
        name="good"
    )
    questions = QuestionSet.objects.create(site=site, name="Old questions")
    return {
        "knowledge.questionset": questions,
        "knowledge.setquestion": SetQuestion.objects.create(question_set=questions, text="Why?"),
        "knowledge.trial": Trial.objects.create(question_set=questions, model="engine:x"),
        "knowledge.site": site,
        "knowledge.entry": site.entries.first(),
        "knowledge.audience": site.audiences.create(name="Trade"),
        "knowledge.entryproposal": EntryProposal.objects.create(
            site=site,
            state=EntryProposal.State.PROPOSED,
            question="Do you repair?",
            answer="Yes.",
            language="en",
            status="draft",
        ),
        "knowledge.bulkchange": BulkChange.objects.create(kind=BulkChange.Kind.PUBLISH),
        "knowledge.prompttemplate": prompt_make(),
        "knowledge.rule": rule_make(),
        "knowledge.tool": tool_make(),
        "conversations.toolaction": change_make(answer),
        "knowledge.knowledgeimport": KnowledgeImport.objects.create(site=site, file_name="a.csv"),
        "knowledge.labelset": good.label_set,
        "knowledge.labelexample": good.examples.create(label_set=good.label_set, text="Great."),
        "conversations.gap": Gap.objects.create(
            site=site, language="en", title="Do you repair?", last_asked_at=timezone.now()
        ),
        "conversations.conversation": answer.conversation,
        "conversations.rating": answer.rating,
        "conversations.passageuse": made.passages.first(),
        "conversations.replay": Replay.objects.create(message=answer),
        "auth.user": person_make(StaffRole.OPERATOR, username="colleague"),
    }[label]


@pytest.mark.parametrize("role", list(StaffRole))
@pytest.mark.parametrize("label", MODELS)
def test_lists_and_records_open_only_to_those_who_may(client, label, role):
    client.force_login(person_make(role))
    record = _record(label)
    allowed = ROLE_PERMISSIONS[role].get(label, ())
    base = f"admin:{label.replace('.', '_')}"
    seen = {
        "list": client.get(reverse(f"{base}_changelist")).status_code,
        "add": client.get(reverse(f"{base}_add")).status_code,
        "record": client.get(reverse(f"{base}_change", args=[record.pk])).status_code,
        "history": client.get(reverse(f"{base}_history", args=[record.pk])).status_code,
        "delete": client.get(reverse(f"{base}_delete", args=[record.pk])).status_code,
    }
    may_see = "view" in allowed
    leads_on = {"conversations.rating", "conversations.passageuse"}
    opened = 302 if label in leads_on else 200
    assert seen == {
        "list": 200 if may_see else 403,
        "add": 200 if "add" in allowed else 403,
        "record": opened if may_see else 403,
        "history": 200 if may_see else 403,
        "delete": 200 if "delete" in allowed else 403,
    }


@pytest.mark.parametrize(
    ("label", "role"),
    [
        (label, role)
        for label in MODELS
        for role in StaffRole
        if "change" not in ROLE_PERMISSIONS[role].get(label, ())
    ],
)
def test_a_post_without_the_permission_changes_nothing(client, label, role):
    client.force_login(person_make(role))
    record = _record(label)
    address = reverse(f"admin:{label.replace('.', '_')}_change", args=[record.pk])
    assert client.post(address, {"name": "changed"}).status_code in {403, 302, 200}
    stored = type(record).objects.filter(pk=record.pk).values().get()
    assert "changed" not in stored.values()


@pytest.mark.parametrize("role", list(StaffRole))
@pytest.mark.parametrize("name", PAGES)
def test_pages_open_only_to_those_who_may(client, name, role):
    client.force_login(person_make(role))
    expected = 200 if role in PAGES[name] else 403
    assert client.get(reverse(f"admin:{name}"), follow=True).status_code == expected


@pytest.mark.parametrize("role", list(StaffRole))
@pytest.mark.parametrize("name", RECORD_PAGES)
def test_pages_behind_a_record_open_only_to_those_who_may(client, name, role):
    client.force_login(person_make(role))
    label, method, roles = RECORD_PAGES[name]
    record = _record(label)
    args = [record.pk]
    if name == "knowledge_prompttemplate_rollback":
        args.append(record.versions.first().pk)
    if name == "conversations_replay_ask":
        args = [record.message_id]
    data = {"step": STEPS.get(name, "")}
    response = getattr(client, method)(reverse(f"admin:{name}", args=args), data)
    if role in roles:
        assert response.status_code in {200, 302}
    else:
        assert response.status_code == 403


def test_every_page_of_the_admin_is_tried_here():
    """A new page has to say in this file who may open it."""
    bases = [label.replace(".", "_") for label in MODELS]
    standard = {f"{base}_{page}" for base in bases for page in MODEL_PAGES}
    own = set(_page_names(admin.site.get_urls())) - DJANGO_PAGES - standard
    assert own == set(PAGES) | set(RECORD_PAGES)


@pytest.mark.parametrize("role", list(StaffRole))
def test_the_overview_links_only_to_pages_that_open(client, role):
    client.force_login(person_make(role))
    site_make(is_demo=True)
    answer_make(site_make(), stars=1)
    links = _links(client.get(reverse("admin:index")))
    assert reverse("admin:conversations_conversation_changelist") in links
    refused = [link for link in sorted(links) if client.get(link).status_code != 200]
    assert refused == []


@pytest.mark.parametrize("role", list(StaffRole))
@pytest.mark.parametrize("label", MODELS)
def test_a_record_links_only_to_pages_that_open(client, label, role):
    client.force_login(person_make(role))
    record = _record(label)
    page = client.get(reverse(f"admin:{label.replace('.', '_')}_change", args=[record.pk]))
    everywhere = _links(client.get(reverse("admin:index")))
    links = _links(page) - everywhere - {reverse("admin:logout")}
    refused = [link for link in sorted(links) if client.get(link).status_code not in {200, 302}]
    assert refused == []


def test_a_record_that_may_not_be_opened_is_named(client):
    client.force_login(person_make(StaffRole.MANAGER))
    audience = _record("knowledge.audience")
    page = client.get(reverse("admin:knowledge_audience_change", args=[audience.pk]))
    assert audience.site.name in page.content.decode()
    client.force_login(person_make(StaffRole.ADMIN))
    page = client.get(reverse("admin:knowledge_audience_change", args=[audience.pk]))
    assert reverse("admin:knowledge_site_change", args=[audience.site_id]) in _links(page)


def _links(response):
    return set(re.findall(r'href="(/admin/[^"#?]*)', response.content.decode()))


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize(
    ("path", "status"), [("/admin/knowledge/site/", 403), ("/nothing-here/", 404)]
)
def test_a_page_that_does_not_open_says_so_in_the_readers_language(client, path, status, language):
    client.force_login(person_make(StaffRole.OPERATOR))
    response = client.get(path, headers={"accept-language": language})
    assert response.status_code == status
    body = response.content.decode()
    assert f'<html lang="{language}">' in body
    words = {403: "You may not open this page.", 404: "This page does not exist."}[status]
    assert (words in body) == (language == "en")
    assert 'href="/admin/"' in body


def test_an_error_of_the_desk_has_a_page_that_needs_nothing(rf):
    response = server_error(rf.get("/"))
    assert response.status_code == 500
    assert "<h1>" in response.content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_nobody_gets_in_without_logging_in(client, name):
    response = client.get(reverse(f"admin:{name}"))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("admin:login"))


def test_nobody_changes_evidence_not_even_a_superuser(client, django_user_model):
    root = django_user_model.objects.create_superuser("root", password="x" * 20)
    client.force_login(root)
    answer = answer_make(site_make(), stars=1)
    for name, record in (("conversation", answer.conversation), ("rating", answer.rating)):
        base = f"admin:conversations_{name}"
        assert client.get(reverse(f"{base}_add")).status_code == 403
        assert client.post(reverse(f"{base}_delete", args=[record.pk])).status_code == 403
        assert type(record).objects.filter(pk=record.pk).exists()


def test_only_administrators_remove_the_demo_and_only_by_post(client):
    client.force_login(person_make(StaffRole.MANAGER))
    site_make(is_demo=True)
    assert client.post(reverse("admin:demo_remove")).status_code == 403
