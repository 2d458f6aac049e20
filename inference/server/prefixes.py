"""``PUT /prefixes``: which fixed heads of conversations the engine keeps in a state of being read.

Only texts that were published may be sent here, never what a customer wrote: the state of a prefix
stays in memory until it is replaced.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

from pydantic import Field, StrictStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from inference.server.requests import body_parse, service_of
from inference.server.schemas.base import Body
from inference.server.schemas.messages import Messages

logger = logging.getLogger(__name__)
MAX_PREFIXES = 256


class PrefixesRequest(Body):
    """Body of ``PUT /prefixes``: heads of conversations, the most used ones first."""

    prefixes: Annotated[list[Messages], Field(max_length=MAX_PREFIXES)]
    model: StrictStr | None = None


async def prefixes_replace(request: Request) -> Response:
    """Keep these prefixes, and no others; they are read when the engine has nothing else to do.

    The answer tells how many are ``kept``, how many ``tokens`` they have, and how many were
    ``refused`` because there is no room for them.

    Raises:
        ApiError, EngineError: answered by the application's handlers.
    """
    body = await body_parse(request, PrefixesRequest)
    service = service_of(request)
    scheduler = service.scheduler(body.model or service.chat_default())
    prefixes = [[message.message() for message in messages] for messages in body.prefixes]
    report = await asyncio.to_thread(scheduler.engine.prefixes_set, prefixes)
    if report != service.prefixes:  # the desk says it again from time to time
        service.prefixes = report
        logger.debug(
            "Beginnings of prompts to keep: %d with %d tokens; no room for %d.",
            report.kept, report.tokens, report.refused,
        )  # fmt: skip
    scheduler.chore_add(scheduler.engine.prefixes_settle)
    return JSONResponse({"kept": report.kept, "tokens": report.tokens, "refused": report.refused})
