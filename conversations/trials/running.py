"""Asks the questions of one trial, a slice at a time, so that other background work gets its turn.

What is compared is answers, so an answer for which the model was not there, late or overloaded says
nothing and does not count: it is asked again, and if that does not help the trial is broken off with
the reason, to go on later where it stopped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from asgiref.sync import sync_to_async
from django.db import IntegrityError
from django.utils.translation import gettext as _

from conversations.engine_lease import EngineUnavailable
from conversations.enums import Reason
from conversations.ladder.values import Climbed
from conversations.rehearsal import (
    AS_PUBLISHED,
    Rehearsal,
    Staging,
    is_from_knowledge,
    question_for,
    rehearsal_open,
)
from conversations.trials.models import is_started_for_it, model_opened
from inference.errors import InferenceError
from knowledge.models import Trial, TrialAnswer, TrialQuestion
from knowledge.selectors import PublishedPrompt, prompt_value
from knowledge.services.trials import trial_finish
from knowledge.trials.scoring import Expected, answer_judge

SLICE_SECONDS: Final = 30.0
STARTED_SLICE_SECONDS: Final = 180.0
"""The same when a model has to be loaded for each slice."""
ATTEMPTS_MOST: Final = 3
READY_SECONDS: Final = 120.0
_PAUSE_SECONDS: Final = 2.0

_NO_ANSWER: Final = frozenset(
    {Reason.ENGINE_DOWN, Reason.STARTING, Reason.OVERLOAD, Reason.DEADLINE, Reason.FIRST_TOKEN}
)
Side = TrialAnswer.Side
OpenRehearsal = Callable[..., AbstractAsyncContextManager[Rehearsal]]
"""As :func:`conversations.rehearsal.rehearsal_open`."""


class TrialBroken(Exception):
    """The trial cannot go on now; ``str()`` is a sentence for the page."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a slice needs to know."""

    trial: Trial
    baseline: Staging
    candidate: Staging
    open: list[tuple[TrialQuestion, str]]


def trial_slice_run(
    *,
    trial_id: int,
    seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    pause: float = _PAUSE_SECONDS,
    rehearse: OpenRehearsal = rehearsal_open,
) -> bool:
    """Answer questions of a trial for about so many seconds; whether it has to go on."""
    waiting = Trial.objects.filter(pk=trial_id, state=Trial.State.WAITING)
    waiting.update(state=Trial.State.RUNNING)
    trial = (
        Trial.objects.filter(pk=trial_id, state=Trial.State.RUNNING)
        .select_related("question_set__site", "candidate__template", "baseline__template")
        .first()
    )
    if trial is None:  # cancelled, over or deleted
        return False
    if trial.candidate is not None and trial.candidate.content_hash() != trial.candidate_hash:
        problem = _("The draft was changed while it was tried; start a new trial.")
        trial_finish(trial=trial, state=Trial.State.FAILED, problem=problem)
        return False
    plan = _Plan(trial, *_stagings(trial), open=_open_answers(trial))
    room = STARTED_SLICE_SECONDS if is_started_for_it(trial.model) else SLICE_SECONDS
    until = clock() + (room if seconds is None else seconds)
    try:
        finished = asyncio.run(_answer(plan, lambda: clock() < until, pause, rehearse))
    except (TrialBroken, EngineUnavailable, InferenceError) as error:
        trial_finish(trial=trial, state=Trial.State.FAILED, problem=str(error))
        return False
    if finished:
        trial_finish(trial=trial, state=Trial.State.DONE)
    return not finished


def _stagings(trial: Trial) -> tuple[Staging, Staging]:
    """What is published, by the version that was when the trial began; and what is tried."""
    published = prompt_value(trial.baseline) if trial.baseline is not None else None
    baseline = Staging(prompt=published, asks_model=trial.asks_model)
    tried: PublishedPrompt | None = published
    if trial.candidate is not None:
        tried = prompt_value(trial.candidate)
    return baseline, Staging(
        prompt=tried,
        direct_probability=trial.direct_probability,
        relevant_probability=trial.relevant_probability,
        asks_model=trial.asks_model,
    )


