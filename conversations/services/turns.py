"""The life of a turn: claimed with a lease and a fence, finished once.

The scheme: a runner that claims a turn raises its ``fence`` and holds a lease that it renews. It
finishes the turn only ``WHERE fence = mine AND state = running`` and looks at the row count, so a
runner that hung, lost its lease and wakes up later writes nothing. Leases and deadlines are
compared with the database's clock alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import (
    DateTimeField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Now

from conversations.answers.keeping import answer_hit, answer_keep
from conversations.answers.values import AnswerToKeep
from conversations.enums import Mode, Outcome, Reason, Role, Tier, TurnState
from conversations.errors import NotFound
from conversations.failpoints import failpoint
from conversations.ladder.values import ActionProposal
from conversations.models import Conversation, Message, PassageUse, Provenance, Turn
from conversations.models.packing import packed_make
from conversations.services.actions import action_propose
from conversations.services.items import conversation_lock, item_append
from conversations.summaries import summary_schedule
from knowledge.models import Entry, PromptVersion, Rule
from knowledge.services.locks import rows_held


@dataclass(frozen=True, slots=True)
class ClaimedTurn:
    """A turn that this process works on. ``seconds_left`` until the deadline, at the claim."""

    id: int
    conversation_id: UUID
    message_id: int
    client_message_id: UUID
    fence: int
    attempts: int
    seconds_left: float


@dataclass(frozen=True, slots=True)
class PassageRecord:
    """A passage that an answer was given."""

    entry_id: int
    revision: int
    score: float
    cited: bool
    text: str


@dataclass(frozen=True, slots=True)
class ProvenanceRecord:
    """What an outcome was made from; see ``Provenance`` for the fields."""

    model: str = ""
    model_hash: str = ""
    prompt_version_id: int | None = None
    rule_id: int | None = None
    standalone_question: str = ""
    rendered_prompt: Sequence[dict[str, str]] = ()
    rejected_text: str = ""
    details: dict[str, object] = field(default_factory=dict)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    timings: dict[str, float] = field(default_factory=dict)
    passages: Sequence[PassageRecord] = ()
    reused_message_id: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcome that a runner wants to store.

    ``keep``: it may be given again to others; ``reused_id``: the kept answer that was given again.
    """

    outcome: Outcome
    text: str
    tier: Tier
    reason: Reason | None
    language: str
    citations: Sequence[dict[str, str]] = ()
    provenance: ProvenanceRecord = ProvenanceRecord()
    action: ActionProposal | None = None
    choices: Sequence[str] = ()
    keep: AnswerToKeep | None = None
    reused_id: int | None = None


# A turn past its deadline is the deadline watch's (``turn_expire``).
_CLAIMABLE = (Q(state=TurnState.QUEUED) | Q(state=TurnState.RUNNING, lease_until__lt=Now())) & Q(
    deadline_at__gt=Now()
)
_EARLIER = Turn.objects.filter(
    conversation=OuterRef("conversation"), message__seq__lt=OuterRef("message__seq")
).exclude(state=TurnState.DONE)
_CLAIMED = (
    "pk",
    "conversation_id",
    "message_id",
    "message__client_message_id",
    "fence",
    "attempts",
    "deadline_at",
)


def turn_claim(*, turn_id: int | None = None) -> ClaimedTurn | None:
    """Claim the oldest turn that waits, or one whose runner let its lease run out.

    A conversation's turns run one after another. ``turn_id`` claims that turn and no other.
    Returns ``None`` when there is nothing to do.
    """
    wanted = Q() if turn_id is None else Q(pk=turn_id)
    while True:
        turn = (
            Turn.objects.filter(_CLAIMABLE, ~Exists(_EARLIER), wanted)
            .order_by("deadline_at", "pk")
            .values_list(*_CLAIMED, named=True)
            .first()
        )
        if turn is None:
            return None
        with transaction.atomic():
            _, now = conversation_lock(conversation_id=turn.conversation_id)
            # Nothing earlier can have come meanwhile; a renewed lease can.
            claimed = Turn.objects.filter(_CLAIMABLE, pk=turn.pk, fence=turn.fence).update(
                state=TurnState.RUNNING,
                fence=F("fence") + 1,
                attempts=F("attempts") + 1,
                lease_until=_lease_end(),
                started_at=Coalesce("started_at", Now()),
            )
        if claimed == 1:
            return ClaimedTurn(
                id=turn.pk,
                conversation_id=turn.conversation_id,
                message_id=turn.message_id,
                client_message_id=turn.message__client_message_id,
                fence=turn.fence + 1,
                attempts=turn.attempts + 1,
                seconds_left=(turn.deadline_at - now).total_seconds(),
            )


