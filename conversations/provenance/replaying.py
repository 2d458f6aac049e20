"""Asks a customer's question again, on today's state; the conversation never notices."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django_tasks import task

from conversations.enums import Mode, Role
from conversations.errors import ConversationError, NotFound
from conversations.ladder.values import Climbed, Question
from conversations.models import Message, Replay, Turn
from conversations.outcomes import reply_make
from conversations.rehearsal import rehearsal_open
from conversations.runner import question_of
from conversations.selectors import turn_facts
from inference.errors import EngineError

logger = logging.getLogger(__name__)

WAITING_MOST: Final = timedelta(minutes=10)
"""A replay that waits longer was lost with its worker."""


def replay_ask(*, message_id: int, by: User) -> Replay:
    """Have the question of an answer asked again in the background.

    Somebody who asks twice gets the one that is waiting.

    Raises:
        NotFound: no answer of the assistant to a question has this id.
    """
    message = Message.objects.filter(pk=message_id, reply_to__turn__isnull=False).first()
    if message is None or message.role not in (Role.ASSISTANT, Role.SYSTEM):
        raise NotFound
    with transaction.atomic():
        recent = timezone.now() - WAITING_MOST
        waiting = message.replays.filter(state=Replay.State.WAITING, created_at__gt=recent).first()
        if waiting is not None:
            return waiting
        replay = Replay.objects.create(message=message, asked_by=by)
        transaction.on_commit(lambda: answer_replaying.enqueue(replay.pk))
    return replay


@task()
def answer_replaying(replay_id: int) -> None:
    """Ask once more what a replay is about, and store the answer beside the old one."""
    replay = Replay.objects.filter(pk=replay_id, state=Replay.State.WAITING).first()
    if replay is None:
        return
    try:
        climbed = asyncio.run(_ask_again(question_again(replay=replay)))
    except (EngineError, ConversationError) as error:
        logger.warning("Replay %s failed: %s", replay.pk, error)
        Replay.objects.filter(pk=replay.pk).update(
            state=Replay.State.FAILED, finished_at=timezone.now()
        )
        return
    replay_store(replay=replay, climbed=climbed)


def question_again(*, replay: Replay) -> Question:
    """The question as it was asked, with the dialogue before it, at today's time.

    Nobody is asked for whom it is: tools that ask for the customer's own things are not called.
    """
    turn = Turn.objects.only("pk").get(message__reply=replay.message_id)
    asked = question_of(turn_facts(turn_id=turn.pk), attempts=1, now=timezone.localtime())
    return replace(asked, mode=Mode.BOT, conversation=f"replay-{replay.pk}", actor=None, form={})


def replay_store(*, replay: Replay, climbed: Climbed) -> Replay:
    """Keep the answer of today."""
    reply, walk = reply_make(climbed), climbed.walk
    made = reply.provenance
    cited = set(climbed.answer.cited)
    replay.state = Replay.State.DONE
    replay.finished_at = timezone.now()
    replay.text, replay.outcome, replay.tier = reply.text, reply.outcome, reply.tier
    replay.reason = reply.reason or ""
    replay.model, replay.model_hash = made.model, made.model_hash
    replay.prompt_version_id = made.prompt_version_id
    replay.standalone_question = made.standalone_question
    replay.timings = made.timings
    replay.passages = [
        {
            "entry": passage.entry_id,
            "revision": passage.revision,
            "score": round(passage.probability, 4),
            "cited": passage.id in cited,
            "title": passage.question,
        }
        for passage in walk.passages
    ]
    replay.save()
    return replay


async def _ask_again(question: Question) -> Climbed:
    async with rehearsal_open() as rehearsal:
        await rehearsal.ready(site_id=question.site_id)
        return await rehearsal.climb(question)
