"""The tools of a site for the ladder: read in the read lane, called within the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from conversations.lanes import READS
from knowledge.selectors import tools_enabled
from knowledge.tools.calls import Caller, ToolCaller
from knowledge.tools.values import Actor, CallResult, ToolSpec


class SiteTools:
    """The ladder's ``Tools``."""

    def __init__(self, caller: ToolCaller | None = None) -> None:
        self._caller = caller or Caller.of_settings()

    async def tools(self, *, site_id: int) -> Sequence[ToolSpec]:
        return await READS.run(tools_enabled, site_id=site_id)

    async def call(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, Any],
        *,
        actor: Actor | None,
        seconds: float,
        idempotency_key: str = "",
    ) -> CallResult:
        return await self._caller.call(
            spec, arguments, actor=actor, seconds=seconds, idempotency_key=idempotency_key
        )
