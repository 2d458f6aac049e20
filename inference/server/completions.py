"""``POST /v1/chat/completions``: one answer, whole or streamed."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from inference.chat import ChatChunk, GenerationParameters, Usage
from inference.engines.protocol import ChatEngine, Prompt
from inference.errors import EngineError
from inference.scheduler import Job, Scheduler
from inference.server.errors import ApiError, engine_error
from inference.server.events import EventStream, disconnect_watch
from inference.server.requests import body_parse, seconds_left, service_of
from inference.server.schemas import ChatCompletionRequest


@dataclass(frozen=True, slots=True)
class Answer:
    """What all parts of one answer have in common."""

    completion_id: str
    created: int
    model: str

    @classmethod
    def start(cls, model: str) -> Answer:
        return cls(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), model)

    def chunk(self, text: str, finish_reason: str | None = None, **delta: str) -> dict[str, object]:
        """A streamed part; ``content`` is always a string, because plain clients rely on it."""
        choice = {
            "index": 0,
            "delta": {**delta, "content": text},
            "logprobs": None,
            "finish_reason": finish_reason,
        }
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def usage_chunk(self, usage: Usage) -> dict[str, object]:
        return {
            **self._head("chat.completion.chunk"), "choices": [], "usage": usage_body(usage)
        }  # fmt: skip

    def whole(self, text: str, finish_reason: str, usage: Usage) -> dict[str, object]:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "logprobs": None,
            "finish_reason": finish_reason,
        }
        return {
            **self._head("chat.completion"), "choices": [choice], "usage": usage_body(usage)
        }  # fmt: skip

    def _head(self, kind: str) -> dict[str, object]:
        return {
            "id": self.completion_id,
            "object": kind,
            "created": self.created,
            "model": self.model,
        }


def usage_body(usage: Usage) -> dict[str, int]:
    """Token counts under OpenAI's names."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


async def chat_completion_create(request: Request) -> Response:
    """Answer the conversation in the body.

    Raises:
        ApiError, EngineError, UnsupportedParameter: answered by the application's handlers.
    """
    seconds = seconds_left(request)
    body = await body_parse(request, ChatCompletionRequest)
    scheduler = service_of(request).scheduler(body.model)
    messages = [message.message() for message in body.messages]
    prompt = await asyncio.to_thread(scheduler.engine.prompt_encode, messages)
    parameters = _parameters_fit(body, prompt, scheduler.engine)
    job = scheduler.job_submit(prompt, parameters, seconds=seconds)
    answer = Answer.start(body.model)
    if body.stream:
        with_usage = body.stream_options is not None and body.stream_options.include_usage
        events = _events(scheduler, job, answer, with_usage=with_usage)
        return EventStream(events, gone=lambda: scheduler.job_cancel(job))
    async with disconnect_watch(request.receive, lambda: scheduler.job_cancel(job)):
        return await _whole(scheduler, job, answer)


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
    scheduler: Scheduler, job: Job, answer: Answer, *, with_usage: bool
) -> AsyncGenerator[dict[str, object], None]:
    """The chunks of a streamed answer; an error on the way ends it as an error object."""
    yield answer.chunk("", role="assistant")
    try:
        async with aclosing(scheduler.job_chunks(job)) as chunks:
            async for chunk in chunks:
                if chunk.text or chunk.finish_reason:
                    yield answer.chunk(chunk.text, _finish_reason(chunk))
                if with_usage and chunk.usage is not None:
                    yield answer.usage_chunk(chunk.usage)
    except EngineError as error:
        yield engine_error(error).body


async def _whole(scheduler: Scheduler, job: Job, answer: Answer) -> Response:
    text = ""
    async with aclosing(scheduler.job_chunks(job)) as chunks:
        async for chunk in chunks:
            text += chunk.text
            if chunk.finish_reason is not None and chunk.usage is not None:
                reason = _finish_reason(chunk) or "stop"
                return JSONResponse(answer.whole(text, reason, chunk.usage))
    # Only a cancelled answer has no usage, and nobody is there to read this.
    raise ApiError(499, "The client has hung up.", "cancelled")


def _finish_reason(chunk: ChatChunk) -> str | None:
    """``cancelled`` is no reason that OpenAI's clients know."""
    return "stop" if chunk.finish_reason == "cancelled" else chunk.finish_reason
