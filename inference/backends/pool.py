"""Several engines behind one ``ChatClient``.

``fallback`` decides who is asked and what a failure means until an answer has begun. Once there was
text, a failure is the caller's to handle: it knows what was shown.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from inference.backends.backend import Backend as Backend
from inference.backends.backend import BackendStatus as BackendStatus
from inference.backends.backend import EnginesAway as EnginesAway
from inference.backends.backend import PoolPolicy as PoolPolicy
from inference.backends.backend import backend_model
from inference.backends.fallback import Asking, Call, Fallback, now
from inference.backends.specs import BackendSpec
from inference.chat import (
    NO_OPTIONS,
    ChatChunk,
    ChatMessage,
    ChatOptions,
    EngineHealth,
    EngineIdentity,
    GenerationParameters,
    PrefixKeeper,
    Priority,
)
from inference.client import openai_import
from inference.errors import EngineDown, EngineError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Started:
    """An answer whose first chunk is there."""

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
        self._policy = policy or PoolPolicy()
        self._fallback = Fallback(backends, policy=self._policy, chance=chance)
        self._on_close = on_close

    async def warm(self) -> None:
        """Load what the first request would wait for, and see which engines are there."""
        await asyncio.gather(openai_import(), *map(self._fallback.probe, self.backends))

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
        asking = Asking(now() + timeout, conversation)

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
            return _Started(first, chunks)

        async with (
            self._under_way(start, asking) as (backend, started),
            aclosing(started.rest) as rest,
        ):
            yield _signed(started.first, backend)
            async for chunk in rest:
                backend.busy_until = now() + self._policy.probe_answer
                yield _signed(chunk, backend)

    @asynccontextmanager
    async def relayed(
        self,
        call: Callable[[BackendSpec], Awaitable[T]],
        *,
        timeout: float,  # noqa: ASYNC109 (the time left of a deadline that the caller keeps)
        among: Collection[str],
        conversation: str = "",
        whole: bool = False,
    ) -> AsyncIterator[T]:
        """What ``call`` gets from the first of the engines ``among`` (their names) that answers.

        For requests in the engines' own language that are passed on as they are. ``call`` is over
        when the answer has begun, or raises an ``EngineError`` when another engine is to be asked;
        the body of the context raises one when the answer breaks off. ``whole``: the answer comes
        in one piece.

        Raises:
            EngineError: why none of them answered.
        """

        async def ask(backend: Backend, seconds: float, patience: float) -> T:
            async with asyncio.timeout(patience):
                return await call(backend.spec)

        asking = Asking(now() + timeout, conversation, frozenset(among), whole)
        async with self._under_way(ask, asking) as (_, answer):
            yield answer

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

        return await self._fallback.asked(score, Asking(now() + timeout))

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """See ``ChatClient.count_tokens``; as the engine counts that would be asked first."""

        async def count(backend: Backend, seconds: float, patience: float) -> int:
            async with asyncio.timeout(min(seconds, patience)):
                return await backend.client.count_tokens(messages)

        return await self._fallback.asked(count, Asking(now() + self._policy.probe_answer))

    async def prefixes_put(self, prefixes: Sequence[Sequence[ChatMessage]]) -> None:
        """Have the built-in engine keep these beginnings ready; the others see to it themselves."""
        for backend in self.backends:
            if backend.spec.local and isinstance(backend.client, PrefixKeeper):
                await backend.client.prefixes_put(prefixes)

    async def health(self) -> EngineHealth:
        """Ready if one engine is, with the names of all that are; else loading if one is."""
        await asyncio.gather(*map(self._fallback.probe, self.backends))
        found = [backend.health for backend in self._fallback.ordered() if await _usable(backend)]
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
                    model=backend_model(backend),
                    tier=backend.spec.tier,
                    health=backend.health,
                    breaker=await backend.breaker.state(),
                    running=backend.running,
                )
                for backend in self.backends
            ]
        )

    async def aclose(self) -> None:
        await self._fallback.aclose()
        for backend in self.backends:
            await backend.client.aclose()
        if self._on_close is not None:
            await self._on_close()

    @asynccontextmanager
    async def _under_way(self, call: Call[T], asking: Asking) -> AsyncIterator[tuple[Backend, T]]:
        """An answer that has begun, and who gives it; what it raises is that engine's failure."""
        begun = now()

        async def named(backend: Backend, seconds: float, patience: float) -> tuple[Backend, T]:
            return backend, await call(backend, seconds, patience)

        backend, answer = await self._fallback.asked(named, asking)
        backend.running += 1
        try:
            with backend.at_work(now() + self._policy.probe_answer):
                yield backend, answer
        except EngineError as error:
            await self._fallback.failure_note(backend, error, age=now() - begun)
            raise
        finally:
            backend.running -= 1


async def _usable(backend: Backend) -> bool:
    return await backend.breaker.state() == "closed"


def _signed(chunk: ChatChunk, backend: Backend) -> ChatChunk:
    """The chunk with the name of the engine that made it."""
    told = chunk.engine or EngineIdentity(backend_model(backend))
    if not backend.spec.local:
        return replace(chunk, engine=replace(told, host=backend.spec.host))
    # The built-in engine answers to other names too; its fingerprint is ``name@hash``.
    name, at, model_hash = told.fingerprint.partition("@")
    identity = EngineIdentity(name, "", model_hash) if at else replace(told, host="")
    return replace(chunk, engine=identity)
