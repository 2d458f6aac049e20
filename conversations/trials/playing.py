"""The playground: one question to two versions of a prompt, told as it happens.

Nothing is stored: the page keeps the dialogue and sends what was said before with each question.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, replace
from typing import Any, Final

from django.utils.translation import gettext as _

from conversations.enums import Reason, Tier
from conversations.ladder.values import Climbed, dialogue_of
from conversations.lanes import READS
from conversations.rehearsal import SECONDS, Rehearsal, Staging, question_for
from inference.chat import ChatOptions, Priority
from inference.errors import EngineError, InferenceError, LabelsError, PromptError
from inference.labels.keywords import keywords_of
from inference.prompts.rendering import SAMPLE_BARE, prompt_render
from inference.text.names import name_in
from knowledge.label_sets import label_sets_enabled
from knowledge.label_words import label_words
from knowledge.models import Language, Site
from knowledge.selectors import PublishedPrompt
from knowledge.trials.gate import GATED_ROLE

LABEL_SECONDS: Final = 30.0
PASSAGES_SHOWN: Final = 4

Event = dict[str, Any]
OpenRehearsal = Callable[..., AbstractAsyncContextManager[Rehearsal]]


@dataclass(frozen=True, slots=True)
class PlaySide:
    """One of the two: a version with its parameters, and what was said with it before."""

    name: str
    prompt: PublishedPrompt
    history: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Play:
    """A question for two sides.

    ``role`` other than ``answer``: the prompt is rendered and what the model writes is shown as it
    is. ``asks_model``: the model writes also where customers would get an entry word for word.
    """

    site: Site
    role: str
    language: str
    text: str
    sides: Sequence[PlaySide]
    asks_model: bool = True


async def play_events(
    play: Play, *, opened: AbstractAsyncContextManager[Rehearsal]
) -> AsyncIterator[Event]:
    """What happens, as it happens: ``labels`` first, then for each side its ``status``, ``delta``,
    ``reset`` and ``done``; ``error`` with a sentence, and ``end``.

    The sides answer one after the other, so that the speeds told are those of one answer alone.
    """
    async with opened as rehearsal:
        health = await rehearsal.ready(site_id=play.site.pk, settle=False)
        if health.state != "ready":
            yield {"type": "error", "text": _engine_words(health.state)}
            yield {"type": "end"}
            return
        yield {"type": "labels", "labels": await _labels(rehearsal, play)}
        for side in play.sides:
            async with aclosing(_side(rehearsal, play, side)) as events:
                async for event in events:
                    yield {"type": "side", "side": side.name, **event}
    yield {"type": "end"}


def _engine_words(state: str) -> str:
    if state == "loading":
        return _("The model is still loading. Try again in a moment.")
    return _("The model is not running, so there is nothing to try. The overview tells its state.")


async def _labels(rehearsal: Rehearsal, play: Play) -> list[Event]:
    """What every set of the site says of the question; a set that cannot say is left out."""
    labeller = rehearsal.labeller()
    found: list[Event] = [
        {
            "set": _("Language"),
            "label": str(dict(Language.choices).get(play.language, play.language)),
            "probability": 1.0,
            "sure": True,
        },
    ]
    if words := keywords_of(play.text):
        found.append(
            {"set": _("Keywords"), "label": ", ".join(words), "probability": 1.0, "sure": True}
        )
    sets = await READS.run(label_sets_enabled, site_id=play.site.pk, language=play.language)
    for known in sets:
        try:
            [said] = await labeller.label(
                known.value,
                [play.text],
                classifier=known.classifier,
                timeout=LABEL_SECONDS,
                priority=Priority.BACKGROUND,
            )
        except (EngineError, LabelsError, PromptError):
            continue
        found.append(
            {
                "set": known.name,
                "label": label_words(known.key, said.best),
                "probability": round(said.probability, 3),
                "sure": said.label is not None,
            }
        )
    return found


def _side(rehearsal: Rehearsal, play: Play, side: PlaySide) -> AsyncGenerator[Event, None]:
    if play.role == GATED_ROLE:
        return _ladder_side(rehearsal, play, side)
    return _plain_side(rehearsal, play, side)


class _Told:
    """A ``Live`` whose news wait in a queue."""

    def __init__(self) -> None:
        self.news: asyncio.Queue[Event | None] = asyncio.Queue()

    def status(
        self,
        state: str,
        *,
        position: int | None = None,
        eta_ms: int | None = None,
        label: str = "",
    ) -> None:
        self.news.put_nowait({"event": "status", "state": state})

    def delta(self, text: str) -> None:
        self.news.put_nowait({"event": "delta", "text": text})

    def reset(self) -> None:
        self.news.put_nowait({"event": "reset"})


async def _ladder_side(
    rehearsal: Rehearsal, play: Play, side: PlaySide
) -> AsyncGenerator[Event, None]:
    told = _Told()
    question = question_for(
        site=play.site,
        text=play.text,
        language=play.language,
        history=side.history,
        conversation=f"playground-{side.name}",
    )
    staging = Staging(prompt=side.prompt, asks_model=play.asks_model)

    async def climb() -> Climbed:
        try:
            return await rehearsal.climb(question, staging, live=told)
        finally:
            told.news.put_nowait(None)

    told.status("thinking")
    task = asyncio.create_task(climb())
    try:
        while (news := await told.news.get()) is not None:
            yield news
        yield {"event": "done", **climbed_told(await task)}
    finally:
        task.cancel()


def climbed_told(climbed: Climbed) -> Event:
    """An answer with the way to it, as the page and the saved dialogue show it."""
    answer, walk = climbed.answer, climbed.walk
    return {
        "text": answer.text,
        "tier": str(answer.tier),
        "tier_words": str(Tier(answer.tier).label),
        "reason": str(answer.reason or ""),
        "reason_words": str(Reason(answer.reason).label) if answer.reason else "",
        "understood": walk.standalone,
        "passages": [
            {
                "entry": passage.entry_id,
                "title": passage.question,
                "text": passage.answer,
                "probability": round(passage.probability, 3),
                "cited": passage.id in answer.cited,
            }
            for passage in walk.passages[:PASSAGES_SHOWN]
        ],
        "rejected": walk.rejected,
        "problems": walk.details.get("problems", []),
        "failure": walk.details.get("prompt_error") or walk.details.get("engine_error") or "",
        "reasoning": walk.reasoning,
        "model": walk.model if walk.prompt else "",
        "prompt": [{"role": part.role, "content": part.content} for part in walk.prompt],
        "prompt_tokens": walk.usage.prompt_tokens,
        "completion_tokens": walk.usage.completion_tokens,
        "first_token_ms": walk.timings.get("first_token"),
        "total_ms": walk.timings.get("total"),
        "tokens_per_second": speed_of(
            walk.usage.completion_tokens,
            walk.timings.get("first_token"),
            walk.timings.get("engine"),
        ),
    }


def speed_of(tokens: int, first_ms: float | None, all_ms: float | None) -> float | None:
    """Tokens a second after the first one; ``None`` where there were not two."""
    if tokens < 2 or first_ms is None or all_ms is None or all_ms <= first_ms:
        return None
    return round(1000 * (tokens - 1) / (all_ms - first_ms), 1)


async def _plain_side(
    rehearsal: Rehearsal, play: Play, side: PlaySide
) -> AsyncGenerator[Event, None]:
    said = [*dialogue_of(side.history), ("user", play.text)]
    variables = {
        **SAMPLE_BARE,
        "question": play.text,
        "history": [{"role": role, "text": text} for role, text in said],
        "shop_name": name_in(play.site.name, play.language),
        "user_region": play.site.region,
        "language": play.language,
    }
    try:
        messages = prompt_render(side.prompt.source, variables)
    except PromptError as error:
        yield {"event": "failed", "text": str(error)}
        return
    yield {"event": "status", "state": "thinking"}
    began = time.monotonic()
    first: float | None = None
    text, usage, model = "", None, ""
    thinking = side.prompt.thinking_tokens
    stream = rehearsal.chat.stream(
        messages,
        side.prompt.parameters,
        timeout=SECONDS,
        options=ChatOptions(enable_thinking=thinking > 0, thinking_tokens=thinking or None),
    )
    try:
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                if chunk.text and first is None:
                    first = 1000 * (time.monotonic() - began)
                text += chunk.text
                usage = chunk.usage or usage
                model = chunk.engine.model if chunk.engine is not None else model
                if chunk.text:
                    yield {"event": "delta", "text": chunk.text}
    except InferenceError as error:
        yield {"event": "failed", "text": str(error)}
        return
    total = 1000 * (time.monotonic() - began)
    written = usage.completion_tokens if usage is not None else 0
    yield {
        "event": "done",
        "text": text,
        "model": model,
        "prompt": [{"role": part.role, "content": part.content} for part in messages],
        "prompt_tokens": usage.prompt_tokens if usage is not None else 0,
        "completion_tokens": written,
        "first_token_ms": None if first is None else round(first, 1),
        "total_ms": round(total, 1),
        "tokens_per_second": speed_of(written, first, total),
    }


def prompt_turned(
    prompt: PublishedPrompt,
    *,
    temperature: float,
    top_p: float,
    repetition_penalty: float,
    max_tokens: int,
) -> PublishedPrompt:
    """A prompt with other parameters."""
    parameters = replace(
        prompt.parameters,
        temperature=temperature,
        top_p=top_p,
        repetition_penalty=repetition_penalty,
        max_tokens=max_tokens,
    )
    return replace(prompt, parameters=parameters)
