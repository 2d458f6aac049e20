"""What customers ask most, which entries no answer needs, and which ones do not satisfy."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from conversations.enums import Outcome, Reason, Tier
from conversations.models import Gap, GapQuestion, Message, PassageUse, Provenance
from conversations.reports.entry_use import (
    entries_rated_badly,
    entries_unused,
    questions_asked,
    unused_described,
)
from conversations.reports.periods import period_recent
from conversations.reports.subjects import SubjectKind, questions_top
from knowledge.models import Entry, Site
from supportdesk.staff.roles import StaffRole
from tests.supportdesk.staff.desk_factory import (
    answer_make,
    person_make,
    rule_make,
    site_make,
    tool_make,
)

pytestmark = pytest.mark.django_db


def used(answer: Message, entry: Entry, *, cited: bool = True, position: int = 1) -> PassageUse:
    """The answer was made from an entry as it is now, or had it beside others."""
    made, _ = Provenance.objects.get_or_create(message=answer)
    return PassageUse.objects.create(
        provenance=made,
        entry=entry,
        entry_revision=entry.revision,
        position=position,
        score=0.9,
        cited=cited,
        text=entry.question,
    )


def entries_of(site: Site) -> list[Entry]:
    """All entries of the shop, as old as a year."""
    site.entries.update(created_at=timezone.now() - timedelta(days=365))
    return list(site.entries.order_by("pk"))


def names(period=None) -> list[str]:
    return [entry.question for entry in entries_unused(period or period_recent(30))]


def test_questions_in_other_words_are_one_subject_when_one_entry_answered_them():
    site = site_make()
    returns, shipping, *_others = entries_of(site)
    for text in ("能退吗", "能退吗", "can I send it back?"):
        used(answer_make(site, question=text), returns)
    used(answer_make(site, question="多久到", stars=2), shipping)
    top = questions_top(period_recent(7))
    assert [(subject.title, subject.asked) for subject in top.subjects] == [
        (returns.question, 3),
        (shipping.question, 1),
    ]
    assert top.subjects[0].wordings == (("能退吗", 2), ("can I send it back?", 1))
    assert top.subjects[0].share.value == 0.75
    assert (top.subjects[1].satisfied.count, top.subjects[1].satisfied.total) == (0, 1)
    assert (top.total, top.without) == (4, 0)


def test_an_answer_from_two_entries_is_one_question_of_the_first():
    site = site_make()
    first, second, *_others = entries_of(site)
    answer = answer_make(site)
    used(answer, second, position=2)
    used(answer, first, position=1)
    top = questions_top(period_recent(7))
    assert [(subject.title, subject.asked) for subject in top.subjects] == [(first.question, 1)]


def test_tools_gaps_and_rules_are_subjects_too_and_the_rest_is_told():
    site = site_make()
    tool, rule = tool_make(), rule_make()
    looked_up = answer_make(site, question="我的订单到哪了", tier=Tier.TOOL)
    Provenance.objects.create(message=looked_up, details={"tool": {"key": tool.key, "by": "rule"}})
    greeted = answer_make(site, question="你好", tier=Tier.RULES)
    Provenance.objects.create(message=greeted, rule=rule)
    vain = answer_make(
        site, question="有实体店吗", tier=Tier.FALLBACK, reason=Reason.NOT_IN_KNOWLEDGE
    )
    Provenance.objects.create(message=vain)
    gap = Gap.objects.create(
        site=site, language="zh-hans", title="有没有门店？", last_asked_at=timezone.now()
    )
    GapQuestion.objects.create(
        gap=gap, message=vain.reply_to, text="有实体店吗", why="unanswered", asked_at=timezone.now()
    )
    answer_make(site, question="在吗", tier=Tier.APOLOGY, reason=Reason.OVERLOAD)
    top = questions_top(period_recent(7))
    assert {(subject.kind, subject.title, subject.unanswered) for subject in top.subjects} == {
        (SubjectKind.TOOL, "查订单", 0),
        (SubjectKind.RULE, "问候", 0),
        (SubjectKind.GAP, "有没有门店？", 1),
    }
    assert {subject.wordings[0][0] for subject in top.subjects} == {
        "我的订单到哪了",
        "你好",
        "有实体店吗",
    }
    assert (top.total, top.without) == (4, 1)


def test_other_days_and_other_sites_are_not_counted():
    site, other = site_make(), site_make(name="Other")
    entry = entries_of(site)[0]
    used(answer_make(site), entry)
    old = answer_make(site, question="很久以前", at=timezone.now() - timedelta(days=40))
    used(old, entry)
    used(answer_make(other), entries_of(other)[0])
    top = questions_top(period_recent(7, site_id=site.pk))
    assert [(subject.asked, subject.wordings) for subject in top.subjects] == [
        (1, (("7天内可以退货吗？", 1),))
    ]


def test_an_entry_is_used_by_an_answer_that_cites_it_and_not_by_one_that_found_it():
    site = site_make()
    returns, shipping, invoice, payment = entries_of(site)
    answer = answer_make(site)
    used(answer, returns)
    used(answer, shipping, cited=False, position=2)
    unused = list(
        unused_described(
            entries_unused(period_recent(30)),
            period=period_recent(30),
            asked=questions_asked(period_recent(30)),
        )
    )
    assert {each.entry: each.found for each in unused} == {shipping: 1, invoice: 0, payment: 0}
    assert {each.asked for each in unused} == {1}
    assert not any(each.is_new for each in unused)


def test_what_was_used_before_the_period_comes_after_what_never_was():
    site = site_make()
    returns, shipping, invoice, payment = entries_of(site)
    used(answer_make(site, at=timezone.now() - timedelta(days=50)), returns)
    used(answer_make(site), shipping)
    assert names() == [invoice.question, payment.question, returns.question]
    assert returns.question not in names(period_recent(60))


def test_only_what_customers_could_see_is_missed():
    site = site_make()
    returns, shipping, invoice, payment = entries_of(site)
    now = timezone.now()
    Entry.objects.filter(pk=returns.pk).update(status=Entry.Status.DRAFT)
    Entry.objects.filter(pk=shipping.pk).update(valid_until=now - timedelta(days=1))
    Entry.objects.filter(pk=invoice.pk).update(valid_from=now + timedelta(days=1))
    assert names() == [payment.question]
    Site.objects.filter(pk=site.pk).update(is_active=False)
    assert names() == []


def test_the_surest_bad_entry_comes_first():
    site = site_make()
    often, once, good, _ = entries_of(site)
    for number in range(10):
        used(answer_make(site, thumb=number < 2), often)
    used(answer_make(site, thumb=False), once)
    for _number in range(5):
        used(answer_make(site, stars=5), good)
    rated = entries_rated_badly(period_recent(7))
    assert [each.entry for each in rated] == [often, once]
    assert (rated[0].bad, rated[0].satisfied.total, rated[0].used) == (8, 10, 10)
    assert rated[0].satisfied.high == pytest.approx(0.5098, abs=1e-4)


def test_ratings_of_an_older_text_are_not_those_of_todays():
    site = site_make()
    entry = entries_of(site)[0]
    used(answer_make(site, stars=1), entry)
    Entry.objects.filter(pk=entry.pk).update(revision=entry.revision + 1)
    entry.refresh_from_db()
    used(answer_make(site, stars=5), entry)
    rated = entries_rated_badly(period_recent(7))[0]
    assert (rated.satisfied.count, rated.satisfied.total) == (1, 2)
    assert (rated.satisfied_now.count, rated.satisfied_now.total) == (1, 1)


@pytest.fixture
def manager_client(client):
    client.force_login(person_make(StaffRole.MANAGER))
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


@pytest.fixture
def shop():
    """A shop whose first entry was rated badly and whose others nobody needed."""
    site = site_make()
    entry = entries_of(site)[0]
    used(answer_make(site, question="=cmd()<script>", stars=1), entry)
    handed = answer_make(site, tier=Tier.RULES, outcome=Outcome.HANDOFF)
    Provenance.objects.create(message=handed)
    return entry


@pytest.mark.parametrize("chosen", ["questions", "unused", "rated", "nonsense", ""])
@pytest.mark.parametrize("more", ["", "&from=x", "&page=99", "&page=x", "&site=999"])
def test_each_list_opens_and_survives_a_broken_address(manager_client, shop, chosen, more):
    page = manager_client.get(f"{reverse('admin:report_knowledge')}?list={chosen}{more}")
    assert page.status_code == 200
    assert "<script>" not in page.content.decode().split("<main", 1)[-1].split("=cmd()", 1)[-1][:9]


def test_the_page_leads_to_the_entry_and_to_its_badly_rated_answers(manager_client, shop):
    address = reverse("admin:report_knowledge")
    html = manager_client.get(f"{address}?list=rated").content.decode()
    assert reverse("admin:knowledge_entry_change", args=[shop.pk]) in html
    link = f"{reverse('admin:conversations_passageuse_changelist')}?entry={shop.pk}"
    assert link in html
    answers = manager_client.get(f"{link}&cited__exact=1&rated=bad").content.decode()
    assert "=cmd()" in answers
    assert "=cmd()" not in manager_client.get(f"{link}&rated=good").content.decode()


def test_a_period_without_questions_does_not_call_entries_useless(manager_client):
    site_make()
    html = manager_client.get(f"{reverse('admin:report_knowledge')}?list=unused").content.decode()
    assert "does not say which entries are not needed" in html


@pytest.mark.parametrize(("chosen", "rows"), [("questions", 1), ("unused", 3), ("rated", 1)])
def test_each_list_is_a_file_without_formulas(manager_client, shop, chosen, rows):
    response = manager_client.get(f"{reverse('admin:report_knowledge_export')}?list={chosen}")
    text = b"".join(response).decode("utf-8-sig")
    lines = list(csv.reader(io.StringIO(text)))
    assert len(lines) == rows + 1
    assert len({len(line) for line in lines}) == 1
    assert not any(cell.startswith("=") for line in lines for cell in line)


def test_the_number_of_queries_hangs_on_what_is_shown_and_not_on_the_answers(
    django_assert_max_num_queries,
):
    site = site_make()
    entries = entries_of(site)
    for number in range(30):
        used(answer_make(site, stars=1), entries[number % 2])
    with django_assert_max_num_queries(8):
        questions_top(period_recent(30), limit=2)
    with django_assert_max_num_queries(2):
        entries_rated_badly(period_recent(30))
