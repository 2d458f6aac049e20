"""Passes a request to ``/v1`` on to one of several engines, in the order in which answers use them.

The ladder's own pool chooses: an engine that has failed for customers gets no requests of programs
either, and the other way round. The request and the answer stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from inference.backends.pool import BackendPool
from inference.backends.specs import BackendSpec
from inference.connection import error_kind
from inference.errors import (
    EngineDown,
    EngineError,
    EngineOverloaded,
    EngineTimeout,
    EngineUnreachable,
    ModelUnknown,
    RequestInvalid,
)
from supportdesk.v1_engines import Destination
from supportdesk.v1_stream import StreamWatch

if TYPE_CHECKING:
    import httpx2

# The engine does not know the desk: that is no matter of the client's.
_KEY_REFUSED: Final = frozenset({401, 403})
_STATUS_OF_ERROR: Final[tuple[tuple[type[EngineError], int], ...]] = (
    (EngineOverloaded, 429),
    (EngineTimeout, 504),
    (EngineError, 503),
)


@dataclass(frozen=True, slots=True)
class Question:
    """What a program asks.

    Attributes:
        given: the body.
        hints: headers for the built-in engine.
        seconds: the time that the program has.
        conversation: requests of one go to the engines in one order.
    """

    given: Mapping[str, Any]
    hints: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 600.0
    conversation: str = ""

    @property
    def streamed(self) -> bool:
        return bool(self.given.get("stream"))


@dataclass(frozen=True, slots=True)
class Relayed:
    """An engine's answer; reading ``pieces`` to the end, or closing them, lets go of it."""

    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Refused:
    """An engine's answer that says that it has none."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NobodyAnswers(Exception):
    """No engine has answered; ``late`` if one took longer than there was time."""

    def __init__(self, *, late: bool) -> None:
        super().__init__()
        self.late = late


@dataclass(frozen=True, slots=True)
class _Begun:
    """An answer whose beginning is there; ``watch`` if it is a stream."""

    answer: httpx2.Response
    held: bytes
    rest: AsyncIterator[bytes]
    watch: StreamWatch | None


class Relay:
    """``http`` and ``pool`` belong to the event loop."""

    def __init__(self, pool: BackendPool, http: httpx2.AsyncClient) -> None:
        self._pool = pool
        self._http = http

    async def answer(
        self, question: Question, destinations: Sequence[Destination]
    ) -> Relayed | Refused:
        """The answer of the first of ``destinations`` that gives one.

        Raises:
            NobodyAnswers
        """
        by_name = {destination.spec.name: destination for destination in destinations}
        refusals: dict[EngineError, Refused] = {}

        async def begin(spec: BackendSpec) -> _Begun:
            return await self._begin(by_name[spec.name], question, refusals)

        stack = AsyncExitStack()
        try:
            begun = await stack.enter_async_context(
                self._pool.relayed(
                    begin,
                    timeout=question.seconds,
                    among=by_name,
                    conversation=question.conversation,
                    whole=not question.streamed,
                )
            )
        except EngineError as error:
            if error in refusals:
                return refusals[error]
            raise NobodyAnswers(late=isinstance(error, EngineTimeout)) from error
        headers = dict(begun.answer.headers)
        return Relayed(begun.answer.status_code, headers, _pieces(begun, stack))

    async def _begin(
        self,
        destination: Destination,
        question: Question,
        refusals: dict[EngineError, Refused],
    ) -> _Begun:
        """Send the request and wait for the beginning of what may be shown to the client.

        Raises:
            EngineError: another engine may do better; ``refusals`` gets what this one said.
        """
        answer = await self._sent(destination, question)
        try:
            if _is_final(answer.status_code):
                return await _begun(answer, refusals)
            refused = Refused(answer.status_code, dict(answer.headers), await answer.aread())
        except _http_error() as error:
            await answer.aclose()
            raise EngineDown(f"{destination.spec.name} broke off.") from error
        except BaseException:
            await answer.aclose()
            raise
        await answer.aclose()
        kind = error_kind(refused.status, _code(refused.body))
        refusal = kind(f"{destination.spec.name} answers {refused.status}.")
        if refused.status not in _KEY_REFUSED:
            refusals[refusal] = refused
        raise refusal

    async def _sent(self, destination: Destination, question: Question) -> httpx2.Response:
        import httpx2

        spec = destination.spec
        request = self._http.build_request(
            "POST",
            engine_address(spec.url, "chat/completions"),
            content=json.dumps(destination.body(question.given), ensure_ascii=False).encode(),
            headers={
                **engine_headers(spec.key),
                **(question.hints if spec.local else {}),
                "Content-Type": "application/json",
            },
        )
        try:
            return await self._http.send(request, stream=True)
        except httpx2.ConnectError as error:
            raise EngineUnreachable(f"No engine listens at {spec.host}.") from error
        except httpx2.HTTPError as error:
            raise EngineDown(f"No engine answers at {spec.host}.") from error


async def _begun(answer: httpx2.Response, refusals: dict[EngineError, Refused]) -> _Begun:
    """Read as much of a stream as says nothing yet; what comes in one piece is not read.

    Raises:
        EngineError: the stream ends without an answer.
    """
    rest = answer.aiter_raw()
    if not answer.headers.get("content-type", "").startswith("text/event-stream"):
        return _Begun(answer, b"", rest, None)
    watch, held = StreamWatch(), b""
    async for piece in rest:
        held += piece
        watch.feed(piece)
        if watch.error is not None:
            refusals[watch.error] = _refused(watch.error, watch.error_body)
            raise watch.error
        if watch.begun or watch.ended:
            return _Begun(answer, held, rest, watch)
    raise EngineDown("The answer ended before it began.")


def _refused(error: EngineError, body: bytes) -> Refused:
    status = next(status for kind, status in _STATUS_OF_ERROR if isinstance(error, kind))
    return Refused(status, {"content-type": "application/json"}, body)


async def _pieces(begun: _Begun, stack: AsyncExitStack) -> AsyncIterator[bytes]:
    """The answer as it comes; a client that hangs up hangs up on the engine, too."""
    watch = begun.watch
    try:
        async with stack, aclosing(begun.answer):
            yield begun.held
            try:
                async for piece in begun.rest:
                    if watch is not None:
                        watch.feed(piece)
                    yield piece
            except _http_error() as error:
                raise EngineDown("The answer broke off.") from error
            if watch is not None and watch.error is not None:
                raise watch.error
            if watch is not None and not watch.ended:
                raise EngineDown("The answer ended before its end.")
    except EngineError:
        return  # the error object, or the missing [DONE], tells the client


def _is_final(status: int) -> bool:
    """Whether no other engine is asked: it worked, or the request itself is wrong."""
    if status < 400:
        return True
    kind = error_kind(status)
    return issubclass(kind, RequestInvalid) and not issubclass(kind, ModelUnknown)


def _code(body: bytes) -> str:
    """The code in an error object of the OpenAI API; "" where there is none."""
    try:
        return str(json.loads(body)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""


def engine_headers(key: str) -> dict[str, str]:
    """What shows an engine that the desk may ask it."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def engine_address(base_url: str, address: str) -> str:
    """An address of an engine's API; its own may end in ``/v1`` or not."""
    return f"{base_url.rstrip('/').removesuffix('/v1')}/v1/{address}"


def _http_error() -> type[Exception]:
    import httpx2  # a third of a second, which commands that only load the URLs need not spend

    return httpx2.HTTPError
