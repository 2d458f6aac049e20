"""Puts a pool together: clients, breakers and, if there is one, the Redis that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from inference.backends.breaker import Breaker, BreakerPolicy, MemoryBreaker
from inference.backends.pool import Backend, BackendPool, PoolPolicy
from inference.backends.specs import BackendSpec, LocalOrder
from inference.client import OpenAIChatClient

# Nobody listens on the discard port, so a client for it reports the engine as stopped.
_NOWHERE = BackendSpec(url="http://127.0.0.1:9", name="none", local=True)


def backends_make(
    specs: Sequence[BackendSpec] = (),
    *,
    local_url: str = "",
    local_model: str = "",
    local_key: str = "",
    local_order: LocalOrder = "first",
    redis_url: str = "",
    pool_policy: PoolPolicy | None = None,
    breaker_policy: BreakerPolicy | None = None,
) -> BackendPool:
    """A ``ChatClient`` over the engines in ``specs`` and the built-in one at ``local_url``.

    The built-in engine is asked before or after all others. With neither, every request fails with
    ``EngineDown``, and the rules answer. With ``redis_url``, the breakers of all processes agree.
    """
    engines = list(specs)
    if local_url and local_order != "off":
        local = BackendSpec(
            url=local_url, name="built-in", model=local_model, key=local_key, local=True
        )
        tiers = [spec.tier for spec in specs]
        tier = min(tiers, default=0) - 1 if local_order == "first" else max(tiers, default=0) + 1
        engines.append(replace(local, tier=tier))
    breakers = _Breakers(breaker_policy or BreakerPolicy(), redis_url)
    backends = [
        Backend(
            spec=spec,
            client=OpenAIChatClient(spec.url, spec.model, spec.key, body=spec.body, omit=spec.omit),
            breaker=breakers.make(spec),
        )
        for spec in engines or [_NOWHERE]
    ]
    return BackendPool(backends, policy=pool_policy, on_close=breakers.aclose)


class _Breakers:
    """Makes breakers: of this process, or shared through the Redis at ``url``."""

    def __init__(self, policy: BreakerPolicy, url: str) -> None:
        self._policy = policy
        self._redis = None
        if url:
            from redis.asyncio import Redis  # half a second to import

            self._redis = Redis.from_url(url)

    def make(self, spec: BackendSpec) -> Breaker:
        # The built-in engine belongs to this machine, and its name and port say nothing elsewhere.
        if self._redis is None or spec.local:
            return MemoryBreaker(self._policy)
        from inference.backends.shared_breaker import SharedBreaker

        return SharedBreaker(f"{spec.url} {spec.model}", self._policy, self._redis)

    async def aclose(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()