def turn_begin(*, message: Message, now: datetime, claim: bool) -> ClaimedTurn | int:
    """Make the turn of a message that was stored in the caller's transaction.

    ``claim``: the caller's process runs it at once, so it is claimed here and costs no transaction
    of its own; the caller sees to it that no earlier turn of the conversation is open. ``now`` is
    the database's time.

    Returns:
        The claimed turn, or the id of one that waits for a runner.
    """
    deadline = timedelta(seconds=settings.DEADLINE_SECONDS)
    turn = Turn(
        message=message, conversation_id=message.conversation_id, deadline_at=now + deadline
    )
    if claim:
        turn.state = TurnState.RUNNING
        turn.fence = turn.attempts = 1
        turn.lease_until = now + timedelta(seconds=settings.LEASE_SECONDS)
        turn.started_at = now
    turn.save(force_insert=True)
    if not claim:
        return turn.pk
    if message.client_message_id is None:
        raise ValueError("A turn belongs to a customer's message.")
    return ClaimedTurn(
        id=turn.pk,
        conversation_id=message.conversation_id,
        message_id=message.pk,
        client_message_id=message.client_message_id,
        fence=turn.fence,
        attempts=turn.attempts,
        seconds_left=deadline.total_seconds(),
    )


def turn_lease_renew(*, turn_id: int, fence: int) -> bool:
    """Renew the lease; ``False`` says that the turn is not ours any more."""
    renewed = Turn.objects.filter(pk=turn_id, fence=fence, state=TurnState.RUNNING).update(
        lease_until=_lease_end()
    )
    return renewed == 1


def turn_leases_renew(*, fences: Mapping[int, int]) -> set[int]:
    """Renew the leases of several turns in one transaction; ``fences`` by the turns' ids.

    Returns:
        The turns that are not ours any more.
    """
    if not fences:
        return set()
    each_ours = (Q(pk=turn_id, fence=fence) for turn_id, fence in fences.items())
    ours = Turn.objects.filter(reduce(or_, each_ours), state=TurnState.RUNNING)
    if ours.update(lease_until=_lease_end()) == len(fences):
        return set()
    return set(fences) - set(ours.values_list("pk", flat=True))


def turn_release(*, turn_id: int, fence: int) -> bool:
    """Give an unfinished turn back at once, for a process that is going to stop."""
    released = Turn.objects.filter(pk=turn_id, fence=fence, state=TurnState.RUNNING).update(
        state=TurnState.QUEUED, lease_until=None, attempts=F("attempts") - 1
    )
    return released == 1


def turn_finish(*, turn_id: int, fence: int, reply: Reply) -> Message | None:
    """Store the outcome with its provenance, if the turn is still ours.

    Returns:
        The stored item, or ``None`` when the fence moved on: the reply is thrown away.
    """
    return _turn_settle(
        turns=Turn.objects.filter(pk=turn_id, fence=fence, state=TurnState.RUNNING), reply=reply
    )


def turn_expire(*, turn_id: int, reply: Reply) -> Message | None:
    """Answer a turn whose deadline has passed, whoever works on it.

    Raises the fence, so that its runner's late output is thrown away. Returns ``None`` when the
    turn was finished before.
    """
    return _turn_settle(
        turns=Turn.objects.exclude(state=TurnState.DONE).filter(pk=turn_id, deadline_at__lte=Now()),
        reply=reply,
    )


def turn_cancel(*, conversation_id: UUID, client_message_id: UUID) -> int | None:
    """End the turn of a message as ``cancelled``; idempotent.

    Returns:
        The turn's id, or ``None`` when it had its outcome already.

    Raises:
        NotFound: no such message in this conversation.
    """
    with transaction.atomic():
        conversation, _ = conversation_lock(conversation_id=conversation_id)
        message = Message.objects.filter(
            conversation=conversation, client_message_id=client_message_id
        ).first()
        if message is None:
            raise NotFound(client_message_id=client_message_id)
        turn = Turn.objects.filter(message=message).exclude(state=TurnState.DONE).first()
        if turn is None:
            return None
        turn_close(turn=turn, conversation=conversation, outcome=Outcome.CANCELLED)
        return turn.pk


