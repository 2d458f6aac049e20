"""``POST /v1/chat/completions``: one answer, whole or streamed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from inference.chat import ChatChunk, GenerationParameters, Usage
from inference.engines.protocol import ChatEngine, Prompt
from inference.errors import EngineError
from inference.scheduler import Job, Scheduler
from inference.server.bodies import AnswerBodies
from inference.server.errors import ApiError, engine_error
from inference.server.events import EventStream, disconnect_watch
from inference.server.logprobs import FirstToken, candidates_encode, first_token
from inference.server.requests import RequestHints, body_parse, request_hints, service_of
from inference.server.schemas import ChatCompletionRequest


async def chat_completion_create(request: Request) -> Response:
    """Answer the conversation in the body.

    Raises:
        ApiError, EngineError, UnsupportedParameter: answered by the application's handlers.
    """
    hints = request_hints(request)
    body = await body_parse(request, ChatCompletionRequest)
    service = service_of(request)
    scheduler = service.scheduler(body.model)
    messages = [message.message() for message in body.messages]
    prompt = await asyncio.to_thread(scheduler.engine.prompt_encode, messages)
    bodies = AnswerBodies.start(body.model, service.fingerprint)
    if body.logprobs:
        return await _first_token_answer(request, body, scheduler, prompt, hints, bodies)
    parameters = _parameters_fit(body, prompt, scheduler.engine)
    job = scheduler.job_submit(
        prompt,
        parameters,
        seconds=hints.seconds,
        priority=hints.priority,
        conversation=hints.conversation,
    )
    if body.stream:
        events = _events(scheduler, job, bodies, with_usage=body.with_usage)
        return EventStream(events, gone=lambda: scheduler.job_cancel(job))
    async with disconnect_watch(request.receive, lambda: scheduler.job_cancel(job)):
        return await _whole(scheduler, job, bodies)


async def _first_token_answer(
    request: Request,
    body: ChatCompletionRequest,
    scheduler: Scheduler,
    prompt: Prompt,
    hints: RequestHints,
    bodies: AnswerBodies,
) -> Response:
    """An answer of one token with probabilities: one prefill, no decoding."""
    token_ids = None
    if body.logprob_candidates is not None:
        token_ids = await candidates_encode(scheduler.engine, body.logprob_candidates)
    job = scheduler.score_submit(
        [prompt],
        token_ids,
        seconds=hints.seconds,
        priority=hints.priority,
        conversation=hints.conversation,
    )
    async with disconnect_watch(request.receive, lambda: scheduler.job_cancel(job)):
        scores = await scheduler.job_scores(job)
    token = first_token(
        scheduler.engine,
        scores[0],
        token_ids,
        parameters=body.parameters(),
        top=body.top_logprobs or 0,
        seed=body.seed,
    )
    usage = Usage(len(prompt.token_ids), 1)
    if not body.stream:
        whole = bodies.whole(token.text, token.finish_reason, usage, logprobs=token.body())
        return JSONResponse(whole)
    return EventStream(
        _first_token_events(bodies, token, usage if body.with_usage else None), gone=lambda: None
    )


async def _first_token_events(
    bodies: AnswerBodies, token: FirstToken, usage: Usage | None
) -> AsyncGenerator[dict[str, object], None]:
    yield bodies.chunk(role="assistant")
    yield bodies.chunk(token.text, logprobs=token.body())
    yield bodies.chunk(finish_reason=token.finish_reason)
    if usage is not None:
        yield bodies.usage_chunk(usage)


def _parameters_fit(
    body: ChatCompletionRequest, prompt: Prompt, engine: ChatEngine
) -> GenerationParameters:
    """The server's own limit for answers gives way to a long prompt; the client's does not."""
    parameters = body.parameters()
    room = engine.context_length - len(prompt.token_ids)
    if body.limited or room < 1:
        return parameters
    return replace(parameters, max_tokens=min(parameters.max_tokens, room))


async def _events(
    scheduler: Scheduler, job: Job, bodies: AnswerBodies, *, with_usage: bool
) -> AsyncGenerator[dict[str, object], None]:
    """The chunks of a streamed answer; an error on the way ends it as an error object."""
    yield bodies.chunk(role="assistant")
    try:
        async with aclosing(scheduler.job_chunks(job)) as chunks:
            async for chunk in chunks:
                if chunk.text or chunk.finish_reason:
                    yield bodies.chunk(chunk.text, _finish_reason(chunk))
                if with_usage and chunk.usage is not None:
                    yield bodies.usage_chunk(chunk.usage)
    except EngineError as error:
        yield engine_error(error).body


async def _whole(scheduler: Scheduler, job: Job, bodies: AnswerBodies) -> Response:
    text = ""
    async with aclosing(scheduler.job_chunks(job)) as chunks:
        async for chunk in chunks:
            text += chunk.text
            if chunk.finish_reason is not None and chunk.usage is not None:
                reason = _finish_reason(chunk) or "stop"
                return JSONResponse(bodies.whole(text, reason, chunk.usage))
    # Only a cancelled answer has no usage, and nobody is there to read this.
    raise ApiError(499, "The client has hung up.", "cancelled")


def _finish_reason(chunk: ChatChunk) -> str | None:
    """``cancelled`` is no reason that OpenAI's clients know."""
    return "stop" if chunk.finish_reason == "cancelled" else chunk.finish_reason
