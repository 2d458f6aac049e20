import pytest
from django.core.exceptions import ValidationError

from knowledge.models import Entry
from knowledge.services.entries import (
    entry_create,
    entry_delete,
    entry_publish,
    entry_unpublish,
    entry_update,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def entry(site):
    return entry_create(
        site=site, question="How long?", answer="3 days.", phrasings=["When?", "How fast?"]
    )


def test_an_entry_begins_as_a_draft_in_the_sites_language(entry):
    assert (entry.status, entry.language, entry.revision) == ("draft", "en", 1)


def test_the_revision_grows_with_every_change_of_the_content_and_with_nothing_else(entry):
    assert entry_publish(entry=entry).revision == 2
    assert entry_update(entry=entry, keywords="delivery").revision == 3
    assert entry_update(entry=entry, answer="3 days.").revision == 3
    assert entry_update(entry=entry, answer="4 days.").revision == 4
    assert entry_update(entry=entry, question="How long is it?").revision == 5
    assert entry_unpublish(entry=entry).status == "draft"


def test_an_instance_that_a_form_already_changed_still_gets_its_revision(entry):
    entry.answer = "5 days."
    assert entry_update(entry=entry, answer="5 days.").revision == 2


def test_phrasings_that_stay_keep_their_rows(entry):
    kept = entry.phrasings.get(text="When?").pk
    entry_update(entry=entry, phrasings=["New?", "When?", "New?", "  "])
    assert sorted(entry.phrasings.values_list("text", flat=True)) == ["New?", "When?"]
    assert entry.phrasings.get(text="When?").pk == kept


def test_phrasings_that_are_not_given_stay(entry):
    entry_update(entry=entry, answer="x")
    assert entry.phrasings.count() == 2


@pytest.mark.parametrize(
    "values",
    [
        {"question": " "},
        {"answer": ""},
        {"question": "x" * 501},
        {"answer": "x" * 8001},
        {"language": "fr"},
        {"status": "gone"},
        {"phrasings": ["x" * 501]},
    ],
)
def test_unusable_values_are_refused_and_nothing_changes(entry, values):
    with pytest.raises(ValidationError):
        entry_update(entry=entry, **values)
    stored = Entry.objects.get(pk=entry.pk)
    assert (stored.question, stored.answer, stored.revision) == ("How long?", "3 days.", 1)
    assert stored.phrasings.count() == 2


def test_html_is_stored_as_the_text_it_is_and_what_cannot_be_stored_is_dropped(site):
    entry = entry_create(
        site=site, question="<b>Q</b>\x00", answer="<script>alert(1)</script>\ud800\r\nx"
    )
    assert entry.question == "<b>Q</b>"
    assert entry.answer == "<script>alert(1)</script>?\nx"


def test_an_entry_that_is_gone_is_not_written_back(entry):
    entry_delete(entry=entry)
    with pytest.raises(Entry.DoesNotExist):
        entry_update(entry=entry, answer="x")


def test_who_changed_it_is_kept(entry, django_user_model):
    alice = django_user_model.objects.create_user("alice")
    assert entry_update(entry=entry, answer="x", by=alice).updated_by == alice
    assert entry_update(entry=entry, answer="y").updated_by == alice