def turn_close(
    *,
    turn: Turn,
    conversation: Conversation,
    outcome: Outcome,
    text: str = "",
    reason: Reason | None = None,
) -> Message:
    """End an open turn without an answer, inside the caller's transaction.

    ``turn`` was read and ``conversation`` locked in that transaction.
    """
    Turn.objects.filter(pk=turn.pk).update(
        state=TurnState.DONE,
        fence=F("fence") + 1,
        lease_until=None,
        cancel_requested=outcome == Outcome.CANCELLED,
        finished_at=Now(),
    )
    return item_append(
        conversation=conversation,
        role=Role.SYSTEM,
        text=text,
        reply_to_id=turn.message_id,
        outcome=outcome,
        reason=reason,
    )


def _lease_end() -> Combinable:
    return ExpressionWrapper(
        Now() + timedelta(seconds=settings.LEASE_SECONDS), output_field=DateTimeField()
    )


def _turn_settle(*, turns: QuerySet[Turn], reply: Reply) -> Message | None:
    with transaction.atomic():
        turn = turns.values_list("fence", "conversation_id", "message_id", named=True).first()
        if turn is None:
            return None
        conversation, now = conversation_lock(conversation_id=turn.conversation_id)
        settled = turns.filter(fence=turn.fence).update(
            state=TurnState.DONE, fence=F("fence") + 1, lease_until=None, finished_at=Now()
        )
        if settled != 1:
            return None
        item = _reply_store(
            conversation=conversation, message_id=turn.message_id, reply=reply, now=now
        )
        _provenance_store(item=item, record=reply.provenance)
        if reply.action is not None and item.role == Role.ASSISTANT:
            action_propose(proposal=reply.action, item=item, conversation=conversation, now=now)
        if item.tier and reply.keep is not None:
            answer_keep(message=item, kept=reply.keep)
        if reply.reused_id is not None:
            answer_hit(cached_id=reply.reused_id)
        failpoint("answer_uncommitted")
    failpoint("answer_committed")
    return item


def _reply_store(
    *, conversation: Conversation, message_id: int, reply: Reply, now: datetime
) -> Message:
    """Append the outcome. Where a person has taken over, no bot text is written, only the end."""
    if conversation.mode != Mode.BOT:
        return item_append(
            conversation=conversation,
            role=Role.SYSTEM,
            text="",
            reply_to_id=message_id,
            outcome=Outcome.HANDOFF,
        )
    if reply.outcome == Outcome.HANDOFF:
        conversation.mode = Mode.QUEUED
        conversation.queued_at = now
        summary_schedule(conversation_id=conversation.pk)
    return item_append(
        conversation=conversation,
        role=Role.ASSISTANT if reply.outcome == Outcome.ANSWER else Role.SYSTEM,
        text=reply.text,
        reply_to_id=message_id,
        outcome=reply.outcome,
        tier=reply.tier,
        reason=reply.reason,
        language=reply.language,
        citations=reply.citations,
        choices=reply.choices,
    )


def _provenance_store(*, item: Message, record: ProvenanceRecord) -> None:
    """Store what the outcome was made from; what admins deleted meanwhile is left empty."""
    entries = rows_held(Entry, {passage.entry_id for passage in record.passages})
    versions = rows_held(PromptVersion, {record.prompt_version_id})
    rules = rows_held(Rule, {record.rule_id})
    reused = rows_held(Message, {record.reused_message_id})
    provenance = Provenance.objects.create(
        message=item,
        model=record.model,
        model_hash=record.model_hash,
        prompt_version_id=next(iter(versions), None),
        rule_id=next(iter(rules), None),
        standalone_question=record.standalone_question,
        prompt_packed=packed_make(record.rendered_prompt),
        rejected_text=record.rejected_text,
        details=record.details,
        prompt_tokens=record.prompt_tokens,
        completion_tokens=record.completion_tokens,
        timings=record.timings,
        reused_id=next(iter(reused), None),
    )
    PassageUse.objects.bulk_create(
        PassageUse(
            provenance=provenance,
            entry_id=passage.entry_id if passage.entry_id in entries else None,
            entry_revision=passage.revision,
            position=position,
            score=passage.score,
            cited=passage.cited,
            text=passage.text,
        )
        for position, passage in enumerate(record.passages, start=1)
    )
