"""What the engine says of itself, for the dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

import httpx2
from django.conf import settings

EngineWord = Literal["ready", "loading", "stopped", "unset"]
ASK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class EngineView:
    """``state`` is ``unset`` when the web process was started alone, without an engine."""

    state: EngineWord
    models: tuple[str, ...] = ()


def engine_state(*, seconds: float = ASK_SECONDS) -> EngineView:
    """Ask ``/health`` and wait at most ``seconds``; an engine that does not answer is stopped."""
    if not settings.ENGINE_URL:
        return EngineView("unset")
    parts = urlsplit(settings.ENGINE_URL)
    try:
        # Never through a proxy: the engine is on this machine or in the same network.
        response = httpx2.get(
            f"{parts.scheme}://{parts.netloc}/health", timeout=seconds, trust_env=False
        )
        report = response.json()
    except (httpx2.HTTPError, ValueError):
        return EngineView("stopped")
    if not isinstance(report, dict):
        return EngineView("stopped")
    models = report.get("models")
    names = tuple(str(name) for name in models) if isinstance(models, list) else ()
    match report.get("state") or report.get("status"):
        case "ready" | "ok":
            return EngineView("ready", names)
        case "loading":
            return EngineView("loading", names)
        case _:
            return EngineView("stopped", names)
