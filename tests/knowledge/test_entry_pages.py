"""The pages of entries: history, proposals, bulk changes, and what each role may do there."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from conversations.models import Gap
from knowledge.models import Audience, Entry, EntryRevision, Site
from knowledge.services.entries import entry_create, entry_update
from knowledge.services.imports.planning import import_create, import_plan
from knowledge.services.proposals import proposal_approve, proposal_create
from knowledge.services.sites import site_update
from supportdesk.staff.roles import StaffRole, roles_ensure
from tests.supportdesk.staff.desk_factory import person_make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _roles(settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.LANGUAGE_CODE = "en"
    roles_ensure()


@pytest.fixture
def people() -> dict[StaffRole, User]:
    return {role: person_make(role) for role in StaffRole}


@pytest.fixture
def as_role(people: dict[StaffRole, User]):
    def client(role: StaffRole) -> Client:
        made = Client(headers={"accept-language": "en"})
        made.force_login(people[role])
        return made

    return client


@pytest.fixture
def entry(site: Site) -> Entry:
    return entry_create(
        site=site,
        question="多久发货？",
        answer="三天内发货。",
        status="published",
        language="zh-hans",
    )


def form(entry: Entry, **changed: object) -> dict[str, object]:
    return {
        "question": entry.question, "answer": entry.answer, "keywords": entry.keywords,
        "phrasings": "", "site": entry.site_id, "language": entry.language,
        "status": entry.status, "audience": "", "valid_from_0": "", "valid_from_1": "",
        "valid_until_0": "", "valid_until_1": "", "owner": "", "review_by": "", **changed,
    }  # fmt: skip


def change(client: Client, entry: Entry, **changed: object) -> str:
    address = reverse("admin:knowledge_entry_change", args=[entry.pk])
    answer = client.post(address, form(entry, **changed), follow=True)
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def test_the_history_marks_single_characters_of_chinese(as_role, entry: Entry, people) -> None:
    change(as_role(StaffRole.ADMIN), entry, answer="五天内发货。")
    page = as_role(StaffRole.MANAGER).get(reverse("admin:knowledge_entry_history", args=[entry.pk]))
    html = page.content.decode()

    assert "<del>三</del><ins>五</ins>天内发货。" in html
    assert "admin-li" in html
    assert "Bring back" not in html  # a manager reads


def test_a_revision_is_brought_back_by_its_button(as_role, entry: Entry) -> None:
    admin = as_role(StaffRole.ADMIN)
    change(admin, entry, answer="五天内发货。")
    address = reverse("admin:knowledge_entry_revert", args=[entry.pk])

    assert admin.post(address, {"number": "1"}).status_code == 302

    assert Entry.objects.get().answer == "三天内发货。"
    assert EntryRevision.objects.get(number=3).cause == "revert"
    for unknown in ("99", "x", ""):
        admin.post(address, {"number": unknown})
    assert EntryRevision.objects.count() == 3
    for role in (StaffRole.MANAGER, StaffRole.OPERATOR):
        assert as_role(role).post(address, {"number": "1"}).status_code == 403


def test_markup_in_a_text_stays_text_in_the_history(as_role, entry: Entry) -> None:
    admin = as_role(StaffRole.ADMIN)
    change(admin, entry, answer="<script>alert(1)</script>")
    html = admin.get(reverse("admin:knowledge_entry_history", args=[entry.pk])).content.decode()
    assert "<script>alert(1)" not in html


def test_an_operator_changes_nothing_where_changes_are_not_reviewed(as_role, entry: Entry) -> None:
    client = as_role(StaffRole.OPERATOR)
    address = reverse("admin:knowledge_entry_change", args=[entry.pk])
    assert client.post(address, form(entry, answer="x")).status_code == 403
    assert client.get(reverse("admin:knowledge_entry_add")).status_code == 403
    assert not EntryRevision.objects.filter(number=None).exists()


def test_an_operators_change_waits_where_changes_are_reviewed(as_role, entry: Entry) -> None:
    site_update(site=entry.site, review_is_required=True)
    operator, admin = as_role(StaffRole.OPERATOR), as_role(StaffRole.ADMIN)

    html = change(operator, entry, answer="五天内发货。")

    assert "waits for an approval" in html
    assert "<del>三</del><ins>五</ins>" in html
    assert Entry.objects.get().answer == "三天内发货。"
    proposal = EntryRevision.objects.get(number=None)
    step = reverse("admin:knowledge_entryproposal_step", args=[proposal.pk])
    assert operator.post(step, {"step": "approve"}).status_code == 403
    assert operator.post(step, {"step": "refuse", "reason": "x"}).status_code == 403

    admin.post(step, {"step": "refuse", "reason": ""})
    proposal.refresh_from_db()
    assert proposal.state == "proposed"
    admin.post(step, {"step": "approve"})
    assert Entry.objects.get().answer == "五天内发货。"


def test_an_administrator_may_publish_at_once_there(as_role, entry: Entry) -> None:
    site_update(site=entry.site, review_is_required=True)
    change(as_role(StaffRole.ADMIN), entry, answer="五天内发货。")
    assert Entry.objects.get().answer == "五天内发货。"


def test_an_operator_proposes_new_entries_for_reviewed_sites_alone(
    as_role, site: Site, other_site: Site
) -> None:
    site_update(site=site, review_is_required=True)
    operator = as_role(StaffRole.OPERATOR)
    new = Entry(question="Q?", answer="A.", site=site, language="en", status="published")
    add = reverse("admin:knowledge_entry_add")

    refused = operator.post(add, {**form(new), "site": other_site.pk})
    assert refused.status_code == 200  # the form again
    assert not EntryRevision.objects.exists()
    assert operator.post(add, form(new)).status_code == 302

    assert not Entry.objects.exists()
    assert EntryRevision.objects.get().state == "proposed"


def test_an_entry_is_not_moved_out_of_a_reviewed_site_past_the_review(
    as_role, entry: Entry, other_site: Site, people
) -> None:
    site_update(site=entry.site, review_is_required=True)
    change(as_role(StaffRole.OPERATOR), entry, site=other_site.pk)
    entry.refresh_from_db()
    assert entry.site_id != other_site.pk


def bulk(client: Client, action: str, *entries: Entry, **data: object) -> str:
    answer = client.post(
        reverse("admin:knowledge_entry_changelist"),
        {"action": action, "_selected_action": [e.pk for e in entries], **data},
        follow=True,
    )
    assert answer.status_code == 200
    return answer.content.decode()


def test_owner_dates_and_audience_of_many_are_set_at_once(
    as_role, entry: Entry, site: Site, people
) -> None:
    other = entry_create(site=site, question="Other?", answer="x")
    trade = Audience.objects.create(site=site, name="Trade")
    admin = as_role(StaffRole.ADMIN)
    both = (entry, other)

    assert "2 entries" in bulk(admin, "owner_set", *both)
    assert not Entry.objects.filter(owner__isnull=False).exists()
    bulk(
        admin, "owner_set", *both, apply="1",
        owner=people[StaffRole.OPERATOR].pk, review_by="2026-12-24",
    )  # fmt: skip
    bulk(
        admin, "validity_set", *both, apply="1", valid_from_0="", valid_from_1="",
        valid_until_0="2026-12-31", valid_until_1="18:00",
    )  # fmt: skip
    assert "“Everyone” takes away the audience" in bulk(admin, "audience_set", *both)
    bulk(admin, "audience_set", *both, apply="1", audience=trade.pk)

    for row in Entry.objects.all():
        assert (row.owner, row.review_by) == (people[StaffRole.OPERATOR], date(2026, 12, 24))
        assert timezone.localtime(row.valid_until).strftime("%m-%d %H:%M") == "12-31 18:00"
        assert row.audience == trade


def test_a_bulk_change_leaves_out_what_it_cannot_set_and_says_so(
    as_role, entry: Entry, other_site: Site
) -> None:
    other = entry_create(site=other_site, question="Other?", answer="x")
    trade = Audience.objects.create(site=entry.site, name="Trade")
    html = bulk(
        as_role(StaffRole.ADMIN), "audience_set", entry, other, apply="1", audience=trade.pk
    )
    assert "This audience belongs to another site." in html
    assert Entry.objects.get(audience=trade) == entry


@pytest.mark.parametrize("action", ["publish", "owner_set", "export", "delete_chosen"])
def test_bulk_changes_are_for_who_may_change(as_role, entry: Entry, action: str) -> None:
    site_update(site=entry.site, review_is_required=True)  # operators have the form there
    before = Entry.objects.values().get()
    bulk(as_role(StaffRole.OPERATOR), action, entry, apply="1", review_by="2026-01-01")
    assert Entry.objects.values().get() == before


def test_entries_are_deleted_together_after_a_confirmation_and_stay_in_the_history(
    as_role, entry: Entry, people
) -> None:
    admin = as_role(StaffRole.ADMIN)
    assert "Customers will not be answered from them" in bulk(admin, "delete_chosen", entry)
    assert Entry.objects.exists()
    assert "1 entry was deleted." in bulk(admin, "delete_chosen", entry, apply="1")
    assert not Entry.objects.exists()
    assert EntryRevision.objects.get(cause="delete").by == people[StaffRole.ADMIN]


def test_the_export_holds_what_was_selected_and_no_formula(as_role, entry: Entry, site: Site):
    entry_create(site=site, question="Not this?", answer="x")
    entry_update(entry=entry, answer="=1+1")
    answer = as_role(StaffRole.ADMIN).post(
        reverse("admin:knowledge_entry_changelist"),
        {"action": "export", "_selected_action": [entry.pk]},
    )
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    [row] = csv.DictReader(io.StringIO(text))
    assert (row["question"], row["answer"]) == ("多久发货？", "'=1+1")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("due=all", {"due", "mine"}),
        ("due=mine", {"mine"}),
        ("due=unowned", {"due", "later", "over"}),
        ("validity=over", {"over"}),
        ("validity=later", {"later"}),
        ("validity=now", {"due", "mine"}),
    ],
)
def test_the_list_shows_what_is_due_and_what_is_not_valid(
    as_role, site: Site, people, query: str, found: set[str]
) -> None:
    today = timezone.localdate()
    past, future = datetime(2020, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)
    for question, values in {
        "due": {"review_by": today},
        "mine": {"review_by": date(2020, 1, 1), "owner": people[StaffRole.ADMIN]},
        "later": {"review_by": date(2099, 1, 1), "valid_from": future},
        "over": {"valid_until": past},
    }.items():
        entry_create(site=site, question=question, answer="x", status="published", **values)
    page = as_role(StaffRole.ADMIN).get(reverse("admin:knowledge_entry_changelist") + f"?{query}")
    assert {entry.question for entry in page.context["cl"].result_list} == found


def test_an_audience_that_entries_have_cannot_be_deleted(as_role, entry: Entry, site: Site) -> None:
    trade = Audience.objects.create(site=site, name="Trade")
    entry_update(entry=entry, audience=trade)
    admin = as_role(StaffRole.ADMIN)
    admin.post(reverse("admin:knowledge_audience_delete", args=[trade.pk]), {"post": "yes"})
    assert Audience.objects.exists()


def test_an_audience_is_made_on_its_page(as_role, site: Site) -> None:
    admin = as_role(StaffRole.ADMIN)
    address = reverse("admin:knowledge_audience_add")
    admin.post(address, {"site": site.pk, "name": "Trade", "groups": "b\n a \n\nb"})
    assert Audience.objects.get().groups == "a\nb"
    assert (
        admin.post(address, {"site": site.pk, "name": "x", "groups": "y" * 61}).status_code == 200
    )
    assert Audience.objects.count() == 1


def editor_make() -> User:
    """Somebody who may change entries and import, but not publish where changes are reviewed."""
    person = User.objects.create_user("editor", password="x", is_staff=True)
    person.user_permissions.set(
        Permission.objects.filter(
            codename__in=[
                "view_entry", "change_entry", "delete_entry", "view_knowledgeimport",
                "add_knowledgeimport", "view_gap", "change_gap", "view_entryproposal",
            ]
        )
    )  # fmt: skip
    return person


def test_the_form_says_before_anything_is_written_that_a_change_will_be_reviewed(
    as_role, entry: Entry
) -> None:
    site_update(site=entry.site, review_is_required=True)
    page = reverse("admin:knowledge_entry_change", args=[entry.pk])
    operator, admin = as_role(StaffRole.OPERATOR), as_role(StaffRole.ADMIN)
    body = operator.get(page).content.decode()
    assert "Send for approval" in body
    assert "waits for an approval" in body
    assert "_addanother" not in body
    body = admin.get(page).content.decode()
    assert "Send for approval" not in body
    assert "A change proposed by" not in body

    operator.post(page, form(entry, answer="x"))

    proposal = EntryRevision.objects.get(number=None)
    for client in (operator, admin):
        body = client.get(page).content.decode()
        assert "A change proposed by" in body
        assert reverse("admin:knowledge_entryproposal_change", args=[proposal.pk]) in body


def test_a_form_to_add_an_entry_begins_with_the_shops_own_site(as_role, site: Site) -> None:
    demo = Site.objects.create(name="Demo", is_demo=True)
    add = reverse("admin:knowledge_entry_add")
    chosen = as_role(StaffRole.ADMIN).get(add).context["adminform"].form.initial
    assert chosen["site"] == site.pk

    site_update(site=demo, review_is_required=True)
    form_shown = as_role(StaffRole.OPERATOR).get(add).context["adminform"].form
    assert form_shown.initial["site"] == demo.pk
    assert form_shown.initial["status"] == Entry.Status.PUBLISHED
    assert "owner" not in form_shown.fields


def test_an_editor_finds_no_way_around_the_review(client: Client, entry: Entry) -> None:
    site_update(site=entry.site, review_is_required=True)
    client.force_login(editor_make())
    batch = import_plan(
        batch=import_create(site=entry.site, file_name="a.csv", data=b"question,answer\nQ?,A.\n")
    )
    gap = Gap.objects.create(
        site=entry.site, language="en", title="Do you repair?", last_asked_at=timezone.now()
    )
    before = list(Entry.objects.values())

    bulk(client, "unpublish", entry)
    client.post(
        reverse("admin:knowledge_entry_changelist"),
        {"action": "delete_chosen", "_selected_action": [entry.pk], "apply": "1"},
    )
    client.post(reverse("admin:knowledge_entry_delete", args=[entry.pk]), {"post": "yes"})
    client.post(reverse("admin:knowledge_entry_revert", args=[entry.pk]), {"number": "1"})
    step = reverse("admin:knowledge_knowledgeimport_step", args=[batch.pk])
    client.post(step, {"step": "start"})
    client.post(
        reverse("admin:conversations_gap_step", args=[gap.pk]),
        {"step": "fill", "question": "Q?", "answer": "A.", "phrasings": ""},
    )
    change(client, entry, answer="x")

    assert list(Entry.objects.values()) == before
    batch.refresh_from_db()
    assert batch.state == "planned"
    assert EntryRevision.objects.get(number=None).answer == "x"


@pytest.mark.parametrize(
    ("field", "day", "hour", "expected"),
    [
        ("valid_from", "2027-01-31", "", "2027-01-31 00:00"),
        ("valid_until", "2027-01-31", "", "2027-02-01 00:00"),
        ("valid_until", "2027-01-31", "18:00", "2027-01-31 18:00"),
        ("valid_until", "2027-01-31", "00:00", "2027-01-31 00:00"),
        ("valid_until", "", "18:00", None),
        ("valid_until", "2027-13-45", "", None),
    ],
)
def test_a_date_without_a_time_counts_from_its_beginning_or_to_its_end(
    as_role, entry: Entry, field: str, day: str, hour: str, expected: str | None
) -> None:
    page = reverse("admin:knowledge_entry_change", args=[entry.pk])
    sent = form(entry, **{f"{field}_0": day, f"{field}_1": hour})
    answer = as_role(StaffRole.ADMIN).post(page, sent)
    entry.refresh_from_db()
    moment = getattr(entry, field)
    if expected is None:
        assert answer.status_code == 200
        assert moment is None
    else:
        assert answer.status_code == 302
        assert timezone.localtime(moment).strftime("%Y-%m-%d %H:%M") == expected


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("多久发货", {"多久发货？"}),
        ("发货三天", {"多久发货？"}),  # both words, the other way round, without a blank
        ("發貨", {"多久发货？"}),
        ("发货，三天", {"多久发货？"}),
        ("returning blankets", {"Can I return the blanket?"}),
        ("发货 blanket", set()),
        ("退货", set()),
    ],
)
def test_staff_find_entries_by_words_as_they_type_them(
    entry: Entry, as_role, typed: str, found: set[str]
) -> None:
    entry_create(
        site=entry.site, question="Can I return the blanket?", answer="Yes.", language="en"
    )
    page = as_role(StaffRole.ADMIN).get(reverse("admin:knowledge_entry_changelist"), {"q": typed})
    assert {each.question for each in page.context["cl"].queryset} == found


def test_a_decided_proposal_shows_what_it_changed_and_no_more(
    entry: Entry, people: dict[StaffRole, User], as_role
) -> None:
    values = {
        "question": entry.question, "answer": "五天内发货。", "keywords": "", "status": "published",
        "language": "zh-hans", "phrasings": [], "audience": None, "valid_from": None,
        "valid_until": None,
    }  # fmt: skip
    proposal = proposal_create(
        site=entry.site, entry=entry, by=people[StaffRole.OPERATOR], values=values
    )
    assert proposal is not None
    proposal_approve(proposal=proposal, by=people[StaffRole.ADMIN])
    entry_update(entry=entry, answer="六天内发货。")
    page = as_role(StaffRole.ADMIN).get(
        reverse("admin:knowledge_entryproposal_change", args=[proposal.pk])
    )
    body = page.content.decode()
    assert "What changed" in body
    assert "<del>三</del><ins>五</ins>天内发货。" in body
    assert [field.name for field in page.context["fields"]] == ["answer"]
