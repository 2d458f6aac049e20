"""Reads the published entries of a site, and notices that they have changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from knowledge.models import Entry, Phrasing, Site

# Characters of an entry that are embedded. Most answers say what they are about at their start,
# and E5 reads 512 tokens at most; the time to embed grows with them.
_WHOLE_MOST = 700
_COLUMNS = (
    "pk",
    "revision",
    "question",
    "answer",
    "keywords",
    "language",
    "audience_id",
    "valid_from",
    "valid_until",
    "document_id",
)


@dataclass(frozen=True, slots=True)
class IndexedEntry:
    """What retrieval knows of a published entry.

    ``audience_id`` None is for everyone; it may be shown from ``valid_from`` (None: always) until
    before ``valid_until`` (None: for good). ``is_document``: a piece of an imported document, not
    an answer that somebody wrote for a question.
    """

    entry_id: int
    revision: int
    question: str
    phrasings: tuple[str, ...]
    answer: str
    keywords: str
    language: str
    audience_id: int | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    is_document: bool = False

    @property
    def questions(self) -> tuple[str, ...]:
        """The question and its other phrasings."""
        return (self.question, *self.phrasings)

    @property
    def whole(self) -> str:
        """Question and answer as one text for the encoder.

        Both together find more than the answer alone: on public sets the first hit was right in
        .87 against .62 (StackFAQ) and .52 against .25 (CovidFAQ).
        """
        return f"{self.question} {self.answer}"[:_WHOLE_MOST]


@dataclass(frozen=True, slots=True)
class EntriesRead:
    """The published entries of a site, by id, at a revision of its knowledge."""

    revision: int
    entries: Mapping[int, IndexedEntry]


NOTHING_READ = EntriesRead(-1, {})


def entries_changed(before: EntriesRead, read: EntriesRead) -> list[IndexedEntry]:
    """The published entries that were read anew."""
    return [entry for pk, entry in read.entries.items() if before.entries.get(pk) is not entry]


def revision_read(site_id: int) -> int:
    """The revision of a site's knowledge: one row by its key; -1 if there is no such site.

    It grows in the transaction of every change of an entry or phrasing, whoever makes it (form,
    service, bulk update, raw delete, SQL), because triggers of the database count it up: see
    ``knowledge/revisions.py``. A count and a latest time of change would miss an update in place.
    """
    revision = Site.objects.filter(pk=site_id).values_list("knowledge_revision", flat=True).first()
    return -1 if revision is None else revision


def entries_read(site_id: int, known: EntriesRead) -> EntriesRead:
    """The published entries now; what did not change since ``known`` is taken from there.

    The revision is read before the entries: a change in between may be seen early, and is seen as
    a change by the next question again. Revisions of a site are handed out in the order of their
    commits (the site's row is locked until then), so none below a seen one is still to come.
    """
    revision = revision_read(site_id)
    if revision == known.revision:
        return known
    published = Entry.objects.filter(site_id=site_id, status=Entry.Status.PUBLISHED)
    # A revision that went down is another database (a restored copy): read all of it.
    since = known.revision if revision > known.revision else -1
    changed = published.filter(changed_in__gt=since)
    phrasings: defaultdict[int, list[str]] = defaultdict(list)
    for entry_id, text in (
        Phrasing.objects.filter(entry__in=changed).order_by("pk").values_list("entry_id", "text")
    ):
        phrasings[entry_id].append(text)
    fresh = {
        row.pk: IndexedEntry(
            row.pk,
            row.revision,
            row.question,
            tuple(phrasings[row.pk]),
            row.answer,
            row.keywords,
            row.language,
            row.audience_id,
            row.valid_from,
            row.valid_until,
            row.document_id is not None,
        )
        for row in changed.order_by("pk").values_list(*_COLUMNS, named=True)
    }
    entries = {**known.entries, **fresh} if since >= 0 else fresh
    if published.count() != len(entries):
        # Some were deleted, withdrawn or moved; their ids are read only then, because to read a
        # hundred thousand takes longer than all of the rest.
        ids = set(published.values_list("pk", flat=True))
        entries = {pk: entry for pk, entry in entries.items() if pk in ids}
    return EntriesRead(revision, entries)
