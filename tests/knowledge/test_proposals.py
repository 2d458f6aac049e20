"""Where changes are reviewed, customers see the published text until somebody approves."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from knowledge.models import Entry, EntryRevision, Site
from knowledge.services.entries import entry_create, entry_delete, entry_update
from knowledge.services.proposals import (
    ProposalStateWrong,
    proposal_approve,
    proposal_create,
    proposal_made,
    proposal_outcome,
    proposal_refuse,
    proposal_withdraw,
)

pytestmark = pytest.mark.django_db
VALUES = {
    "question": "How long?",
    "answer": "3 days.",
    "keywords": "",
    "language": "en",
    "status": "published",
    "phrasings": ["When?"],
    "audience": None,
    "valid_from": None,
    "valid_until": None,
}


@pytest.fixture
def bob() -> User:
    return User.objects.create(username="bob")


@pytest.fixture
def alice() -> User:
    return User.objects.create(username="alice")


@pytest.fixture
def entry(site: Site) -> Entry:
    return entry_create(site=site, **VALUES)


def propose(entry: Entry, by: User, **values: object) -> EntryRevision | None:
    return proposal_create(site=entry.site, entry=entry, by=by, values={**VALUES, **values})


def test_a_proposal_changes_nothing_until_it_is_approved(
    entry: Entry, alice: User, bob: User
) -> None:
    proposal = propose(entry, bob, answer="4 days.", phrasings=["When?", "How fast?"])
    assert Entry.objects.get().answer == "3 days."

    proposal_approve(proposal=proposal, by=alice)

    entry.refresh_from_db()
    assert (entry.answer, entry.revision, entry.phrasings.count()) == ("4 days.", 2, 2)
    row = EntryRevision.objects.get(entry=entry, number=2)
    assert (row.cause, row.by, row.note_words) == ("approval", bob, "Approved by alice")
    proposal.refresh_from_db()
    assert (proposal.state, proposal.decided_by, proposal.number) == ("applied", alice, None)


def test_a_new_entry_comes_to_be_when_it_is_approved(site: Site, alice: User, bob: User) -> None:
    proposal = proposal_create(site=site, values=VALUES, by=bob)
    assert not Entry.objects.exists()

    entry = proposal_approve(proposal=proposal, by=alice)

    assert (entry.question, entry.status, entry.updated_by) == ("How long?", "published", bob)
    assert entry.phrasings.get().text == "When?"


def test_what_somebody_changed_meanwhile_is_kept(entry: Entry, alice: User, bob: User) -> None:
    proposal = propose(entry, bob, answer="4 days.")
    entry_update(entry=entry, keywords="delivery", status="draft")

    proposal_approve(proposal=proposal, by=alice)

    entry.refresh_from_db()
    assert (entry.answer, entry.keywords, entry.status) == ("4 days.", "delivery", "draft")


def test_a_proposal_against_a_later_change_of_the_same_is_not_approved_by_the_way(
    entry: Entry, alice: User, bob: User
) -> None:
    proposal = propose(entry, bob, answer="4 days.")
    entry_update(entry=entry, answer="5 days.")
    assert proposal_outcome(proposal=proposal, entry=entry).conflicts == ("answer",)

    with pytest.raises(ProposalStateWrong):
        proposal_approve(proposal=proposal, by=alice)
    assert Entry.objects.get().answer == "5 days."

    proposal_approve(proposal=proposal, by=alice, overrules=True)
    assert Entry.objects.get().answer == "4 days."


def test_a_refusal_needs_a_reason(entry: Entry, alice: User, bob: User) -> None:
    proposal = propose(entry, bob, answer="4 days.")
    with pytest.raises(ValidationError):
        proposal_refuse(proposal=proposal, by=alice, reason="  ")

    proposal_refuse(proposal=proposal, by=alice, reason="The contract says three.")

    proposal.refresh_from_db()
    assert (proposal.state, proposal.reason) == ("refused", "The contract says three.")
    with pytest.raises(ProposalStateWrong):
        proposal_approve(proposal=proposal, by=alice)
    assert Entry.objects.get().answer == "3 days."


def test_only_its_author_withdraws_a_proposal(entry: Entry, alice: User, bob: User) -> None:
    proposal = propose(entry, bob, answer="4 days.")
    with pytest.raises(ProposalStateWrong):
        proposal_withdraw(proposal=proposal, by=alice)
    proposal_withdraw(proposal=proposal, by=bob)
    with pytest.raises(ProposalStateWrong):
        proposal_approve(proposal=proposal, by=alice)


def test_a_second_proposal_of_a_person_takes_the_place_of_the_first(
    entry: Entry, alice: User, bob: User
) -> None:
    first = propose(entry, bob, answer="4 days.")
    other = propose(entry, alice, answer="6 days.")
    second = propose(entry, bob, answer="5 days.")

    states = {p.pk: p.state for p in EntryRevision.objects.filter(number=None)}
    assert states == {first.pk: "withdrawn", other.pk: "proposed", second.pk: "proposed"}


def test_what_says_the_same_is_no_proposal(entry: Entry, bob: User) -> None:
    assert propose(entry, bob) is None


def test_what_cannot_be_an_entry_cannot_be_proposed(entry: Entry, bob: User) -> None:
    with pytest.raises(ValidationError):
        propose(entry, bob, answer="  ")


def test_proposals_for_a_deleted_entry_are_withdrawn(entry: Entry, alice: User, bob: User) -> None:
    proposal = propose(entry, bob, answer="4 days.")
    entry_delete(entry=entry)
    with pytest.raises(ProposalStateWrong):
        proposal_approve(proposal=proposal, by=alice)


def test_an_approved_proposal_tells_the_difference_that_it_made(
    entry: Entry, alice: User, bob: User
) -> None:
    proposal = propose(entry, bob, answer="4 days.")
    entry_update(entry=entry, keywords="delivery")
    proposal_approve(proposal=proposal, by=alice)
    entry_update(entry=entry, answer="Soon.")

    proposal.refresh_from_db()
    before, after = proposal_made(proposal=proposal)
    assert proposal.became == 3
    assert before is not None
    assert (before.answer, after.answer) == ("3 days.", "4 days.")
    assert before.keywords == after.keywords == "delivery"


def test_a_refused_proposal_tells_the_difference_that_its_author_wanted(
    entry: Entry, alice: User, bob: User
) -> None:
    proposal = propose(entry, bob, answer="4 days.")
    entry_update(entry=entry, answer="5 days.")
    proposal_refuse(proposal=proposal, by=alice, reason="No.")
    proposal.refresh_from_db()
    before, after = proposal_made(proposal=proposal)
    assert before is not None
    assert (before.answer, after.answer) == ("3 days.", "4 days.")


def test_an_approval_that_changed_nothing_any_more_made_no_revision(
    entry: Entry, alice: User, bob: User
) -> None:
    proposal = propose(entry, bob, answer="4 days.")
    entry_update(entry=entry, answer="4 days.")
    proposal_approve(proposal=proposal, by=alice)
    proposal.refresh_from_db()
    assert proposal.became is None
    before, after = proposal_made(proposal=proposal)
    assert before is not None
    assert (before.answer, after.answer) == ("3 days.", "4 days.")


def test_an_approved_new_entry_has_nothing_before_it(site: Site, alice: User, bob: User) -> None:
    proposal = proposal_create(site=site, values=VALUES, by=bob)
    proposal_approve(proposal=proposal, by=alice)
    proposal.refresh_from_db()
    before, after = proposal_made(proposal=proposal)
    assert before is None
    assert (proposal.became, after.answer) == (1, "3 days.")
