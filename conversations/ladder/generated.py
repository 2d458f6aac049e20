"""The model's answer, shown clause by clause as each passes the support check."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from conversations.enums import Reason, Tier
from conversations.ladder.budget import PromptBudget, prompt_fit, tokens_estimate
from conversations.ladder.draft import Draft, DraftRejected
from conversations.ladder.gate import ModelGate
from conversations.ladder.model_seen import ModelSeen
from conversations.ladder.ports import Knowledge
from conversations.ladder.values import Answer, Walk
from inference.chat import ChatChunk, ChatClient, ChatMessage, ChatOptions, Priority
from inference.errors import (
    EngineDown,
    EngineError,
    EngineOverloaded,
    EngineStarting,
    EngineTimeout,
    ModelUnknown,
    PromptError,
    RequestInvalid,
)
from inference.support.check import SupportCheck, SupportPassage
from knowledge.selectors import PublishedPrompt

logger = logging.getLogger(__name__)

ATTEMPTS_MOST = 2
"""Attempts with the model for one message, restarts of the process included."""

# An engine without the model is a matter for the operator, not of what the model wrote.
_REASONS: dict[type[EngineError], Reason] = {
    ModelUnknown: Reason.ENGINE_DOWN,
    EngineStarting: Reason.STARTING,
    EngineDown: Reason.ENGINE_DOWN,
    EngineOverloaded: Reason.OVERLOAD,
    EngineTimeout: Reason.DEADLINE,
    RequestInvalid: Reason.INVALID_OUTPUT,
}


class FirstTokenLate(EngineTimeout):
    """Nothing came within the time for the first token."""


class Generated:
    """Asks the model, with the passages that speak of the question.

    Args:
        first_token_seconds: how long the engine may take to begin.
        budget: how long a prompt may be.
        model, model_hash: what the provenance says.
        seen: is told which model answers.
    """

    name = "generated"

    def __init__(
        self,
        *,
        client: ChatClient,
        knowledge: Knowledge,
        gate: ModelGate,
        first_token_seconds: float,
        budget: PromptBudget,
        model: str,
        model_hash: str = "",
        seen: ModelSeen | None = None,
    ) -> None:
        self._client = client
        self._knowledge = knowledge
        self._gate = gate
        self._first_token_seconds = first_token_seconds
        self._budget = budget
        self._model = model
        self._model_hash = model_hash
        self._seen = seen

    async def answer(self, walk: Walk) -> Answer | None:
        if walk.reason is not None or not walk.relevant:
            return None
        if not walk.question.use_model or walk.question.attempts > ATTEMPTS_MOST:
            walk.reason = Reason.ENGINE_DOWN
            return None
        try:
            return await self._attempts(walk)
        except DraftRejected as rejection:
            walk.reason = rejection.reason
            walk.details["problems"] = list(rejection.problems)
        except FirstTokenLate:
            walk.reason = Reason.FIRST_TOKEN
        except EngineError as error:
            walk.reason = _reason_of(error)
            walk.details["engine_error"] = str(error)
        except PromptError as error:
            logger.exception("Prompt version %s cannot be rendered.", walk.prompt_version_id)
            walk.reason = Reason.INVALID_OUTPUT
            walk.details["prompt_error"] = str(error)
        walk.live.reset()
        return None

    async def _attempts(self, walk: Walk) -> Answer:
        published = await self._knowledge.prompt(
            site_id=walk.question.site_id, language=walk.language
        )
        if published is None:
            raise PromptError("No prompt is published.")
        walk.prompt_version_id = published.version_id
        fitted = await prompt_fit(
            published.source, walk, tokens_most=self._budget.tokens, count=self._count
        )
        if fitted is None:
            # A prefill that long would pass the time for the first token.
            raise FirstTokenLate("The question alone is longer than the prompt's budget.")
        messages, passages = fitted
        walk.prompt = tuple(messages)
        walk.model, walk.model_hash = self._model, self._model_hash
        async with self._gate.admitted(seconds_left=walk.deadline.left, live=walk.live):
            for attempt in range(walk.question.attempts, ATTEMPTS_MOST + 1):
                draft = self._draft(walk, passages)
                try:
                    await self._generate(walk, draft, messages, published)
                except EngineDown:
                    # It broke off in the middle: a second engine may be there already.
                    if not draft.raw or attempt == ATTEMPTS_MOST:
                        raise
                    walk.live.reset()
                else:
                    return Answer(
                        draft.text.strip(), Tier.GENERATED, walk.language, cited=tuple(draft.cited)
                    )
                finally:
                    walk.rejected = "" if draft.accepted else draft.raw
        raise EngineDown("No attempt with the model is left.")

    def _draft(self, walk: Walk, passages: Sequence[SupportPassage]) -> Draft:
        return Draft(
            check=SupportCheck(
                question=walk.standalone,
                passages=passages,
                customer_texts=walk.question.texts,
                language=walk.language,
            ),
            passages=passages,
        )

    async def _generate(
        self,
        walk: Walk,
        draft: Draft,
        messages: Sequence[ChatMessage],
        published: PublishedPrompt,
    ) -> None:
        """Stream one answer into ``draft``; what the model thinks before it is kept for staff.

        Raises:
            DraftRejected, FirstTokenLate, EngineError.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        ends = began + walk.deadline.left
        stream = self._client.stream(
            messages,
            published.parameters,
            timeout=ends - began,
            options=ChatOptions(
                enable_thinking=published.thinking_tokens > 0,
                thinking_tokens=published.thinking_tokens or None,
            ),
            priority=Priority.ANSWER,
            conversation=walk.question.conversation,
        )
        walk.reasoning = ""
        first_by = min(began + self._first_token_seconds, ends)
        finish_reason = None
        begun = False
        try:
            async with (
                asyncio.timeout_at(first_by) as limit,
                aclosing(stream),
                aclosing(_timed(stream, walk)) as chunks,
            ):
                async for chunk in chunks:
                    if chunk.text or chunk.reasoning:
                        limit.reschedule(ends)  # it has begun
                    if chunk.text and not begun:
                        begun = True
                        walk.live.status("writing")
                        walk.timings["first_token"] = round(1000 * (loop.time() - began), 1)
                    finish_reason = chunk.finish_reason or finish_reason
                    self._take(walk, draft, chunk)
        except (TimeoutError, EngineTimeout) as error:
            if draft.raw or walk.reasoning:
                raise EngineTimeout("The deadline passed while the model wrote.") from error
            raise FirstTokenLate("The model did not begin in time.") from error
        self._show(walk, draft.finish(complete=finish_reason != "length"))

    def _take(self, walk: Walk, draft: Draft, chunk: ChatChunk) -> None:
        if chunk.usage is not None:
            walk.usage = chunk.usage
        walk.reasoning += chunk.reasoning
        if chunk.engine is not None:
            walk.model = chunk.engine.model or walk.model
            if chunk.engine.host:  # another one than the weights on this machine
                walk.model_hash = ""
                walk.details["engine"] = chunk.engine.host
            elif chunk.engine.fingerprint:  # the model may have been switched since the start
                walk.model_hash = chunk.engine.fingerprint
            if self._seen is not None:
                self._seen.note(walk.model, walk.model_hash, walk.details.get("engine"))
        self._show(walk, draft.feed(chunk.text))

    @staticmethod
    def _show(walk: Walk, text: str) -> None:
        if text:
            walk.live.delta(text)

    async def _count(self, messages: Sequence[ChatMessage]) -> int:
        try:
            return await self._client.count_tokens(messages)
        except EngineError:
            return tokens_estimate(messages)


async def _timed(chunks: AsyncIterator[ChatChunk], walk: Walk) -> AsyncGenerator[ChatChunk]:
    """Pass chunks on; the milliseconds that they were waited for add up in the timing ``engine``."""
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            chunk = await anext(chunks, None)
        finally:
            waited = 1000 * (loop.time() - began)
            walk.timings["engine"] = round(walk.timings.get("engine", 0.0) + waited, 3)
        if chunk is None:
            return
        yield chunk


def _reason_of(error: EngineError) -> Reason:
    for kind, reason in _REASONS.items():
        if isinstance(error, kind):
            return reason
    return Reason.ENGINE_DOWN
