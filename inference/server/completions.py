"""``POST /v1/chat/completions``: one answer, whole or streamed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from inference.chat import Usage
from inference.errors import EngineError
from inference.scheduler import Scheduler
from inference.server.bodies import AnswerBodies, AnswerParts
from inference.server.errors import ApiError, engine_error
from inference.server.events import EventStream, disconnect_watch
from inference.server.generation import Generation
from inference.server.logprobs import FirstToken, candidates_encode, first_token
from inference.server.requests import RequestHints, body_parse, request_hints, service_of
from inference.server.runs import AnswerRequest
from inference.server.schemas import ChatCompletionRequest
from inference.server.schemas.base import UnsupportedParameter


async def chat_completion_create(request: Request) -> Response:
    """Answer the conversation in the body.

    Raises:
        ApiError, EngineError, ParameterRefused: answered by the application's handlers.
    """
    hints = request_hints(request)
    body = await body_parse(request, ChatCompletionRequest)
    service = service_of(request)
    scheduler = service.scheduler(body.model)
    bodies = AnswerBodies.start(body.model, service.fingerprint)
    if body.logprobs:
        return await _first_token_answer(request, body, scheduler, hints, bodies)
    generation = Generation(scheduler, _answer_request(body, scheduler, hints))
    await generation.start()
    parts = AnswerParts(bodies, older_calls=bool(body.functions))
    if body.stream:
        events = _events(generation, parts, with_usage=body.with_usage)
        return EventStream(events, gone=generation.cancel)
    async with disconnect_watch(request.receive, generation.cancel):
        return await _whole(generation, parts)


def _answer_request(
    body: ChatCompletionRequest, scheduler: Scheduler, hints: RequestHints
) -> AnswerRequest:
    options = body.options()
    if options.tools and not scheduler.engine.calls_tools:
        raise UnsupportedParameter("functions" if body.functions else "tools")
    return AnswerRequest(
        messages=tuple(message.message() for message in body.messages),
        parameters=body.parameters(),
        options=options,
        hints=hints,
        limited=body.limited,
        one_call=bool(body.functions) or body.parallel_tool_calls is False,
    )


async def _first_token_answer(
    request: Request,
    body: ChatCompletionRequest,
    scheduler: Scheduler,
    hints: RequestHints,
    bodies: AnswerBodies,
) -> Response:
    """An answer of one token with probabilities: one prefill, no decoding."""
    messages = [message.message() for message in body.messages]
    prompt = await asyncio.to_thread(scheduler.engine.prompt_encode, messages)
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


async def _events(
    generation: Generation, parts: AnswerParts, *, with_usage: bool
) -> AsyncGenerator[dict[str, object], None]:
    """The chunks of a streamed answer; an error on the way ends it as an error object."""
    yield parts.bodies.chunk(role="assistant")
    try:
        async with aclosing(generation.chunks()) as chunks:
            async for chunk in chunks:
                for event in parts.events(chunk):
                    yield event
                if with_usage and chunk.usage is not None:
                    yield parts.bodies.usage_chunk(chunk.usage)
    except EngineError as error:
        yield engine_error(error).body


async def _whole(generation: Generation, parts: AnswerParts) -> Response:
    async with aclosing(generation.chunks()) as chunks:
        async for chunk in chunks:
            parts.take(chunk)
            if chunk.finish_reason == "cancelled":
                raise ApiError(499, "The client has hung up.", "cancelled")
    return JSONResponse(parts.whole())
