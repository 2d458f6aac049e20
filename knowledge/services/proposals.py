"""Changes of entries that wait until somebody with the permission to publish approves them.

A site may ask for it (``Site.review_is_required``). What customers see stays as it is meanwhile. A
proposal is an ``EntryRevision`` without a number; what it changes is told by comparing it with the
revision that its author saw, so that approving it later takes back nothing that was changed since.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from knowledge.models import Entry, EntryRevision, Site
from knowledge.notices import notice as _
from knowledge.services.entries import (
    Cause,
    content_fields,
    entry_check,
    entry_create,
    entry_update,
)
from knowledge.services.locks import knowledge_lock
from knowledge.services.revisions import (
    EntryContent,
    content_of,
    content_of_revision,
    contents_equal,
    person_id,
    revision_catch_up,
    revision_content,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

PUBLISH = "knowledge.publish_entry"
PROPOSE = "knowledge.propose_entry"
CHANGE = "knowledge.change_entry"
DELETE = "knowledge.delete_entry"

State = EntryRevision.State


class ProposalStateWrong(Exception):
    """The proposal is decided already, or its entry is gone; ``str()`` is one sentence."""


@dataclass(frozen=True, slots=True)
class ProposalOutcome:
    """What an entry would say if a proposal were approved now.

    ``conflicts`` are the fields that both the proposal and somebody since have changed; the
    proposal's value stands in ``content``.
    """

    content: EntryContent
    conflicts: tuple[str, ...] = ()


def change_is_live(*, user: Any, site: Site) -> bool:
    """Whether a change that this person makes to the site's entries is seen at once."""
    return user.has_perm(CHANGE) and _needs_no_review(user, site)


def deletion_is_live(*, user: Any, site: Site) -> bool:
    """Whether this person may delete the site's entries; no deletion waits for an approval.

    To delete is to publish a silence: where changes are reviewed, it needs that permission too.
    """
    return user.has_perm(DELETE) and _needs_no_review(user, site)


def change_is_possible(*, user: Any, site: Site) -> bool:
    """Whether this person may change the site's entries, at once or by a proposal."""
    return user.has_perm(CHANGE) or (site.review_is_required and user.has_perm(PROPOSE))


def _needs_no_review(user: Any, site: Site) -> bool:
    return not site.review_is_required or user.has_perm(PUBLISH)


@transaction.atomic
def proposal_create(
    *,
    site: Site,
    values: dict[str, Any],
    entry: Entry | None = None,
    by: AbstractBaseUser | AnonymousUser,
) -> EntryRevision | None:
    """Propose a new entry, or other values for one; ``None`` when they say what it says already.

    A person has one open proposal for an entry; another one takes its place.

    Raises:
        ValidationError: the values cannot make an entry.
    """
    if entry is not None:
        knowledge_lock(entry_id=entry.pk)
        entry = Entry.objects.select_for_update().get(pk=entry.pk)
        revision_catch_up(entry=entry)
    phrasings = tuple(dict.fromkeys(text.strip() for text in values["phrasings"] if text.strip()))
    columns = {name: value for name, value in values.items() if name != "phrasings"}
    checked = Entry(site=site, **columns)
    entry_check(checked)
    content = replace(
        _content_of_columns(checked),
        phrasings=phrasings,
    )
    if entry is not None and entry.site_id == site.pk:
        if contents_equal(content, content_of(entry)):
            return None
        EntryRevision.objects.filter(entry_id=entry.pk, by_id=by.pk, state=State.PROPOSED).update(
            state=State.WITHDRAWN
        )
    return EntryRevision.objects.create(
        entry_id=entry.pk if entry is not None else None,
        site=site,
        state=State.PROPOSED,
        based_on=entry.revision if entry is not None else None,
        audience_name=checked.audience.name if checked.audience is not None else "",
        by_id=person_id(by),
        **content.values(),
    )


def proposal_outcome(*, proposal: EntryRevision, entry: Entry) -> ProposalOutcome:
    """What the entry would say: the proposal's values where it changed something, else today's."""
    proposed, now = content_of_revision(proposal), content_of(entry)
    base = revision_content(entry_id=entry.pk, number=proposal.based_on or 0) or now
    values: dict[str, Any] = {}
    conflicts: list[str] = []
    for field in fields(EntryContent):
        was, wanted, current = (getattr(each, field.name) for each in (base, proposed, now))
        if wanted == was:
            values[field.name] = current
            continue
        values[field.name] = wanted
        if current not in (was, wanted):
            conflicts.append(field.name)
    return ProposalOutcome(EntryContent(**values), tuple(conflicts))


