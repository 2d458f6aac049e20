"""Several engines behind one ``ChatClient``: choice, health, retries and the order of fallback.

A request goes to the engines of the lowest tier first, in an order that follows their weights; the
same conversation keeps its order, so that a server finds the conversation's prompt in its cache.
Until a first token is there nothing was shown to anybody, so a failure only means that the next
engine is asked, and after the last one, with a pause and jitter, all of them again. Once there was
text, a failure is the caller's to handle: it knows what was shown.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

import stamina
from stamina.instrumentation import LoggingOnRetryHook, set_on_retry_hooks

from inference.backends.breaker import Breaker, BreakerState
from inference.backends.specs import BackendSpec
from inference.chat import (
    NO_OPTIONS,
    ChatChunk,
    ChatClient,
    ChatMessage,
    ChatOptions,
    EngineHealth,
    EngineIdentity,
    GenerationParameters,
    PrefixKeeper,
    Priority,
)
from inference.client import openai_import
from inference.errors import (
    EngineDown,
    EngineError,
    EngineOverloaded,
    EngineStarting,
    EngineTimeout,
    EngineUnreachable,
    RequestInvalid,
)

logger = logging.getLogger(__name__)
# Its other hooks would write to standard output, where commands print their JSON.
set_on_retry_hooks([LoggingOnRetryHook])

T = TypeVar("T")


class EnginesAway(EngineDown):
    """No engine takes requests now: each one's breaker is open."""


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """How a pool treats its engines; times in seconds.

    Attributes:
        probe: between two questions for an engine's health; each waits ``probe_answer`` at most.
        first_token: how long an engine may take for the first token while another could be asked;
            a remote one that takes longer has failed, even if the caller gave up first.
        attempts: how often all engines are asked, the first time included.
        pause, pause_most, jitter: the pause before they are asked again doubles from ``pause`` to
            ``pause_most``, plus something at random up to ``jitter``.
    """

    probe: float = 30.0
    probe_answer: float = 3.0
    first_token: float = 2.0
    attempts: int = 3
    pause: float = 0.05
    pause_most: float = 1.0
    jitter: float = 0.1


@dataclass(slots=True, eq=False)
class Backend:
    """One engine of a pool, and what is known of it."""

    spec: BackendSpec
    client: ChatClient
    breaker: Breaker
    health: EngineHealth = field(default=EngineHealth("ready"))
    """As of the last probe or request; an engine counts as ready until it shows otherwise."""
    running: int = 0


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """What a page may tell of an engine."""

    name: str
    host: str
    model: str
    tier: int
    health: EngineHealth
    breaker: BreakerState
    running: int


@dataclass(frozen=True, slots=True)
class _Started:
    """An answer whose first chunk is there."""

    backend: Backend
    first: ChatChunk
    rest: AsyncGenerator[ChatChunk, None]


