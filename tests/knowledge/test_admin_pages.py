"""Admins keep knowledge, rules, prompts and sites with forms; services do the writing."""

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from conversations.admin.changes import ToolActionAdmin
from conversations.admin.conversations import ConversationAdmin
from conversations.admin.replays import ReplayAdmin
from conversations.enums import Mode
from conversations.models import Replay, ToolAction
from knowledge.admin.imports import KnowledgeImportAdmin
from knowledge.admin.labels import LabelSetAdmin
from knowledge.admin.proposals import EntryProposalAdmin
from knowledge.models import (
    Entry,
    EntryRevision,
    KnowledgeImport,
    LabelSet,
    PromptVersion,
    Rule,
    Site,
)
from supportdesk.staff.roles import StaffRole
from tests.supportdesk.staff.desk_factory import person_make, prompt_make, rule_make, site_make

pytestmark = pytest.mark.django_db
ENGLISH = {"accept-language": "en"}


@pytest.fixture
def admin_client(client, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    client.force_login(person_make(StaffRole.ADMIN))
    return client


def _entry_values(site, **more):
    return {
        "question": "有实体店吗？",
        "phrasings": "门店在哪\n\n门店在哪\n可以去店里吗",
        "answer": "没有，只在网上销售。",
        "keywords": "门店",
        "site": site.pk,
        "language": "zh-hans",
        "status": "published",
        **more,
    }


def test_an_entry_is_added_with_its_phrasings_once_each(admin_client):
    site = site_make()
    address = reverse("admin:knowledge_entry_add")
    assert admin_client.post(address, _entry_values(site)).status_code == 302
    entry = Entry.objects.get(question="有实体店吗？")
    assert sorted(entry.phrasings.values_list("text", flat=True)) == ["可以去店里吗", "门店在哪"]
    assert entry.updated_by.username == "admin-li"


def test_a_changed_answer_raises_the_revision_of_entry_and_site(admin_client):
    site = site_make()
    entry = site.entries.first()
    site.refresh_from_db()
    before = site.knowledge_revision
    address = reverse("admin:knowledge_entry_change", args=[entry.pk])
    assert admin_client.post(address, _entry_values(site)).status_code == 302
    changed = Entry.objects.get(pk=entry.pk)
    site.refresh_from_db()
    assert (changed.revision, changed.answer) == (2, "没有，只在网上销售。")
    assert site.knowledge_revision > before


def test_entries_are_published_and_taken_back_in_bulk(admin_client):
    site = site_make()
    address = reverse("admin:knowledge_entry_changelist")
    chosen = list(site.entries.values_list("pk", flat=True))[:3]
    for action, status, count in (("unpublish", "draft", 3), ("publish", "draft", 0)):
        admin_client.post(address, {"action": action, "_selected_action": chosen})
        assert site.entries.filter(status=status).count() == count


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "![x](https://evil.example/x)",
        "[x](//evil.example)",
        "[x](<HERE>)",
    ],
)
def test_the_preview_of_an_answer_is_harmless(admin_client, text):
    page = admin_client.post(reverse("admin:knowledge_entry_preview"), {"answer": text})
    html = page.content.decode()
    assert "<script" not in html
    assert "<img" not in html
    assert 'href="javascript' not in html


@pytest.mark.parametrize("text", ["[x](//evil.example)", "[x](<HERE>)", "[x](/orders)"])
def test_the_preview_links_only_to_whole_addresses(admin_client, text):
    page = admin_client.post(reverse("admin:knowledge_entry_preview"), {"answer": text})
    element = page.content.decode().split(">x</a>")[0].rsplit("<a", 1)[1]
    assert "href" not in element


def test_a_site_shows_the_line_to_copy(admin_client):
    site = site_make()
    page = admin_client.get(reverse("admin:knowledge_site_change", args=[site.pk])).content.decode()
    assert f"data-site-key=&quot;{site.key}&quot;" in page or f'data-site-key="{site.key}"' in page
    assert "/static/widget/supportdesk.js" in page


@pytest.mark.parametrize(
    "line", ["shop.example", "https://shop.example/path", "ftp://x", "https://["]
)
def test_an_address_that_is_no_origin_gets_a_sentence(admin_client, line):
    values = {"name": "Neu", "allowed_origins": line, "language": "en"}
    page = admin_client.post(reverse("admin:knowledge_site_add"), values, headers=ENGLISH)
    assert page.status_code == 200
    assert "is not an origin" in page.content.decode()
    assert not Site.objects.filter(name="Neu").exists()


def test_a_site_is_added_with_its_origins_tidied(admin_client):
    values = {
        "name": "Neu",
        "allowed_origins": "HTTPS://Shop.Example:443/\n\nhttp://localhost:3000",
        "language": "en",
    }
    assert admin_client.post(reverse("admin:knowledge_site_add"), values).status_code == 302
    assert Site.objects.get(name="Neu").origins == ["https://shop.example", "http://localhost:3000"]


def _rule_values(**more):
    return {
        "name": "Greeting",
        "priority": 10,
        "language": "",
        "trigger": "before",
        "keywords_any": "hello\nhi",
        "keywords_all": "",
        "pattern": "",
        "label_set": "",
        "label": "",
        "label_probability": "0.7",
        "reply": "Hello from {{ shop_name }}",
        "action": "reply",
        "is_enabled": "on",
        **more,
    }


def test_a_rule_is_added(admin_client):
    assert admin_client.post(reverse("admin:knowledge_rule_add"), _rule_values()).status_code == 302
    assert Rule.objects.get().name == "Greeting"


