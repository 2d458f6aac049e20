"""Changes of many entries: by the worker, one entry after the other, from where it was broken off."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.translation import override
from django_tasks_db.models import DBTaskResult

from knowledge.admin import entry_actions
from knowledge.models import Audience, BulkChange, Entry, EntryRevision, Site
from knowledge.services import bulk_changes
from knowledge.services.bulk_changes import bulk_change_create, bulk_change_run
from knowledge.services.entries import entry_create, entry_delete
from knowledge.services.sites import site_update
from knowledge.tasks import bulk_changing
from tests.knowledge.desk_people import browser_of, person_with

pytestmark = pytest.mark.django_db

Kind = BulkChange.Kind


@pytest.fixture
def editor(db: None) -> User:
    return person_with("view_entry", "change_entry", "delete_entry")


@pytest.fixture
def entries(site: Site) -> list[Entry]:
    return [entry_create(site=site, question=f"Question {n}?", answer="x") for n in range(4)]


def _chosen(entries: list[Entry]) -> list[int]:
    return [entry.pk for entry in entries]


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (Kind.PUBLISH, {}, {"status": "published"}),
        (
            Kind.OWNER,
            {"owner": None, "review_by": date(2026, 12, 24)},
            {"owner_id": None, "review_by": date(2026, 12, 24)},
        ),
        (
            Kind.VALIDITY,
            {"valid_from": None, "valid_until": datetime(2026, 12, 31, 18, tzinfo=UTC)},
            {"valid_from": None, "valid_until": datetime(2026, 12, 31, 18, tzinfo=UTC)},
        ),
    ],
)
def test_what_was_chosen_is_set_on_every_entry(
    editor: User, entries: list[Entry], kind: str, values: dict, expected: dict
) -> None:
    change = bulk_change_create(kind=kind, entries=_chosen(entries), values=values, by=editor)
    change.refresh_from_db()  # as the worker reads it
    change = bulk_change_run(change=change)

    assert (change.state, change.done, change.changed) == ("done", 4, 4)
    for row in Entry.objects.values():
        assert {**row, **expected} == row


def test_an_owner_and_an_audience_are_kept_by_their_keys(
    editor: User, site: Site, entries: list[Entry]
) -> None:
    trade = Audience.objects.create(site=site, name="Trade")
    for kind, values in (
        (Kind.OWNER, {"owner": editor, "review_by": None}),
        (Kind.AUDIENCE, {"audience": trade}),
    ):
        bulk_change_run(
            change=bulk_change_create(kind=kind, entries=_chosen(entries), values=values, by=editor)
        )
    assert {(e.owner, e.audience) for e in Entry.objects.all()} == {(editor, trade)}


def test_a_deleted_audience_does_not_open_the_entries_to_everyone(
    editor: User, site: Site, entries: list[Entry]
) -> None:
    trade, staff = (Audience.objects.create(site=site, name=name) for name in ("Trade", "Staff"))
    Entry.objects.update(audience=staff)
    change = bulk_change_create(
        kind=Kind.AUDIENCE, entries=_chosen(entries), values={"audience": trade}, by=editor
    )
    trade.delete()
    change = bulk_change_run(change=change)
    assert (change.changed, len(change.refused)) == (0, 4)
    assert set(Entry.objects.values_list("audience", flat=True)) == {staff.pk}


def test_a_deleted_account_does_not_leave_the_entries_without_an_owner(
    editor: User, entries: list[Entry]
) -> None:
    owner = User.objects.create_user("gone")
    Entry.objects.update(owner=editor)
    values = {"owner": owner, "review_by": None}
    change = bulk_change_create(kind=Kind.OWNER, entries=_chosen(entries), values=values, by=editor)
    owner.delete()
    change = bulk_change_run(change=change)
    assert (change.changed, change.refused_count) == (0, 4)
    assert set(Entry.objects.values_list("owner", flat=True)) == {editor.pk}


END = datetime(2026, 12, 31, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "already"),
    [
        (Kind.PUBLISH, {"status": "published"}),
        (Kind.UNPUBLISH, {"status": "draft"}),
        (Kind.OWNER, {"owner": "lee", "review_by": date(2026, 12, 24)}),
        (Kind.VALIDITY, {"valid_from": None, "valid_until": END}),
        (Kind.AUDIENCE, {"audience": "Trade"}),
    ],
)
def test_what_is_so_already_is_counted_apart_and_not_written(
    editor: User, site: Site, entries: list[Entry], kind: str, already: dict
) -> None:
    trade = Audience.objects.create(site=site, name="Trade")
    named = {"lee": editor, "Trade": trade}
    already = {name: named.get(value, value) for name, value in already.items()}
    Entry.objects.update(status="draft" if kind == Kind.PUBLISH else "published")
    Entry.objects.filter(pk__in=_chosen(entries[:3])).update(**already)
    rows = {row["id"]: row for row in Entry.objects.values()}
    revisions = set(EntryRevision.objects.values_list("pk", flat=True))
    site.refresh_from_db()
    noticed = site.knowledge_revision

    values = {} if "status" in already else already
    for chosen, expected in ((entries[:3], (0, 3)), (entries, (1, 3))):
        change = bulk_change_run(
            change=bulk_change_create(kind=kind, entries=_chosen(chosen), values=values, by=editor)
        )
        assert (change.changed, change.unchanged, change.refused_count) == (*expected, 0)
        if chosen != entries:
            assert {row["id"]: row for row in Entry.objects.values()} == rows
            site.refresh_from_db()
            assert site.knowledge_revision == noticed

    written = Entry.objects.exclude(pk__in=_chosen(entries[:3])).values().get()
    assert written != rows[written["id"]]
    new = EntryRevision.objects.exclude(pk__in=revisions)
    assert set(new.values_list("entry_id", flat=True)) <= {written["id"]}


def test_an_entry_that_is_so_already_needs_no_review(
    editor: User, site: Site, entries: list[Entry]
) -> None:
    Entry.objects.filter(pk=entries[0].pk).update(status="published")
    site_update(site=site, review_is_required=True)
    change = bulk_change_run(
        change=bulk_change_create(kind=Kind.PUBLISH, entries=_chosen(entries), by=editor)
    )
    assert (change.changed, change.unchanged, change.reviewed) == (0, 1, 3)


def test_what_was_deleted_meanwhile_is_told_by_what_was_wanted(
    editor: User, entries: list[Entry]
) -> None:
    chosen = _chosen(entries)
    entry_delete(entry=entries[0])
    for kind, expected in ((Kind.PUBLISH, (3, 0, 1)), (Kind.DELETE, (3, 1, 0))):
        change = bulk_change_run(change=bulk_change_create(kind=kind, entries=chosen, by=editor))
        assert (change.changed, change.unchanged, change.gone) == expected


def test_the_list_tells_apart_what_was_changed_was_so_and_could_not_be(
    editor: User, site: Site, other_site: Site, entries: list[Entry]
) -> None:
    foreign = entry_create(site=other_site, question="Foreign?", answer="x")
    trade = Audience.objects.create(site=site, name="Trade")
    Entry.objects.filter(pk=entries[0].pk).update(audience=trade)
    answer = browser_of(editor).post(
        reverse("admin:knowledge_entry_changelist"),
        {
            "action": "audience_set",
            "_selected_action": [*_chosen(entries), foreign.pk],
            "apply": "1",
            "audience": trade.pk,
        },
        follow=True,
    )
    told = [(each.level_tag, str(each)) for each in answer.context["messages"]]
    assert told == [
        ("success", "3 entries were changed."),
        ("info", "1 entry was so already."),
        ("error", "1 entry could not be changed."),
        ("error", "“Foreign?”: This audience belongs to another site."),
    ]


def test_what_is_published_already_is_said_to_be(editor: User, entries: list[Entry]) -> None:
    Entry.objects.filter(pk__in=_chosen(entries[:2])).update(status="published")
    listing = reverse("admin:knowledge_entry_changelist")
    data = {"action": "publish", "_selected_action": _chosen(entries)}
    for expected in (
        ["2 entries were published.", "2 entries were published already."],
        ["4 entries were published already."],
    ):
        answer = browser_of(editor).post(listing, data, follow=True)
        assert [str(each) for each in answer.context["messages"]] == expected


def test_many_refusals_are_left_to_the_page_of_the_change(
    editor: User, other_site: Site, entries: list[Entry]
) -> None:
    trade = Audience.objects.create(site=other_site, name="Trade")
    client, listing = browser_of(editor), reverse("admin:knowledge_entry_changelist")
    data = {"action": "audience_set", "_selected_action": _chosen(entries), "apply": "1"}
    body = client.post(listing, {**data, "audience": trade.pk}, follow=True).content.decode()
    page = reverse("admin:knowledge_bulkchange_change", args=[BulkChange.objects.get().pk])
    assert "4 entries could not be changed." in body
    assert page in body
    assert "This audience belongs to another site." not in body

    shown = client.get(page).content.decode()
    assert shown.count("This audience belongs to another site.") == 1  # a reason is said once
    for entry in entries:
        assert reverse("admin:knowledge_entry_change", args=[entry.pk]) in shown


def test_a_run_that_was_broken_off_goes_on_behind_the_last_entry(
    editor: User, entries: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    change = bulk_change_create(kind=Kind.PUBLISH, entries=_chosen(entries), by=editor)
    update = bulk_changes.entry_update

    def breaks_at_the_third(*, entry: Entry, **values: object) -> Entry:
        if entry.pk == entries[2].pk:
            raise SystemExit
        return update(entry=entry, **values)

    with monkeypatch.context() as broken:
        broken.setattr(bulk_changes, "entry_update", breaks_at_the_third)
        with pytest.raises(SystemExit):
            bulk_change_run(change=change)
    assert Entry.objects.filter(status="published").count() == 2

    change = bulk_change_run(change=change)
    assert (change.state, change.done, change.changed) == ("done", 4, 4)
    assert EntryRevision.objects.filter(status="published").count() == 4


def test_what_is_gone_reviewed_or_no_longer_allowed_is_left_alone(
    editor: User, site: Site, other_site: Site, entries: list[Entry]
) -> None:
    reviewed = entry_create(site=other_site, question="Reviewed?", answer="x")
    site_update(site=other_site, review_is_required=True)
    entry_delete(entry=entries[0])
    chosen = [*_chosen(entries), reviewed.pk]
    change = bulk_change_run(
        change=bulk_change_create(kind=Kind.PUBLISH, entries=chosen, by=editor)
    )
    assert (change.done, change.changed, change.reviewed, change.gone) == (5, 3, 1, 1)
    assert change.refused_count == 0
    reviewed.refresh_from_db()
    assert reviewed.status == "draft"

    unpublish = bulk_change_create(kind=Kind.UNPUBLISH, entries=chosen, by=editor)
    editor.user_permissions.clear()
    unpublish = bulk_change_run(change=unpublish)
    assert (unpublish.changed, unpublish.gone, unpublish.refused_count) == (0, 1, 4)
    assert Entry.objects.filter(status="published").count() == 3


def test_to_change_entries_is_no_right_to_delete_them(entries: list[Entry]) -> None:
    person = person_with("view_entry", "change_entry")
    change = bulk_change_run(
        change=bulk_change_create(kind=Kind.DELETE, entries=_chosen(entries), by=person)
    )
    assert (change.changed, len(change.refused)) == (0, 4)
    assert Entry.objects.count() == 4


def test_a_reason_is_read_in_the_readers_language(
    editor: User, site: Site, other_site: Site, entries: list[Entry]
) -> None:
    trade = Audience.objects.create(site=other_site, name="Trade")
    values = {"audience": trade}
    change = bulk_change_create(
        kind=Kind.AUDIENCE, entries=_chosen(entries), values=values, by=editor
    )
    with override("en"):
        bulk_change_run(change=change)
    address = reverse("admin:knowledge_bulkchange_change", args=[change.pk])
    client = browser_of(editor)
    assert "This audience belongs to another site." in client.get(address).content.decode()
    chinese = client.get(address, headers={"accept-language": "zh-hans"}).content.decode()
    assert "This audience belongs to another site." not in chinese


def test_what_is_refused_beyond_those_that_are_named_is_counted(
    editor: User, other_site: Site, entries: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_changes, "REFUSED_KEPT", 1)
    values = {"audience": Audience.objects.create(site=other_site, name="Trade")}
    chosen = _chosen(entries)
    change = bulk_change_create(kind=Kind.AUDIENCE, entries=chosen, values=values, by=editor)
    bulk_change_run(change=change)
    page = reverse("admin:knowledge_bulkchange_change", args=[change.pk])
    body = browser_of(editor).get(page).content.decode()
    assert body.count("This audience belongs to another site.") == 1
    assert "4 entries could not be changed." in body
    assert "and 3 more" in body


def test_many_entries_are_left_to_the_worker_and_a_page_tells_how_far_it_is(
    editor: User, entries: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry_actions, "AT_ONCE", 3)
    client, listing = browser_of(editor), reverse("admin:knowledge_entry_changelist")
    data = {"action": "publish", "_selected_action": _chosen(entries)}
    answer = client.post(listing, data)
    change = BulkChange.objects.get()
    page = reverse("admin:knowledge_bulkchange_change", args=[change.pk])
    progress = reverse("admin:knowledge_bulkchange_progress", args=[change.pk])

    assert answer.headers["location"] == page
    assert not Entry.objects.filter(status="published").exists()
    assert progress in client.get(page).content.decode()
    assert "0 of 4 entries" in client.get(progress).content.decode()
    assert page in client.get(listing).content.decode()

    task = DBTaskResult.objects.get(task_path=bulk_changing.module_path)
    bulk_changing.func(*task.args_kwargs["args"], **task.args_kwargs["kwargs"])

    assert Entry.objects.filter(status="published").count() == 4
    assert client.get(progress).headers["HX-Refresh"] == "true"
    assert "4 entries were published." in client.get(page).content.decode()
    assert page not in client.get(listing).content.decode()
