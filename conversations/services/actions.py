"""The life of a change: offered, confirmed by the customer, called once, told.

It is offered in the transaction that stores the question; confirmed by a conditional ``UPDATE``
whose row count is looked at, so that two clicks, two tabs and two processes confirm once; called
under a lease and a fence like a turn. A call of which nobody knows what became is made again only
where the other system tells repetitions by the idempotency key; otherwise the customer is told that
the outcome is unknown. Times are compared by the database's clock alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Q, QuerySet
from django.db.models.functions import Now

from conversations.enums import Mode, Role, Tier
from conversations.errors import ConversationClosed, IdempotencyConflict, NotFound
from conversations.failpoints import failpoint
from conversations.ladder import wording
from conversations.ladder.values import ActionProposal
from conversations.models import Conversation, Message, Provenance, ToolAction, Visitor
from conversations.services.items import conversation_lock, item_append
from conversations.wakes import wake_after_commit
from inference.text.names import name_in
from knowledge.tools.values import Actor, CallOutcome, digest_of

LEASE_SECONDS: Final = 25.0
"""Longer than any tool may take (15 s), so that a call that runs is never made a second time."""
ATTEMPTS_MOST: Final = 4

State = ToolAction.State

_ENDS: Final[Mapping[CallOutcome, State]] = {
    CallOutcome.OK: State.DONE,
    CallOutcome.MISSING: State.REFUSED,
    CallOutcome.REFUSED: State.REFUSED,
    CallOutcome.FAILED: State.FAILED,
    CallOutcome.UNCERTAIN: State.UNCERTAIN,
}


@dataclass(frozen=True, slots=True)
class ClaimedAction:
    """A confirmed change that this process makes. ``attempts`` counts this one.

    ``was_begun``: a process before this one may have made the call and died.
    """

    id: UUID
    fence: int
    attempts: int
    was_begun: bool
    conversation_id: UUID
    site_id: int
    tool_key: str
    tool_revision: str
    actor: Actor
    arguments: Mapping[str, Any] = field(default_factory=dict)
    language: str = ""
    shop_name: str = ""


def action_propose(
    *, proposal: ActionProposal, item: Message, conversation: Conversation, now: datetime
) -> ToolAction | None:
    """Store a change that ``item`` asks the customer to confirm, in the caller's transaction.

    One change waits in a conversation at a time: an earlier one is replaced. ``None`` when the
    visitor is no longer the customer for whom it was looked up.
    """
    visitor = Visitor.objects.get(pk=conversation.visitor_id)
    if not proposal.actor_id or visitor.external_id != proposal.actor_id:
        return None
    ToolAction.objects.filter(conversation=conversation, state=State.PENDING).update(
        state=State.REPLACED, finished_at=Now()
    )
    shown = {
        "tool": proposal.tool_key,
        "revision": proposal.revision,
        "actor": proposal.actor_id,
        "arguments": dict(proposal.arguments),
        "rows": [list(row) for row in proposal.rows],
        "text": item.text,
    }
    return ToolAction.objects.create(
        conversation=conversation,
        visitor=visitor,
        actor_id=proposal.actor_id,
        tool_id=proposal.tool_id,
        tool_key=proposal.tool_key,
        tool_revision=proposal.revision,
        arguments=dict(proposal.arguments),
        rows=shown["rows"],
        digest=digest_of(shown),
        language=item.language,
        asked_in=item,
        expires_at=now + timedelta(seconds=proposal.seconds),
    )


def action_confirm(
    *, conversation_id: UUID, visitor_id: UUID, action_id: UUID, digest: str
) -> ToolAction:
    """The customer confirms a change; idempotent.

    Returns:
        The change in its state now: ``confirmed`` by this call or an earlier one, an end that it
        has, or ``expired`` when it is too late.

    Raises:
        NotFound: no such change in this visitor's conversation.
        IdempotencyConflict: the customer was shown something else.
        ConversationClosed
    """
    with transaction.atomic():
        conversation, now = conversation_lock(conversation_id=conversation_id)
        action = _action_of(conversation, visitor_id, action_id)
        if digest != action.digest:
            raise IdempotencyConflict
        if action.state != State.PENDING:
            return action
        if conversation.mode == Mode.CLOSED:
            raise ConversationClosed
        if action.expires_at <= now:
            return _decided(action, State.EXPIRED)
        if action.visitor.external_id != action.actor_id:
            raise NotFound
        action = _decided(action, State.CONFIRMED)
        failpoint("action_unconfirmed")
    failpoint("action_confirmed")
    return action


def action_cancel(*, conversation_id: UUID, visitor_id: UUID, action_id: UUID) -> ToolAction:
    """The customer does not want a change; idempotent. What is confirmed is not stopped.

    Raises:
        NotFound: no such change in this visitor's conversation.
    """
    with transaction.atomic():
        conversation, now = conversation_lock(conversation_id=conversation_id)
        action = _action_of(conversation, visitor_id, action_id)
        if action.state != State.PENDING:
            return action
        if action.expires_at <= now:
            return _decided(action, State.EXPIRED)
        action = _decided(action, State.CANCELLED)
        if conversation.mode != Mode.CLOSED:
            text = wording.change_cancelled(action.language)
            _told(action, conversation, text)
        return action


def action_claim() -> ClaimedAction | None:
    """Claim a confirmed change that nobody makes, the longest waiting first; ``None``: none waits."""
    claimable = Q(state=State.CONFIRMED) | Q(state=State.RUNNING, lease_until__lt=Now())
    while True:
        waiting = ToolAction.objects.filter(claimable).order_by("decided_at").first()
        if waiting is None:
            return None
        claimed = ToolAction.objects.filter(claimable, pk=waiting.pk, fence=waiting.fence).update(
            state=State.RUNNING,
            fence=F("fence") + 1,
            attempts=F("attempts") + 1,
            lease_until=ExpressionWrapper(
                Now() + timedelta(seconds=LEASE_SECONDS), output_field=DateTimeField()
            ),
        )
        if claimed == 1:
            failpoint("action_claimed")
            return _claimed(waiting)


def action_retry_later(*, action_id: UUID, fence: int, seconds: float) -> bool:
    """Give a call back that is to be made again after ``seconds``; ``False``: not ours any more."""
    again = ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=DateTimeField())
    return _ours(action_id, fence).update(lease_until=again) == 1


def action_finish(
    *, action_id: UUID, fence: int, outcome: CallOutcome, text: str, call: Mapping[str, object]
) -> Message | None:
    """Store what became of a change and tell the customer, once.

    In a conversation that a person has taken over, it is told as a note of the desk, not as words
    of the assistant.

    Returns:
        The item, or ``None`` when the fence moved on.
    """
    with transaction.atomic():
        found = _ours(action_id, fence).first()
        if found is None:
            return None
        conversation, _ = conversation_lock(conversation_id=found.conversation_id)
        state = _ENDS[outcome]
        finished = _ours(action_id, fence).update(
            state=state, finished_at=Now(), lease_until=None, call=dict(call), fence=F("fence") + 1
        )
        if finished != 1:
            return None
        found.state = state
        failpoint("action_unfinished")
        return _told(found, conversation, text, call)


def _action_of(conversation: Conversation, visitor_id: UUID, action_id: UUID) -> ToolAction:
    action = (
        ToolAction.objects.select_related("visitor")
        .filter(pk=action_id, conversation=conversation, visitor=visitor_id)
        .first()
    )
    if action is None:
        raise NotFound
    return action


def _decided(action: ToolAction, state: State) -> ToolAction:
    ToolAction.objects.filter(pk=action.pk, state=State.PENDING).update(
        state=state,
        decided_at=Now(),
        finished_at=None if state == State.CONFIRMED else Now(),
    )
    action.state = state
    return action


def _told(
    action: ToolAction,
    conversation: Conversation,
    text: str,
    call: Mapping[str, object] | None = None,
) -> Message:
    by_bot = conversation.mode == Mode.BOT
    item = item_append(
        conversation=conversation,
        role=Role.ASSISTANT if by_bot else Role.SYSTEM,
        text=text,
        tier=Tier.TOOL,
        language=action.language,
    )
    Provenance.objects.create(
        message=item,
        details={
            "tool": {"key": action.tool_key, "by": "confirmation"},
            **({"tool_calls": [dict(call)]} if call else {}),
        },
    )
    ToolAction.objects.filter(pk=action.pk).update(settled_in=item)
    wake_after_commit(conversation_id=conversation.pk)
    return item


def _ours(action_id: UUID, fence: int) -> QuerySet[ToolAction]:
    return ToolAction.objects.filter(pk=action_id, fence=fence, state=State.RUNNING)


def _claimed(waiting: ToolAction) -> ClaimedAction:
    conversation = Conversation.objects.select_related("site", "visitor").get(
        pk=waiting.conversation_id
    )
    return ClaimedAction(
        id=waiting.pk,
        fence=waiting.fence + 1,
        attempts=waiting.attempts + 1,
        was_begun=waiting.state == State.RUNNING,
        conversation_id=conversation.pk,
        site_id=conversation.site_id,
        tool_key=waiting.tool_key,
        tool_revision=waiting.tool_revision,
        actor=Actor(waiting.actor_id, conversation.visitor.name),
        arguments=waiting.arguments,
        language=waiting.language,
        shop_name=name_in(conversation.site.name, waiting.language),
    )