def proposal_made(*, proposal: EntryRevision) -> tuple[EntryContent | None, EntryContent]:
    """What a decided proposal was about: what the entry said before, and what it said then.

    Of an approved one it is the difference that the approval made, of any other the one that its
    author wanted to make. Before is ``None`` where there was no entry, or nobody kept what it said.
    """
    entry_id = proposal.entry_id
    if entry_id is not None and proposal.became is not None:
        after = revision_content(entry_id=entry_id, number=proposal.became)
        if after is not None:
            return revision_content(entry_id=entry_id, number=proposal.became - 1), after
    before = None
    if entry_id is not None and proposal.based_on is not None:
        before = revision_content(entry_id=entry_id, number=proposal.based_on)
    return before, content_of_revision(proposal)


@transaction.atomic
def proposal_approve(
    *, proposal: EntryRevision, by: AbstractBaseUser | AnonymousUser, overrules: bool = False
) -> Entry:
    """Let a proposal become what the entry says.

    Args:
        overrules: also where somebody has changed the same since.

    Raises:
        ProposalStateWrong: it is decided, its entry is gone, or it contradicts a later change.
        AudienceGone: it was for an audience that is no more.
        ValidationError: what was good then is not now.
    """
    proposal = _open(proposal)
    history: dict[str, Any] = {
        "by": proposal.by,
        "cause": Cause.APPROVAL,
        "note": _("Approved by %(person)s", person=by.get_username()),
    }
    if proposal.entry_id is None:
        values = content_fields(content_of_revision(proposal))
        entry = entry_create(site=proposal.site, **values, **history)
        proposal.became = entry.revision
    else:
        knowledge_lock(site_id=proposal.site_id, entry_id=proposal.entry_id)
        row = Entry.objects.select_for_update().filter(pk=proposal.entry_id).first()
        if row is None:
            raise ProposalStateWrong(_("The entry was deleted meanwhile."))
        revision_catch_up(entry=row)
        outcome = proposal_outcome(proposal=proposal, entry=row)
        if outcome.conflicts and not overrules:
            raise ProposalStateWrong(_("Somebody has changed the same since it was proposed."))
        before = row.revision
        entry = entry_update(
            entry=row, site=proposal.site, **content_fields(outcome.content), **history
        )
        if entry.revision != before:  # else somebody has made the same change already
            proposal.became = entry.revision
    proposal.entry = entry
    _decide(proposal, State.APPLIED, by)
    return entry


@transaction.atomic
def proposal_refuse(
    *, proposal: EntryRevision, by: AbstractBaseUser | AnonymousUser, reason: str
) -> None:
    """Refuse a proposal; its author reads the reason.

    Raises:
        ProposalStateWrong: it is decided already.
        ValidationError: there is no reason.
    """
    proposal = _open(proposal)
    proposal.reason = reason.strip()[:500]
    if not proposal.reason:
        raise ValidationError({"reason": _("Say why, so that the author can mend it.")})
    _decide(proposal, State.REFUSED, by)


@transaction.atomic
def proposal_withdraw(*, proposal: EntryRevision, by: AbstractBaseUser | AnonymousUser) -> None:
    """Take one's own proposal back.

    Raises:
        ProposalStateWrong: it is decided already, or somebody else's.
    """
    proposal = _open(proposal)
    if proposal.by_id != by.pk:
        raise ProposalStateWrong(_("Only its author can withdraw a proposal."))
    _decide(proposal, State.WITHDRAWN, by)


def _open(proposal: EntryRevision) -> EntryRevision:
    row = (
        EntryRevision.objects.select_for_update(of=("self",))
        .select_related("site", "by")
        .get(pk=proposal.pk)
    )
    if row.state != State.PROPOSED:
        raise ProposalStateWrong(
            _("This is decided already: %(state)s.", state=row.get_state_display())
        )
    return row


def _decide(proposal: EntryRevision, state: str, by: AbstractBaseUser | AnonymousUser) -> None:
    proposal.state, proposal.decided_by_id = state, person_id(by)
    proposal.decided_at = timezone.now()
    proposal.save(update_fields=["entry", "state", "decided_by", "decided_at", "reason", "became"])


def _content_of_columns(entry: Entry) -> EntryContent:
    return EntryContent(
        question=entry.question,
        phrasings=(),
        answer=entry.answer,
        keywords=entry.keywords,
        language=str(entry.language),
        status=str(entry.status),
        audience_id=entry.audience_id,
        valid_from=entry.valid_from,
        valid_until=entry.valid_until,
    )
