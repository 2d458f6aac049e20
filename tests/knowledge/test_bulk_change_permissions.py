"""Who may begin a change of many entries, on which of them it is made, and who may look at it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django_tasks_db.models import DBTaskResult

from knowledge.admin import entry_actions
from knowledge.models import BulkChange, Entry, Site
from knowledge.services.bulk_changes import bulk_change_create, bulk_change_run
from knowledge.services.entries import entry_create
from knowledge.services.sites import site_update
from knowledge.tasks import bulk_changing
from tests.knowledge.desk_people import browser_of, person_with

pytestmark = pytest.mark.django_db

Kind = BulkChange.Kind

LISTING = "admin:knowledge_entry_changelist"
CHANGING = {"publish", "unpublish", "owner_set", "validity_set", "audience_set"}


@pytest.fixture
def entries(site: Site) -> list[Entry]:
    return [entry_create(site=site, question=f"Question {n}?", answer="x") for n in range(3)]


@pytest.fixture
def reviewed(other_site: Site) -> Entry:
    """An entry of a site whose changes are reviewed."""
    site_update(site=other_site, review_is_required=True)
    return entry_create(site=other_site, question="Reviewed?", answer="x")


def _pages(change: BulkChange) -> list[str]:
    names = ("change", "progress", "history")
    return [
        reverse("admin:knowledge_bulkchange_changelist"),
        *(reverse(f"admin:knowledge_bulkchange_{name}", args=[change.pk]) for name in names),
    ]


def _begun(by: User, *entries: Entry, kind: str = Kind.DELETE) -> BulkChange:
    return bulk_change_create(kind=kind, entries=[entry.pk for entry in entries], by=by)


def _posted(client: Client, action: str, *entries: Entry, **data: object) -> str:
    data = {"action": action, "_selected_action": [entry.pk for entry in entries], **data}
    answer = client.post(reverse(LISTING), data, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize(
    ("permissions", "opens"),
    [
        ((), False),
        (("view_entry",), False),
        (("view_entry", "propose_entry"), False),
        (("view_entry", "publish_entry", "export_entry"), False),
        (("delete_entry",), False),  # to delete what one may not see shows nothing of it
        (("view_entry", "delete_entry"), True),
        (("change_entry",), True),  # who may change entries sees them
        (("view_bulkchange",), True),
    ],
)
def test_the_pages_of_a_change_open_to_whoever_could_have_begun_it_and_may_see_entries(
    entries: list[Entry], permissions: tuple[str, ...], opens: bool
) -> None:
    colleague = person_with("view_entry", "change_entry", username="colleague")
    change = bulk_change_run(change=_begun(colleague, *entries))
    assert change.refused_count == 3
    client = browser_of(person_with(*permissions))
    assert {client.get(page).status_code for page in _pages(change)} == {200 if opens else 403}
    way = client.get(reverse("admin:knowledge_entry_bulk_changes_open"))
    assert way.status_code == (302 if opens else 403)


def test_the_pages_of_a_change_ask_a_stranger_to_log_in(entries: list[Entry]) -> None:
    change = _begun(person_with("delete_entry"), *entries)
    for page in _pages(change):
        answer = Client().get(page)
        assert answer.status_code == 302
        assert answer.headers["location"].startswith(reverse("admin:login"))


def test_a_change_that_is_not_there_is_said_not_to_be(db: None) -> None:
    client = browser_of(person_with("view_bulkchange"))
    progress = reverse("admin:knowledge_bulkchange_progress", args=[404])
    assert client.get(progress).status_code == 404


@pytest.mark.parametrize("page", ["add", "change", "delete"])
def test_nobody_writes_a_change_but_by_its_action(entries: list[Entry], page: str) -> None:
    change = _begun(person_with("delete_entry"), *entries)
    before = BulkChange.objects.values().get()
    client = browser_of(User.objects.create_superuser("root"))
    args = [] if page == "add" else [change.pk]
    data = {"post": "yes", "state": "done", "kind": "publish"}
    client.post(reverse(f"admin:knowledge_bulkchange_{page}", args=args), data)
    assert BulkChange.objects.values().get() == before


def test_refused_entries_are_links_only_for_those_who_may_open_them(entries: list[Entry]) -> None:
    change = bulk_change_run(change=_begun(person_with("change_entry"), *entries))
    page = reverse("admin:knowledge_bulkchange_change", args=[change.pk])
    entry = reverse("admin:knowledge_entry_change", args=[entries[0].pk])
    auditor = browser_of(person_with("view_bulkchange", username="auditor"))
    reader = browser_of(person_with("view_bulkchange", "view_entry", username="reader"))
    for client, is_link in ((auditor, False), (reader, True)):
        body = client.get(page).content.decode()
        assert "Question 0?" in body
        assert (entry in body) is is_link
        assert (f'href="{reverse(LISTING)}"' in body) is is_link


def test_the_list_names_a_running_change_to_all_and_links_it_for_those_who_may_look(
    entries: list[Entry],
) -> None:
    change = _begun(person_with("change_entry"), *entries, kind=Kind.PUBLISH)
    page = reverse("admin:knowledge_bulkchange_change", args=[change.pk])
    viewer = browser_of(person_with("view_entry", username="viewer"))
    deleter = browser_of(person_with("view_entry", "delete_entry", username="deleter"))
    for client, is_link in ((viewer, False), (deleter, True)):
        body = client.get(reverse(LISTING)).content.decode()
        assert "0 of 3 entries" in body
        assert (page in body) is is_link
        assert (reverse("admin:knowledge_entry_bulk_changes_open") in body) is is_link


@pytest.mark.parametrize(
    ("permissions", "offered"),
    [
        (("view_entry",), set()),
        (("view_entry", "propose_entry", "publish_entry"), set()),
        (("view_entry", "delete_entry"), {"delete_chosen"}),
        (("view_entry", "change_entry"), CHANGING),
        (("view_entry", "export_entry"), {"export"}),
        (("change_entry", "delete_entry", "export_entry"), {*CHANGING, "delete_chosen", "export"}),
    ],
)
def test_only_the_actions_that_a_person_may_take_are_offered_and_taken(
    entries: list[Entry], reviewed: Entry, permissions: tuple[str, ...], offered: set[str]
) -> None:
    client = browser_of(person_with(*permissions))
    changelist = client.get(reverse(LISTING)).context["cl"]
    form = client.get(reverse(LISTING)).context["action_form"]
    shown = {name for name, _label in form.fields["action"].choices if name} if form else set()
    assert changelist.result_count == 4
    assert shown == offered

    before = list(Entry.objects.values())
    for action in ({*CHANGING, "delete_chosen", "delete_selected"}) - offered:
        _posted(client, action, *entries, reviewed, apply="1", post="yes")
    assert list(Entry.objects.values()) == before
    assert not BulkChange.objects.exists()


def test_who_may_delete_and_not_change_deletes_many_and_sees_what_came_of_it(
    entries: list[Entry], reviewed: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry_actions, "AT_ONCE", 2)
    client = browser_of(person_with("view_entry", "delete_entry"))
    assert "Customers will not be answered from them" in _posted(client, "delete_chosen", *entries)
    begun = _posted(client, "delete_chosen", *entries, reviewed, apply="1")
    _list, page, progress, _history = _pages(BulkChange.objects.get())
    assert progress in begun
    assert "0 of 4 entries" in client.get(progress).content.decode()

    task = DBTaskResult.objects.get(task_path=bulk_changing.module_path)
    bulk_changing.func(*task.args_kwargs["args"], **task.args_kwargs["kwargs"])

    assert list(Entry.objects.all()) == [reviewed]
    body = client.get(page).content.decode()
    assert "3 entries were deleted." in body
    assert "1 entry was left out: changes of its site are reviewed." in body


def test_who_may_delete_and_not_change_deletes_one_from_its_page(
    entries: list[Entry], reviewed: Entry
) -> None:
    client = browser_of(person_with("view_entry", "delete_entry"))
    for entry, status in ((entries[0], 302), (reviewed, 403)):
        delete = reverse("admin:knowledge_entry_delete", args=[entry.pk])
        page = reverse("admin:knowledge_entry_change", args=[entry.pk])
        assert (delete in client.get(page).content.decode()) is (status == 302)
        assert client.post(delete, {"post": "yes"}).status_code == status
    assert set(Entry.objects.all()) == {*entries[1:], reviewed}


@pytest.mark.parametrize(
    ("kind", "permissions", "is_made"),
    [
        (Kind.PUBLISH, ("change_entry",), False),
        (Kind.PUBLISH, ("change_entry", "publish_entry"), True),
        (Kind.DELETE, ("change_entry", "delete_entry"), False),
        (Kind.DELETE, ("delete_entry",), False),
        (Kind.DELETE, ("delete_entry", "publish_entry"), True),
    ],
)
def test_where_changes_are_reviewed_only_those_who_may_publish_change_many(
    reviewed: Entry, kind: str, permissions: tuple[str, ...], is_made: bool
) -> None:
    change = bulk_change_run(change=_begun(person_with(*permissions), reviewed, kind=kind))
    assert (change.changed, change.reviewed) == ((1, 0) if is_made else (0, 1))


@pytest.mark.parametrize(
    ("kind", "permissions"),
    [
        (Kind.PUBLISH, ("view_entry", "delete_entry", "publish_entry", "propose_entry")),
        (Kind.DELETE, ("view_entry", "change_entry", "publish_entry", "propose_entry")),
    ],
)
def test_one_right_is_not_the_other(
    entries: list[Entry], kind: str, permissions: tuple[str, ...]
) -> None:
    before = list(Entry.objects.values())
    change = bulk_change_run(change=_begun(person_with(*permissions), *entries, kind=kind))
    assert (change.changed, change.refused_count) == (0, 3)
    assert list(Entry.objects.values()) == before


@pytest.mark.parametrize("loss", ["permission", "switched off", "gone"])
def test_what_a_person_may_no_longer_do_is_not_done_for_them(
    entries: list[Entry], loss: str
) -> None:
    person = person_with("view_entry", "delete_entry")
    change = _begun(person, *entries)
    match loss:
        case "permission":
            person.user_permissions.remove(Permission.objects.get(codename="delete_entry"))
        case "switched off":
            User.objects.filter(pk=person.pk).update(is_active=False)
        case "gone":
            person.delete()
    change = bulk_change_run(change=change)
    assert (change.changed, change.refused_count) == (0, 3)
    assert Entry.objects.count() == 3