class BackendPool:
    """A ``ChatClient`` over several. Belongs to one event loop.

    ``chance`` decides among engines for requests without a conversation.
    """

    def __init__(
        self,
        backends: Sequence[Backend],
        *,
        policy: PoolPolicy | None = None,
        chance: Callable[[], float] = random.random,
        on_close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        if not backends:
            raise ValueError("A pool needs an engine.")
        self.backends = tuple(backends)
        self._local = any(backend.spec.local for backend in backends)
        self._policy = policy or PoolPolicy()
        self._chance = chance
        self._on_close = on_close
        self._prober: asyncio.Task[None] | None = None

    async def warm(self) -> None:
        """Load what the first request would wait for, and see which engines are there."""
        await asyncio.gather(openai_import(), *(self._probe(backend) for backend in self.backends))

    async def stream(
        self,
        messages: Sequence[ChatMessage],
        parameters: GenerationParameters,
        *,
        timeout: float,  # noqa: ASYNC109 (the time left of a deadline that the caller keeps)
        options: ChatOptions = NO_OPTIONS,
        priority: Priority = Priority.ANSWER,
        conversation: str = "",
    ) -> AsyncGenerator[ChatChunk, None]:
        """See ``ChatClient.stream``; each chunk tells in ``engine`` which engine made it."""
        deadline = _now() + timeout

        async def start(backend: Backend, seconds: float, patience: float) -> _Started:
            chunks = backend.client.stream(
                messages,
                parameters,
                timeout=seconds,
                options=options,
                priority=priority,
                conversation=conversation,
            )
            try:
                async with asyncio.timeout(patience):
                    first = await anext(chunks, None)
            except BaseException:
                await chunks.aclose()
                raise
            if first is None:
                raise EngineDown(f"{backend.spec.name} ended its answer before it began.")
            return _Started(backend, first, chunks)

        begun = _now()
        started = await self._asked(start, deadline, conversation)
        backend = started.backend
        backend.running += 1
        try:
            async with aclosing(started.rest) as rest:
                yield _signed(started.first, backend)
                async for chunk in rest:
                    yield _signed(chunk, backend)
        except EngineError as error:
            await self._failure_note(backend, error, age=_now() - begun)
            raise
        finally:
            backend.running -= 1

    async def next_logprobs(
        self,
        messages: Sequence[ChatMessage],
        candidates: Sequence[str],
        *,
        timeout: float,  # noqa: ASYNC109 (the time left of a deadline that the caller keeps)
        priority: Priority = Priority.LABEL,
    ) -> dict[str, float]:
        """See ``ChatClient.next_logprobs``; a server that cannot do it is passed over."""

        async def score(backend: Backend, seconds: float, patience: float) -> dict[str, float]:
            return await backend.client.next_logprobs(
                messages, candidates, timeout=min(seconds, patience), priority=priority
            )

        return await self._asked(score, _now() + timeout, "")

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """See ``ChatClient.count_tokens``; as the engine counts that would be asked first."""

        async def count(backend: Backend, seconds: float, patience: float) -> int:
            async with asyncio.timeout(min(seconds, patience)):
                return await backend.client.count_tokens(messages)

        return await self._asked(count, _now() + self._policy.probe_answer, "")

    async def prefixes_put(self, prefixes: Sequence[Sequence[ChatMessage]]) -> None:
        """Have the built-in engine keep these beginnings ready; the others see to it themselves."""
        for backend in self.backends:
            if backend.spec.local and isinstance(backend.client, PrefixKeeper):
                await backend.client.prefixes_put(prefixes)

    async def health(self) -> EngineHealth:
        """Ready if one engine is, with the names of all that are; else loading if one is."""
        await asyncio.gather(*(self._probe(backend) for backend in self.backends))
        found = [backend.health for backend in self._ordered("") if await _usable(backend)]
        ready = [health for health in found if health.state == "ready"]
        if ready:
            names = dict.fromkeys(name for health in ready for name in health.models)
            return replace(ready[0], models=tuple(names))
        loading = any(health.state == "loading" for health in found)
        return EngineHealth("loading" if loading else "stopped")

    async def statuses(self) -> tuple[BackendStatus, ...]:
        """What is known of each engine, in the order of the settings; nobody is asked anew."""
        return tuple(
            [
                BackendStatus(
                    name=backend.spec.name,
                    host=backend.spec.host,
                    model=_model(backend),
                    tier=backend.spec.tier,
                    health=backend.health,
                    breaker=await backend.breaker.state(),
                    running=backend.running,
                )
                for backend in self.backends
            ]
        )

    async def aclose(self) -> None:
        if self._prober is not None:
            self._prober.cancel()
            with suppress(asyncio.CancelledError):
                await self._prober
            self._prober = None
        for backend in self.backends:
            await backend.client.aclose()
        if self._on_close is not None:
            await self._on_close()

    async def _asked(
        self,
        call: Callable[[Backend, float, float], Awaitable[T]],
        deadline: float,
        conversation: str,
    ) -> T:
        """The answer of the first engine that gives one; see the module."""
        self._probing_ensure()
        begun = _now()
        failure: Exception | None = None

        def again(error: Exception) -> bool:
            """Whether the failure may pass by itself, and there is time to see."""
            nonlocal failure
            if isinstance(error, EnginesAway) and failure is not None:
                raise failure  # it tells more than that it has opened the breaker
            failure = error
            if isinstance(error, EnginesAway) or _now() + self._policy.pause_most > deadline:
                return False
            # The built-in engine refuses by its own estimate of the wait, so it would again.
            busy = isinstance(error, EngineOverloaded) and not self._local
            return busy or isinstance(error, EngineDown)

        async for attempt in stamina.retry_context(
            on=again,
            attempts=self._policy.attempts,
            timeout=None,
            wait_initial=self._policy.pause,
            wait_max=self._policy.pause_most,
            wait_jitter=self._policy.jitter,
        ):
            with attempt:
                return await self._round(call, deadline, conversation, begun)
        raise AssertionError("The retries end with an answer or an error.")

    async def _round(
        self,
        call: Callable[[Backend, float, float], Awaitable[T]],
        deadline: float,
        conversation: str,
        begun: float,
    ) -> T:
        """Ask each engine once, in order, until one answers.

        Raises:
            EngineError: the one that tells most of why none did.
        """
        errors: list[EngineError] = []
        waiting = self._ordered(conversation)
        while waiting:
            backend = waiting.pop(0)
            left = deadline - _now()
            if left <= 0:
                errors.append(EngineTimeout("The deadline passed before an engine answered."))
                break
            admission = await backend.breaker.admit()
            if admission == "open":
                continue
            seconds = min(left, backend.spec.timeout or left)
            patience = self._patience(backend, seconds, others=bool(waiting))
            try:
                answer = await call(backend, seconds, patience)
            except TimeoutError:
                late = EngineTimeout(f"{backend.spec.name} gave no answer in {patience:.1f} s.")
                await self._failure_note(backend, late, age=_now() - begun)
                errors.append(late)
            except EngineError as error:
                await self._failure_note(backend, error, age=_now() - begun)
                errors.append(error)
            except asyncio.CancelledError:
                waited = _now() - begun
                if waited >= self._policy.first_token:
                    late = EngineTimeout(f"The caller waited {waited:.1f} s in vain.")
                    await self._failure_note(backend, late, age=waited)
                raise
            else:
                if admission == "trial":
                    logger.info("Engine %s answers again.", backend.spec.name)
                    await backend.breaker.close()
                backend.health = replace(backend.health, state="ready")
                return answer
        raise _most_telling(errors)

    def _patience(self, backend: Backend, seconds: float, *, others: bool) -> float:
        """How long to wait for a first token there."""
        if backend.spec.first_token is not None:
            return min(seconds, backend.spec.first_token)
        return min(seconds, self._policy.first_token) if others else seconds

    def _ordered(self, conversation: str) -> list[Backend]:
        """The engines in the order in which to ask them; stopped ones only if all are.

        Weighted rendezvous hashing: with u uniform in (0, 1), sorting by weight / -ln(u) puts each
        engine first with a probability in proportion to its weight, and an engine that joins or
        leaves moves no other conversations. Source: Schindelhauer and Schomaker, "Weighted
        distributed hash tables", 2005.
        """

        def score(backend: Backend) -> float:
            uniform = self._chance()
            if conversation:
                uniform = _uniform(f"{conversation}\n{backend.spec.name}")
            return backend.spec.weight / -math.log(min(max(uniform, 1e-12), 1 - 1e-12))

        up = [backend for backend in self.backends if backend.health.state != "stopped"]
        return sorted(up or self.backends, key=lambda backend: (backend.spec.tier, -score(backend)))

    async def _failure_note(self, backend: Backend, error: EngineError, *, age: float) -> None:
        """Let the breaker know of a failure that is the engine's, ``age`` seconds after its start.

        A full queue, a model that loads and a request that is wrong are none. A built-in engine
        that is slow is busy (one that hangs is killed by its supervisor), and one that is started
        again costs nobody any time.
        """
        logger.info("Engine %s: %s", backend.spec.name, error)
        counts: tuple[type[EngineError], ...] = (EngineDown, EngineTimeout)
        if backend.spec.local:
            counts = (EngineDown,)
            if isinstance(error, EngineUnreachable):
                return
        if not isinstance(error, counts):
            return
        if await backend.breaker.fail(age=age):
            logger.warning(
                "Engine %s gets no requests for now, since it failed again and again: %s",
                backend.spec.name,
                error,
            )

    def _probing_ensure(self) -> None:
        if self._prober is None or self._prober.done():
            self._prober = asyncio.create_task(self._probe_always())

    async def _probe_always(self) -> None:
        while True:
            await asyncio.gather(*(self._probe(backend) for backend in self.backends))
            await asyncio.sleep(self._policy.probe)

    async def _probe(self, backend: Backend) -> None:
        try:
            async with asyncio.timeout(self._policy.probe_answer):
                found = await backend.client.health()
        except TimeoutError:
            found = EngineHealth("stopped")
        if found.state != backend.health.state:
            logger.info("Engine %s is %s.", backend.spec.name, found.state)
        backend.health = found


async def _usable(backend: Backend) -> bool:
    return await backend.breaker.state() == "closed"


def _signed(chunk: ChatChunk, backend: Backend) -> ChatChunk:
    """The chunk with the name of the engine that made it."""
    told = chunk.engine or EngineIdentity(_model(backend))
    if not backend.spec.local:
        return replace(chunk, engine=replace(told, host=backend.spec.host))
    # The built-in engine answers to other names too; its fingerprint is ``name@hash``.
    name, at, model_hash = told.fingerprint.partition("@")
    identity = EngineIdentity(name, "", model_hash) if at else replace(told, host="")
    return replace(chunk, engine=identity)


def _model(backend: Backend) -> str:
    """The model's name in the settings, else the first that the server names."""
    return backend.spec.model or next(iter(backend.health.models), "")


def _most_telling(errors: Sequence[EngineError]) -> EngineError:
    """The error to raise when no engine answered: of each kind the first engine's, the best hope
    first."""
    for kind in (EngineStarting, EngineOverloaded, EngineTimeout, EngineDown, RequestInvalid):
        for error in errors:
            if isinstance(error, kind):
                return error
    return EnginesAway("No engine takes requests now; each failed several times just before.")


def _uniform(key: str) -> float:
    """A number in [0, 1) that depends on the key alone."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest()) / 2**64


def _now() -> float:
    return asyncio.get_running_loop().time()
