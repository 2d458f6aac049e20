"""Reads requests: their bounded body, their time limit and hints, the service they are for."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from inference.chat import Priority
from inference.server.errors import ApiError, validation_error
from inference.server.service import InferenceService

MAX_BODY_BYTES = 2 * 2**20
MAX_SECONDS = 600.0
# A body up to this is checked in well under a millisecond; a larger one must not hold up streams.
_QUICK_BYTES = 4096
# How many seconds the client will wait; our own client sends it, others get MAX_SECONDS.
TIMEOUT_HEADER = "x-timeout-seconds"
# How urgent it is, and with which other requests it takes turns.
PRIORITY_HEADER = "x-priority"
CONVERSATION_HEADER = "x-conversation"
MAX_CONVERSATION_CHARACTERS = 200

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class RequestHints:
    """What a client says about a request besides its body; see ``Scheduler.job_submit``."""

    seconds: float
    priority: Priority
    conversation: str


def service_of(request: Request) -> InferenceService:
    service: InferenceService = request.app.state.service
    return service


async def body_parse(request: Request, schema: type[Model]) -> Model:
    """Read and check a JSON body.

    Raises:
        ApiError: it is too large, not JSON, or not what the schema says.
    """
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                raise ApiError(
                    413, f"The body is larger than {MAX_BODY_BYTES} bytes.", "body_too_large"
                )
    except ClientDisconnect as error:
        raise ApiError(499, "The client has hung up.", "cancelled") from error
    try:
        if len(body) <= _QUICK_BYTES:
            return schema.model_validate_json(bytes(body))
        return await asyncio.to_thread(schema.model_validate_json, bytes(body))
    except ValidationError as error:
        raise validation_error(error) from error


def seconds_left(request: Request) -> float:
    """Seconds that the client gives the request.

    Raises:
        ApiError: the header is not a positive number.
    """
    text = request.headers.get(TIMEOUT_HEADER)
    if text is None:
        return MAX_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ApiError(
            400, f"{TIMEOUT_HEADER} must be a number of seconds above 0.", "invalid_value"
        )
    return min(seconds, MAX_SECONDS)


def request_hints(request: Request) -> RequestHints:
    """The time limit, priority and conversation that the headers name.

    Raises:
        ApiError: a header has a value that it cannot have.
    """
    name = request.headers.get(PRIORITY_HEADER, Priority.ANSWER.name)
    try:
        priority = Priority[name.upper()]
    except KeyError as error:
        known = ", ".join(priority.name.lower() for priority in Priority)
        raise ApiError(
            400, f"{PRIORITY_HEADER} must be one of {known}.", "invalid_value"
        ) from error
    conversation = request.headers.get(CONVERSATION_HEADER, "")
    if len(conversation) > MAX_CONVERSATION_CHARACTERS:
        raise ApiError(
            400,
            f"{CONVERSATION_HEADER} must have at most {MAX_CONVERSATION_CHARACTERS} characters.",
            "invalid_value",
        )
    return RequestHints(seconds_left(request), priority, conversation)
