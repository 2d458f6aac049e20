"""Which engine a request to ``/v1`` goes to, when ``SUPPORTDESK_ENGINES`` names others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inference.backends.specs import BackendSpec, LocalOrder

NAMES_SECONDS = 30.0
"""How long the names that an engine lists are believed."""
_LOCAL = "built-in"

NamesAsk = Callable[[BackendSpec], Awaitable[tuple[str, ...]]]


class NoSuchModel(Exception):
    """No engine has the model; ``known`` are the names that there are."""

    def __init__(self, known: Sequence[str]) -> None:
        super().__init__()
        self.known = tuple(known)


@dataclass(frozen=True, slots=True)
class Destination:
    """An engine, and the name by which it knows the model that was asked for."""

    spec: BackendSpec
    model: str

    def body(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The request as this engine bears it."""
        kept = {name: value for name, value in given.items() if name not in self.spec.omit}
        return {**kept, **self.spec.body, "model": self.model}


def engines_ordered(
    specs: Sequence[BackendSpec], *, local_url: str, local_key: str, local_order: LocalOrder
) -> tuple[BackendSpec, ...]:
    """All engines in the order in which they are asked; within a tier, the heaviest first."""
    others = sorted(specs, key=lambda spec: (spec.tier, -spec.weight))
    if not local_url or local_order == "off":
        return tuple(others)
    local = BackendSpec(url=local_url, name=_LOCAL, key=local_key, local=True)
    return (local, *others) if local_order == "first" else (*others, local)


class Destinations:
    """Finds engines by the model that a client names.

    ``ask`` fetches the names that an engine lists; empty when it is away. ``aliases`` stand for the
    model of whichever engine comes first.
    """

    def __init__(
        self,
        engines: Sequence[BackendSpec],
        *,
        aliases: Sequence[str] = (),
        ask: NamesAsk,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engines = tuple(engines)
        self._aliases = tuple(aliases)
        self._ask = ask
        self._clock = clock
        self._names: dict[str, tuple[float, tuple[str, ...]]] = {}

    async def find(self, model: str) -> list[Destination]:
        """The engines that have ``model``, in order.

        Raises:
            NoSuchModel
        """
        listed = await asyncio.gather(*(self._listed(spec) for spec in self.engines))
        rows = list(zip(self.engines, listed, strict=True))
        found = [
            Destination(spec, model)
            for spec, names in rows
            if model in names or (model and model == spec.model)
        ]
        if not found and model in self._aliases:
            found = [
                Destination(spec, spec.model or names[0])
                for spec, names in rows
                if spec.model or names
            ]
        if not found and any(names for _, names in rows):
            known = [name for spec, names in rows for name in (spec.model, *names) if name]
            raise NoSuchModel(list(dict.fromkeys([*known, *self._aliases])))
        return found

    async def _listed(self, spec: BackendSpec) -> tuple[str, ...]:
        known = self._names.get(spec.name)
        if known is not None and self._clock() < known[0]:
            return known[1]
        names = await self._ask(spec)
        if names:  # one that is away is asked again at the next request
            self._names[spec.name] = (self._clock() + NAMES_SECONDS, names)
        return names
