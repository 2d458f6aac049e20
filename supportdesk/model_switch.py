"""Gives a running desk another chat model without dropping an answer under way.

A second engine loads the new model beside the first one. When it is ready, it begins to listen on
the same port (``SO_REUSEPORT``), and the first engine gets the signal to stop: it takes no more
requests, finishes those that it has, and ends. The address that everybody knows stays the same, and
so does the old model's name, which the new engine answers to as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference.errors import WeightsError
from inference.weights.manifest import manifest_read
from inference.weights.memory import memory_check
from supportdesk.control import ControlRefused, Tell
from supportdesk.sentences import error_text
from supportdesk.sentences import gettext as _
from supportdesk.supervisor import Child, ChildSpec, SuccessionFailed, Supervisor

EngineSpec = Callable[[Path, Sequence[str], bool], ChildSpec]
"""(model directory, other names of the model, only listen when ready) -> the engine to run."""


@dataclass(slots=True)
class ModelSwitch:
    """Switches the model of ``engine``, a child of ``supervisor`` (None: it runs elsewhere).

    ``aliases`` are the names that clients may use for the model, ``drain`` how many seconds an
    answer of the first engine may still take.
    """

    supervisor: Supervisor
    engine: Child | None
    spec: EngineSpec
    aliases: list[str]
    drain: float
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def use(self, request: dict[str, Any], tell: Tell) -> None:
        """Take the model in the directory ``request["path"]``.

        Raises:
            ControlRefused: it cannot be used; the old one stays.
        """
        if self.engine is None:
            raise ControlRefused(_("This desk runs no engine of its own."))
        if self._lock.locked():
            raise ControlRefused(_("Another model is being loaded just now."))
        async with self._lock:
            path = Path(str(request.get("path")))
            try:
                manifest = manifest_read(path)
                if manifest.kind != "chat":
                    raise ControlRefused(_("%(name)s is no chat model.") % {"name": manifest.name})
                memory_check(path)
            except WeightsError as error:
                raise ControlRefused(error_text(error)) from error
            tell(_("Loading %(name)s beside the model in use ...") % {"name": manifest.name})
            try:
                self.engine = await self.supervisor.succeed(
                    self.engine, self.spec(path, self.aliases, True), drain=self.drain
                )
            except SuccessionFailed as failure:
                raise ControlRefused(
                    _("%(failure)s The model in use stays.") % {"failure": failure}
                ) from failure
            if manifest.name not in self.aliases:
                self.aliases.append(manifest.name)
            # Started again, it listens at once and says that it is loading.
            self.engine.spec = self.spec(path, self.aliases, False)
            tell(_("%(name)s answers from now on.") % {"name": manifest.name})
