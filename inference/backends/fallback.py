"""Who is asked for an answer, in which order, and what happens when it fails.

A request goes to the engines of the lowest tier first, in an order that follows their weights; the
same conversation keeps its order, so that a server finds the conversation's prompt in its cache.
Until an answer has begun nothing was shown to anybody, so a failure only means that the next
engine is asked, and after the last one, with a pause and jitter, all of them again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import stamina
from stamina.instrumentation import set_on_retry_hooks

from inference.backends.backend import Backend, EnginesAway, PoolPolicy
from inference.chat import EngineHealth
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
# ``failure_note`` tells what failed; its own hooks name neither the engine nor the reason.
set_on_retry_hooks([])

T = TypeVar("T")
Call = Callable[[Backend, float, float], Awaitable[T]]
"""Asks one engine: it has so many seconds in all, and so many until its answer must begin."""


@dataclass(frozen=True, slots=True)
class Asking:
    """One request for an answer.

    Attributes:
        deadline: when the answer must be there, on the event loop's clock.
        conversation: requests of one go to the engines in one order.
        among: names of the engines that can answer; None for all.
        whole: the answer comes in one piece, so that a long wait says nothing of the engine.
    """

    deadline: float
    conversation: str = ""
    among: Collection[str] | None = None
    whole: bool = False


class Fallback:
    """The engines of a pool in their order; see the module. Belongs to one event loop."""

    def __init__(
        self,
        backends: Sequence[Backend],
        *,
        policy: PoolPolicy,
        chance: Callable[[], float],
    ) -> None:
        self.backends = tuple(backends)
        self._local = any(backend.spec.local for backend in backends)
        self._policy = policy
        self._chance = chance
        self._prober: asyncio.Task[None] | None = None

    async def asked(self, call: Call[T], asking: Asking) -> T:
        """The answer of the first engine that gives one; see the module.

        Raises:
            EngineError: the one that tells most of why none did.
        """
        self._probing_ensure()
        begun = now()
        failure: Exception | None = None

        def again(error: Exception) -> bool:
            """Whether the failure may pass by itself, and there is time to see."""
            nonlocal failure
            if isinstance(error, EnginesAway) and failure is not None:
                raise failure  # it tells more than that it has opened the breaker
            failure = error
            if isinstance(error, EnginesAway) or now() + self._policy.pause_most > asking.deadline:
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
                return await self._round(call, asking, begun)
        raise AssertionError("The retries end with an answer or an error.")

    async def _round(self, call: Call[T], asking: Asking, begun: float) -> T:
        """Ask each engine once, in order, until one answers.

        Raises:
            EngineError: the one that tells most of why none did.
        """
        errors: list[EngineError] = []
        waiting = self.ordered(asking.conversation, asking.among)
        while waiting:
            backend = waiting.pop(0)
            left = asking.deadline - now()
            if left <= 0:
                errors.append(EngineTimeout("The deadline passed before an engine answered."))
                break
            admission = await backend.breaker.admit()
            if admission == "open":
                continue
            seconds = min(left, backend.spec.timeout or left)
            patience = seconds
            if not asking.whole:
                patience = self._patience(backend, seconds, others=bool(waiting))
            try:
                with backend.at_work(now() + min(patience, self._policy.silent)):
                    answer = await call(backend, seconds, patience)
            except TimeoutError:
                late = EngineTimeout(f"{backend.spec.name} gave no answer in {patience:.1f} s.")
                await self.failure_note(backend, late, age=now() - begun)
                errors.append(late)
            except EngineError as error:
                await self.failure_note(backend, error, age=now() - begun)
                errors.append(error)
            except asyncio.CancelledError:
                waited = now() - begun
                if waited >= self._policy.first_token and not asking.whole:
                    late = EngineTimeout(f"The caller waited {waited:.1f} s in vain.")
                    await self.failure_note(backend, late, age=waited)
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

    def ordered(
        self, conversation: str = "", among: Collection[str] | None = None
    ) -> list[Backend]:
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

        able = [each for each in self.backends if among is None or each.spec.name in among]
        up = [backend for backend in able if backend.health.state != "stopped"]
        return sorted(up or able, key=lambda backend: (backend.spec.tier, -score(backend)))

    async def failure_note(self, backend: Backend, error: EngineError, *, age: float) -> None:
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
            await asyncio.gather(*(self.probe(backend) for backend in self.backends))
            await asyncio.sleep(self._policy.probe)

    async def probe(self, backend: Backend) -> None:
        """Ask an engine for its health and remember it; one that hangs counts as stopped.

        One that is at work for us is not asked: its answer shows how it is. Some servers do one
        thing at a time, and llama-cpp-python's even cuts an answer when anything else is asked.
        """
        if now() < backend.busy_until:
            return
        try:
            async with asyncio.timeout(self._policy.probe_answer):
                found = await backend.client.health()
        except TimeoutError:
            found = EngineHealth("stopped")
        if found.state != backend.health.state:
            logger.info("Engine %s is %s.", backend.spec.name, found.state)
        backend.health = found

    async def aclose(self) -> None:
        """Stop to ask for health."""
        if self._prober is not None:
            self._prober.cancel()
            with suppress(asyncio.CancelledError):
                await self._prober
            self._prober = None


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


def now() -> float:
    """The event loop's clock."""
    return asyncio.get_running_loop().time()
