"""Sentences that one person caused and another reads, each in their own language."""

from __future__ import annotations

import copy
import importlib
import json
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import translation

from knowledge.models import Entry, EntryRevision, KnowledgeImport, Site
from knowledge.notices import (
    notice,
    notice_of_error,
    notice_plural,
    notice_stored,
    notice_words,
)
from knowledge.services.entries import entry_create, entry_revert, entry_update
from knowledge.services.imports.planning import import_create, import_plan
from knowledge.services.proposals import proposal_approve, proposal_create

VALUES = {
    "question": "How long?", "answer": "3 days.", "keywords": "", "language": "en",
    "status": "published", "phrasings": [], "audience": None, "valid_from": None,
    "valid_until": None,
}  # fmt: skip


def kept(text: str) -> object:
    """As a database gives it back."""
    return json.loads(json.dumps(notice_stored(text)))


def test_a_notice_is_told_in_the_language_of_whoever_reads_it() -> None:
    with translation.override("zh-hans"):
        text = notice("Approved by %(person)s", person="alice")
    assert text == "由 alice 批准"
    stored = kept(text)
    assert notice_words(stored) == "Approved by alice"
    with translation.override("zh-hans"):
        assert notice_words(stored) == "由 alice 批准"


def test_a_notice_within_a_notice_is_told_in_the_same_language() -> None:
    with translation.override("zh-hans"):
        text = notice(
            "%(address)s: %(problem)s", address="/map", problem=notice("This is no sitemap.")
        )
    assert text == "/map：这不是站点地图。"
    assert notice_words(kept(text)) == "/map: This is no sitemap."


def test_a_notice_that_counts_has_the_form_of_its_number() -> None:
    one, many = (
        kept(notice_plural("%(count)d page.", "%(count)d pages.", count)) for count in (1, 2)
    )
    assert (notice_words(one), notice_words(many)) == ("1 page.", "2 pages.")


def test_what_a_check_said_is_told_in_the_readers_language_whosever_words_it_has() -> None:
    entry = Entry(site_id=3, question="x" * 501, answer="", language="en")
    with translation.override("zh-hans"), pytest.raises(ValidationError) as found:
        entry.full_clean(exclude=["site"], validate_constraints=False)
    stored = kept(notice_of_error(found.value))
    with translation.override("zh-hans"):
        assert notice_words(stored) == " ".join(found.value.messages)
        assert "不能为空" in notice_words(stored)
        own = kept(notice_of_error(ValidationError(notice("This is no sitemap."))))
        assert notice_words(own) == "这不是站点地图。"
    with translation.override("en"):
        assert "at most 500 characters" in notice_words(stored)
        assert "cannot be blank" in notice_words(stored)
        assert notice_words(own) == "This is no sitemap."


def test_a_copy_of_a_notice_is_one_too() -> None:
    text = notice_plural("%(count)d page.", "%(count)d pages.", 2)
    copied = copy.copy(text)
    assert copied == text
    assert notice_stored(copied) == notice_stored(text)


def test_words_that_a_person_wrote_stay_as_they_are() -> None:
    assert notice_stored("100 % 的说明 %(person)s") is None
    assert notice_words(None, "100 % 的说明 %(person)s") == "100 % 的说明 %(person)s"
    assert notice_words("an older note") == "an older note"


def test_what_the_desk_says_of_a_revision_is_read_in_every_language(site: Site) -> None:
    alice, bob = (User.objects.create(username=name) for name in ("alice", "bob"))
    entry = entry_create(site=site, **VALUES)
    with translation.override("zh-hans"):
        proposal = proposal_create(
            site=site, entry=entry, by=bob, values={**VALUES, "answer": "4 days."}
        )
        assert proposal is not None
        proposal_approve(proposal=proposal, by=alice)
        entry.refresh_from_db()
        first = EntryRevision.objects.get(entry=entry, number=1)
        entry_revert(entry=entry, revision=first, by=alice)
    notes = [
        revision.note_words
        for revision in EntryRevision.objects.filter(entry=entry, number__gt=1).order_by("number")
    ]
    assert notes == ["Approved by alice", "Revision 1"]


def test_a_note_that_somebody_wrote_is_no_notice(site: Site) -> None:
    entry = entry_create(site=site, **VALUES)
    entry_update(entry=entry, answer="5 days.", note="Vertrag 5 % neu")
    assert EntryRevision.objects.get(entry=entry, number=2).note_words == "Vertrag 5 % neu"


def test_what_is_wrong_with_an_import_is_read_in_every_language(site: Site) -> None:
    with translation.override("zh-hans"):
        bad = import_plan(batch=import_create(site=site, file_name="a.csv", data=b"question\n"))
        data = b"question,answer,language\nA?,,en\nB?,b,fr\n"
        batch = import_plan(batch=import_create(site=site, file_name="b.csv", data=data))
        chinese = [row.message_words for row in batch.rows.all()]
    assert bad.state == KnowledgeImport.State.COLUMNS
    assert chinese == ["答案为空。", "语言“fr”既不是 zh-hans 也不是 en。"]
    assert [row.message_words for row in batch.rows.all()] == [
        "The answer is empty.",
        "The language “fr” is neither zh-hans nor en.",
    ]


def test_why_a_file_was_refused_is_read_in_every_language(site: Site) -> None:
    with translation.override("zh-hans"):
        batch = import_plan(batch=import_create(site=site, file_name="a.docx", data=b"no"))
    batch.refresh_from_db()
    assert batch.problem_words == "The file is damaged or not of the kind that its name says."


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("cause", "note", "told"),
    [
        ("revert", "修订 3", "Revision 3"),
        ("approval", "由 李 四 批准", "Approved by 李 四"),
        ("approval", "Approved by bob", "Approved by bob"),
        ("revert", "because of the contract", "because of the contract"),
        ("edit", "修订 3", "修订 3"),
    ],
)
def test_notes_of_older_desks_are_told_in_the_readers_language_where_the_desk_wrote_them(
    site: Site, cause: str, note: str, told: str
) -> None:
    entry = entry_create(site=site, **VALUES, cause=cause, note=note)
    migration = importlib.import_module("knowledge.migrations.0016_notices_of_revisions")
    migration.notices_write(apps, SimpleNamespace(connection=connection))
    assert EntryRevision.objects.get(entry=entry).note_words == told
