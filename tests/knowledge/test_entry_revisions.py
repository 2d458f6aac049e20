"""The history of entries: what each said at any time, and how to bring it back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User

from knowledge.models import Audience, Entry, EntryRevision, Site
from knowledge.services.entries import (
    AudienceGone,
    entry_create,
    entry_delete,
    entry_publish,
    entry_revert,
    entry_update,
)
from knowledge.services.imports.applying import (
    import_apply,
    import_start,
    import_undo,
    import_undo_start,
)
from knowledge.services.imports.planning import import_create, import_plan
from knowledge.services.revisions import revision_catch_up, revision_content

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)


@pytest.fixture
def alice() -> User:
    return User.objects.create(username="alice")


@pytest.fixture
def entry(site: Site) -> Entry:
    return entry_create(site=site, question="How long?", answer="3 days.", phrasings=["When?"])


def history(entry: Entry) -> list[tuple[int | None, str, str]]:
    rows = EntryRevision.objects.filter(entry_id=entry.pk).order_by("number")
    return [(row.number, row.cause, row.answer) for row in rows]


def test_every_change_of_the_content_is_kept_with_its_author(entry: Entry, alice: User) -> None:
    entry_update(entry=entry, answer="4 days.", by=alice)
    entry_update(entry=entry, phrasings=["When?", "How fast?"], by=alice)
    entry_publish(entry=entry)

    first, second, third, fourth = EntryRevision.objects.filter(entry=entry).order_by("number")
    assert [row.number for row in (first, second, third, fourth)] == [1, 2, 3, 4]
    assert (first.answer, second.answer) == ("3 days.", "4 days.")
    assert (first.by, second.by, fourth.by) == (None, alice, None)
    assert third.phrasings == ["When?", "How fast?"]
    assert (third.status, fourth.status) == ("draft", "published")


def test_a_change_of_nothing_or_of_the_owner_is_no_revision(entry: Entry, alice: User) -> None:
    entry_update(entry=entry, answer="3 days.", phrasings=["When?"], by=alice)
    entry_update(entry=entry, owner=alice)

    assert len(history(entry)) == 1
    assert Entry.objects.get().owner == alice


def test_dates_and_audience_are_part_of_a_revision(entry: Entry, site: Site) -> None:
    trade = Audience.objects.create(site=site, name="Trade")
    entry_update(entry=entry, audience=trade, valid_until=NOON)
    entry_update(entry=entry, audience=None)

    kept = revision_content(entry_id=entry.pk, number=2)
    assert kept is not None
    assert (kept.audience_id, kept.valid_until) == (trade.pk, NOON)
    assert Entry.objects.get().valid_until == NOON


def test_the_text_of_a_revision_is_there_after_the_entry_was_deleted(
    entry: Entry, alice: User
) -> None:
    pk = entry.pk
    entry_update(entry=entry, answer="4 days.")
    entry_delete(entry=entry, by=alice)

    assert revision_content(entry_id=pk, number=1).answer == "3 days."
    assert revision_content(entry_id=pk, number=2).phrasings == ("When?",)
    last = EntryRevision.objects.get(entry_id=pk, number=3)
    assert (last.cause, last.by) == ("delete", alice)
    assert revision_content(entry_id=pk, number=4) is None


def test_to_bring_a_revision_back_makes_a_new_one_and_publishes_nothing(entry: Entry) -> None:
    entry_publish(entry=entry)
    entry_update(entry=entry, question="How long now?", answer="9 days.", phrasings=[])
    entry_update(entry=entry, status="draft")
    first = EntryRevision.objects.get(entry=entry, number=1)

    entry_revert(entry=entry, revision=first)

    entry.refresh_from_db()
    assert (entry.question, entry.answer, entry.status) == ("How long?", "3 days.", "draft")
    assert entry.phrasings.get().text == "When?"
    assert history(entry)[-1] == (5, "revert", "3 days.")


def test_a_text_for_an_audience_that_is_gone_is_not_shown_to_everyone(
    entry: Entry, site: Site
) -> None:
    trade = Audience.objects.create(site=site, name="Trade")
    entry_update(entry=entry, audience=trade, answer="Net price.")
    entry_update(entry=entry, audience=None, answer="List price.")
    trade.delete()

    with pytest.raises(AudienceGone):
        entry_revert(entry=entry, revision=EntryRevision.objects.get(entry=entry, number=2))
    assert Entry.objects.get().answer == "List price."
    assert EntryRevision.objects.get(entry=entry, number=2).audience_name == "Trade"


def test_a_revision_of_another_entry_is_refused(entry: Entry, site: Site) -> None:
    other = entry_create(site=site, question="Other?", answer="x")
    with pytest.raises(ValueError, match="no revision of this entry"):
        entry_revert(entry=entry, revision=EntryRevision.objects.get(entry=other))


def test_what_a_bulk_update_wrote_gets_a_number_and_is_kept_before_the_next_change(
    entry: Entry,
) -> None:
    Entry.objects.filter(pk=entry.pk).update(answer="5 days.")
    entry.refresh_from_db()
    assert entry.revision == 2  # an answer made from it names a number of its own

    entry_update(entry=entry, answer="6 days.")

    assert history(entry) == [
        (1, "edit", "3 days."),
        (2, "found", "5 days."),
        (3, "edit", "6 days."),
    ]


def test_a_phrasing_that_was_deleted_past_the_services_is_noticed(entry: Entry) -> None:
    entry.phrasings.all().delete()
    revision_catch_up(entry=entry)
    revision_catch_up(entry=entry)

    assert [number for number, _, _ in history(entry)] == [1, 2]
    assert Entry.objects.get().revision == 2
    assert revision_content(entry_id=entry.pk, number=2).phrasings == ()


def test_the_order_of_phrasings_is_no_change(entry: Entry) -> None:
    entry_update(entry=entry, phrasings=["A?", "When?"])
    entry_update(entry=entry, phrasings=["When?", "A?"])
    entry_update(entry=entry, keywords="x")

    assert [cause for _, cause, _ in history(entry)] == ["edit", "edit", "edit"]


def test_an_import_and_its_undo_stand_in_the_history(entry: Entry, site: Site, alice: User) -> None:
    data = b"question,answer\nHow long?,8 days.\nNew?,Yes.\n"
    batch = import_create(site=site, file_name="faq.csv", data=data, by=alice)
    import_plan(batch=batch)
    batch = import_apply(batch=import_start(batch=batch))
    new = Entry.objects.get(question="New?").pk
    import_undo(batch=import_undo_start(batch=batch))

    assert history(entry) == [
        (1, "edit", "3 days."),
        (2, "import", "8 days."),
        (3, "import_undo", "3 days."),
    ]
    undone = EntryRevision.objects.filter(entry_id=new).order_by("number")
    assert [(row.cause, row.note, row.by) for row in undone] == [
        ("import", "faq.csv", alice),
        ("import_undo", "faq.csv", alice),
    ]


def test_a_site_takes_its_history_with_it(entry: Entry, site: Site) -> None:
    site.delete()
    assert not EntryRevision.objects.exists()