@pytest.mark.parametrize(
    "values",
    [
        {"pattern": "(a"},
        {"pattern": "(?=x)"},
        {"keywords_any": ""},
        {"reply": ""},
        {"reply": "{{ "},
        {"reply": "{% for x in range(10**9) %}{% endfor %}"},
    ],
)
def test_a_rule_that_cannot_work_is_refused_with_a_sentence(admin_client, values):
    page = admin_client.post(reverse("admin:knowledge_rule_add"), _rule_values(**values))
    assert page.status_code == 200
    assert not Rule.objects.exists()


def test_the_trial_says_which_rule_fires_and_why_the_others_do_not(admin_client):
    site = site_make()
    rule_make(name="Greeting", keywords_any="你好", priority=10)
    rule_make(name="Person", keywords_any="人工", priority=5, action="handoff")
    rule_make(name="Late greeting", keywords_any="你好", priority=50)
    page = admin_client.get(
        reverse("admin:knowledge_rule_try"),
        {"sentence": "你好，在吗", "site": site.pk, "language": "", "trigger": "before"},
        headers=ENGLISH,
    ).content.decode()
    assert "The rule “Greeting” fires" in page
    assert site.name in page
    assert "None of these words occurs: “人工”" in page
    assert "comes first" in page


def test_a_sentence_with_html_is_shown_as_text(admin_client):
    site = site_make()
    page = admin_client.get(
        reverse("admin:knowledge_rule_try"),
        {"sentence": "<script>alert(1)</script>", "site": site.pk, "trigger": "before"},
    ).content.decode()
    assert "<script>alert(1)" not in page


def _prompt_values(**more):
    return {
        "system": "Answer politely.",
        "user": "{{ question }}",
        "max_tokens": 120,
        "temperature": 0,
        "top_p": 1,
        "repetition_penalty": 1,
        "note": "shorter",
        **more,
    }


def test_a_draft_is_saved_and_published_and_an_earlier_version_comes_back(admin_client):
    template = prompt_make()
    address = reverse("admin:knowledge_prompttemplate_change", args=[template.pk])
    admin_client.post(address, {**_prompt_values(), "_save": "1"})
    published = template.versions.get(status=PromptVersion.Status.PUBLISHED)
    assert published.number == 2
    assert template.versions.get(number=3).system == "Answer politely."
    admin_client.post(address, {**_prompt_values(), "_publish": "1"})
    assert template.versions.get(status=PromptVersion.Status.PUBLISHED).number == 3
    earlier = template.versions.get(number=1)
    admin_client.post(
        reverse("admin:knowledge_prompttemplate_rollback", args=[template.pk, earlier.pk])
    )
    assert template.versions.get(status=PromptVersion.Status.PUBLISHED).system == earlier.system


def test_a_rollback_needs_a_post(admin_client):
    template = prompt_make()
    earlier = template.versions.get(number=1)
    admin_client.get(
        reverse("admin:knowledge_prompttemplate_rollback", args=[template.pk, earlier.pk])
    )
    assert template.versions.get(status=PromptVersion.Status.PUBLISHED).number == 2


@pytest.mark.parametrize(
    "text", ["{{ question", "{{ nonsense }}", "{% for x in range(999999999) %}{{ x }}{% endfor %}"]
)
def test_a_prompt_that_does_not_render_is_not_published_and_the_draft_is_kept(admin_client, text):
    template = prompt_make()
    address = reverse("admin:knowledge_prompttemplate_change", args=[template.pk])
    page = admin_client.post(
        address, {**_prompt_values(user=text), "_publish": "1"}, headers=ENGLISH
    )
    assert page.status_code == 200
    assert "Not published:" in page.content.decode()
    assert template.versions.get(status=PromptVersion.Status.PUBLISHED).number == 2
    assert template.versions.get(number=3).user == text


def test_the_preview_shows_rendered_messages_or_the_reason(admin_client):
    template = prompt_make()
    address = reverse("admin:knowledge_prompttemplate_preview", args=[template.pk])
    values = {**_prompt_values(user="{{ shop_name }}: {{ question }}")}
    sample = {"sample_question": "<b>退货</b>", "sample_shop": "青禾"}
    good = admin_client.post(address, {**values, **sample}).content.decode()
    assert "青禾: &lt;b&gt;退货&lt;/b&gt;" in good
    bad = admin_client.post(address, {**values, "user": "{{ x"}, headers=ENGLISH).content.decode()
    assert "cannot be rendered" in bad


def test_a_second_template_for_the_same_role_and_language_is_refused(admin_client):
    prompt_make()
    values = {"name": "x", "role": "answer", "language": "zh-hans", "site": ""}
    page = admin_client.post(reverse("admin:knowledge_prompttemplate_add"), values)
    assert page.status_code == 200
    assert list(get_messages(page.wsgi_request)) == []


@pytest.mark.parametrize(
    ("shown", "states"),
    [
        (KnowledgeImportAdmin.state_label, KnowledgeImport.State),
        (LabelSetAdmin.state, LabelSet.Learning),
        (EntryProposalAdmin.state_label, EntryRevision.State),
        (ToolActionAdmin.state_label, ToolAction.State),
        (ReplayAdmin.state_label, Replay.State),
        (ConversationAdmin.mode_label, Mode),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_every_state_in_a_list_is_shown_in_words(shown, states):
    """The admin's theme shows a state that has no colour by its key."""
    assert set(states.values) <= set(shown.label)


def test_an_import_that_asks_for_its_columns_says_so_in_the_list(admin_client):
    site = site_make()
    KnowledgeImport.objects.create(site=site, file_name="a.csv", state="columns")
    page = admin_client.get(
        reverse("admin:knowledge_knowledgeimport_changelist"), headers=ENGLISH
    ).content.decode()
    assert "Asks for its columns" in page