def _open_answers(trial: Trial) -> list[tuple[TrialQuestion, str]]:
    """Questions and sides without an answer, both sides of a question together."""
    there = set(
        TrialAnswer.objects.filter(question__trial=trial).values_list("question_id", "side")
    )
    return [
        (question, side)
        for question in trial.questions.order_by("position")
        for side in (Side.BASELINE, Side.CANDIDATE)
        if (question.pk, side.value) not in there
    ]


async def _answer(
    plan: _Plan, is_time: Callable[[], bool], pause: float, rehearse: OpenRehearsal
) -> bool:
    """Answer what is open; ``True`` when nothing is left."""
    trial = plan.trial
    async with rehearse() as published, model_opened(trial.model) as chat:
        await _ready(published, trial.question_set.site_id, pause)
        if chat is None:
            return await _sides_answer(plan, published, published, is_time, pause)
        async with rehearse(engines=published.engines, chat=chat) as tried:
            await _ready(tried, trial.question_set.site_id, pause)
            return await _sides_answer(plan, published, tried, is_time, pause)


async def _ready(rehearsal: Rehearsal, site_id: int, pause: float) -> None:
    """Wait for a model that is loading.

    Raises:
        TrialBroken: it is away.
    """
    waited = 0.0
    while (await rehearsal.ready(site_id=site_id)).state == "loading" and waited < READY_SECONDS:
        await asyncio.sleep(pause)
        waited += pause
    if (await rehearsal.ready(site_id=site_id)).state != "ready":
        raise TrialBroken(_("The model is not running. Go on with the trial when it is."))


async def _sides_answer(
    plan: _Plan,
    published: Rehearsal,
    tried: Rehearsal,
    is_time: Callable[[], bool],
    pause: float,
) -> bool:
    for number, (question, side) in enumerate(plan.open):
        # At least one a slice, so that it gets on however slow the engine is.
        if number and not is_time():
            return False
        if not await sync_to_async(_is_running)(plan.trial):
            return False
        rehearsal = published if side == Side.BASELINE else tried
        staging = plan.baseline if side == Side.BASELINE else plan.candidate
        climbed = await _climb(rehearsal, plan.trial, question, staging, pause)
        await sync_to_async(_store)(question, side, climbed)
    return True


def _is_running(trial: Trial) -> bool:
    return Trial.objects.filter(pk=trial.pk, state=Trial.State.RUNNING).exists()


async def _climb(
    rehearsal: Rehearsal,
    trial: Trial,
    question: TrialQuestion,
    staging: Staging = AS_PUBLISHED,
    pause: float = _PAUSE_SECONDS,
) -> Climbed:
    """One answer that the model had every chance to make.

    Raises:
        TrialBroken: it had none.
    """
    asked = question_for(
        site=trial.question_set.site,
        text=question.text,
        language=question.language,
        conversation=f"trial-{trial.pk}",
    )
    for attempt in range(1, ATTEMPTS_MOST + 1):
        climbed = await rehearsal.climb(asked, staging)
        if climbed.walk.reason not in _NO_ANSWER:
            return climbed
        if attempt < ATTEMPTS_MOST:
            await asyncio.sleep(pause)
    reason = Reason(str(climbed.walk.reason))
    raise TrialBroken(
        _("“%(question)s” could not be asked: %(reason)s.")
        % {"question": question.text[:80], "reason": reason.label}
    )


def _store(question: TrialQuestion, side: str, climbed: Climbed) -> None:
    answer, walk = climbed.answer, climbed.walk
    entries = {passage.id: passage.entry_id for passage in walk.passages}
    cited = [entries[each] for each in answer.cited if each in entries]
    judged = answer_judge(
        Expected(question.expectation, question.entries, question.facts, question.forbidden),
        text=answer.text,
        is_answered=is_from_knowledge(climbed),
        cited=cited,
    )
    try:
        TrialAnswer.objects.create(
            question=question,
            side=side,
            is_right=judged.is_right,
            problems=[list(problem) for problem in judged.problems],
            text=answer.text,
            tier=answer.tier,
            reason=answer.reason or "",
            cited=cited,
            rejected=walk.rejected,
            model=walk.model if walk.prompt else "",
            first_token_ms=walk.timings.get("first_token"),
            total_ms=walk.timings.get("total"),
            prompt_tokens=walk.usage.prompt_tokens,
            completion_tokens=walk.usage.completion_tokens,
        )
    except IntegrityError:
        return  # another worker took the trial up meanwhile and was quicker
