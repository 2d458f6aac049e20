"""A circuit breaker whose state several processes share through Redis.

The steps are Lua scripts, so that each is atomic, and they use the server's clock. Redis is a help,
not a condition: when it does not answer at once, the breaker of this process decides alone, and
Redis is left in peace for a few seconds.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError

from inference.backends.breaker import Admission, BreakerPolicy, BreakerState, MemoryBreaker

if TYPE_CHECKING:
    from redis.asyncio import Redis

logger = logging.getLogger(__name__)

_PEACE_SECONDS: Final = 5.0
_PREFIX: Final = "supportdesk:breaker:"

_NOW: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
"""
# KEYS: open. ARGV: probe in ms. A time further off than that was written before the clock was set
# back.
_ADMIT: Final = (
    _NOW
    + """
local due = redis.call('GET', KEYS[1])
if not due then return 'closed' end
local left = tonumber(due) - now
if left > 0 and left <= tonumber(ARGV[1]) then return 'open' end
redis.call('SET', KEYS[1], now + tonumber(ARGV[1]))
return 'trial'
"""
)
# KEYS: open, failures. ARGV: window, age and probe in ms; failures; a name for this failure.
_FAIL: Final = (
    _NOW
    + """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[1]))
local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')
if last[2] and tonumber(last[2]) >= now - tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[2], now, ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
if redis.call('ZCARD', KEYS[2]) < tonumber(ARGV[4]) then return 0 end
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], now + tonumber(ARGV[3]))
return 1
"""
)


class SharedBreaker:
    """The breaker ``name`` of every process that uses this Redis; see ``Breaker``."""

    def __init__(
        self,
        name: str,
        policy: BreakerPolicy,
        redis: Redis,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy
        self._alone = MemoryBreaker(policy, clock)
        self._redis = redis
        self._clock = clock
        self._peace_until = 0.0
        self._keys = [f"{_PREFIX}{{{name}}}:open", f"{_PREFIX}{{{name}}}:failures"]
        self._admit = redis.register_script(_ADMIT)
        self._fail = redis.register_script(_FAIL)

    async def admit(self) -> Admission:
        probe = _milliseconds(self._policy.probe)
        answer = await self._asked(self._admit(keys=self._keys[:1], args=[probe]))
        if answer is None:
            return await self._alone.admit()
        return _ADMISSIONS[_text(answer)]

    async def close(self) -> None:
        await self._alone.close()
        await self._asked(self._redis.delete(*self._keys))

    async def fail(self, *, age: float) -> bool:
        arguments: list[str | int | float] = [
            *map(_milliseconds, (self._policy.window, age, self._policy.probe)),
            self._policy.failures,
            secrets.token_hex(8),
        ]
        answer = await self._asked(self._fail(keys=self._keys, args=arguments))
        if answer is None:
            return await self._alone.fail(age=age)
        return bool(answer)

    async def state(self) -> BreakerState:
        answer = await self._asked(self._redis.exists(self._keys[0]))
        if answer is None:
            return await self._alone.state()
        return "open" if answer else "closed"

    async def _asked(self, command: Any) -> Any:
        """The answer of Redis; None while it gives none."""
        if self._clock() < self._peace_until:
            command.close()
            return None
        try:
            async with asyncio.timeout(self._policy.patience):
                return await command
        except (RedisError, OSError, TimeoutError) as error:
            self._peace_until = self._clock() + _PEACE_SECONDS
            logger.warning("Redis does not answer, so each process judges engines alone: %s", error)
            return None


_ADMISSIONS: Final[dict[str, Admission]] = {"closed": "closed", "trial": "trial", "open": "open"}


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _text(answer: str | bytes) -> str:  # as the client was told to decode or not
    return answer.decode() if isinstance(answer, bytes) else answer
