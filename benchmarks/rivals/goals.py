"""The goals of the comparison, held against what was measured; a goal missed says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
Figures = Mapping[str, Any]

SHORT = 250
OWN = "this desk, int8"


def goals_judge(figures: Figures) -> list[dict[str, Any]]:
    """One row a goal and rival.

    ``value`` and ``limit`` are ratios of medians, own over rival's (rival's over own for "faster");
    ``least``: the limit is the least that is wanted, else the most. ``speeds`` tell what a missed
    goal comes from.
    """
    rows = []
    for rival in _rivals(figures):
        own, other = (_latency(figures, name, SHORT) for name in (OWN, rival))
        if rival.startswith("transformers"):
            faster = 1 / _ratio(own, other, "total_ms")
            rows.append(_row("faster", rival, faster, 5.0, least=True))
            continue
        rate = _rate(figures, OWN, 8) / _rate(figures, rival, 8)
        rows += [
            _row("first_token", rival, _ratio(own, other, "first_token_ms"), 0.5),
            _row("total", rival, _ratio(own, other, "total_ms"), 1.0),
            _row("rate", rival, rate, 1.5, least=True),
        ]
    for row in rows:
        rival = str(row["rival"])
        # Of two passes the times do not tell reading from writing.
        told = not row["met"] and not rival.startswith("transformers")
        row["speeds"] = _speeds(figures, rival) if told else {}
    return rows


def _row(
    goal: str, rival: str, value: float, limit: float, *, least: bool = False
) -> dict[str, Any]:
    return {
        "goal": goal,
        "rival": rival,
        "value": round(value, 2),
        "limit": limit,
        "least": least,
        "met": value >= limit if least else value <= limit,
    }


def _speeds(figures: Figures, rival: str) -> dict[str, list[float]]:
    """Own and rival's: tokens read and written a second, megabytes of weights that a step reads."""
    rows = [_latency(figures, name, SHORT) for name in (OWN, rival)]
    sizes = {r["system"]: r["weights_bytes_per_token"] / 1e6 for r in figures["systems"]}
    return {
        "read": [
            round(1000 * r["prompt_tokens"]["median"] / r["first_token_ms"]["median"]) for r in rows
        ],
        "written": [r.get("decode_tokens_per_second", {"median": 0.0})["median"] for r in rows],
        "weights_mb": [round(sizes[name]) for name in (OWN, rival)],
    }


def _rivals(figures: Figures) -> Sequence[str]:
    names = dict.fromkeys(row["system"] for row in figures["latency"])
    return [name for name in names if not name.startswith(OWN)]


def _latency(figures: Figures, name: str, prompt: int) -> Row:
    return next(r for r in figures["latency"] if (r["system"], r["prompt"]) == (name, prompt))


def _ratio(own: Row, other: Row, what: str) -> float:
    return float(own[what]["median"] / other[what]["median"])


def _rate(figures: Figures, name: str, clients: int) -> float:
    rows = figures["throughput"]
    row = next(r for r in rows if (r["system"], r["clients"]) == (name, clients))
    return float(row["requests_per_second"]["median"])
