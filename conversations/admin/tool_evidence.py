"""The calls of tools behind an answer, and the change that it asked for, as staff read them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from knowledge.tools.values import CallOutcome

DETAILS = frozenset({"tool", "tool_calls", "tool_form"})
"""Names in the details of a provenance that are told here."""

OUTCOME_WORDS: dict[str, str | Promise] = {
    CallOutcome.OK: _("It answered"),
    CallOutcome.MISSING: _("There is no such thing for this customer"),
    CallOutcome.REFUSED: _("It refused"),
    CallOutcome.FAILED: _("It could not be asked"),
    CallOutcome.UNCERTAIN: _("Outcome unknown"),
}
CHOSEN_WORDS: dict[str, str | Promise] = {
    "rule": _("chosen by a rule"),
    "follow_up": _("continued from the question before"),
    "model": _("chosen by the model"),
    "confirmation": _("confirmed or cancelled by the customer"),
}


@dataclass(frozen=True, slots=True)
class ToolCallRow:
    """One call. ``arguments`` and ``result`` are JSON, as it was sent and as it was taken over."""

    tool: str
    outcome: str | Promise
    is_good: bool
    status: int
    milliseconds: float
    problem: str
    arguments: str
    result: str


@dataclass(frozen=True, slots=True)
class ToolEvidence:
    """Which tool was wanted and why; ``asked`` is the value that the customer was asked for."""

    key: str
    chosen: str | Promise
    asked: str
    calls: Sequence[ToolCallRow]


def tool_evidence(details: Mapping[str, object]) -> ToolEvidence | None:
    """What a provenance says of tools; ``None`` where none was wanted."""
    wanted = details.get("tool")
    if not isinstance(wanted, Mapping):
        return None
    form, calls = details.get("tool_form"), details.get("tool_calls")
    by = str(wanted.get("by", ""))
    return ToolEvidence(
        key=str(wanted.get("key", "")),
        chosen=CHOSEN_WORDS.get(by, by),
        asked=str(form.get("asked", "")) if isinstance(form, Mapping) else "",
        calls=[_row(call) for call in calls if isinstance(call, Mapping)]
        if isinstance(calls, list)
        else [],
    )


def _row(call: Mapping[str, object]) -> ToolCallRow:
    outcome = str(call.get("outcome", ""))
    status, milliseconds = call.get("status"), call.get("milliseconds")
    return ToolCallRow(
        tool=str(call.get("tool", "")),
        outcome=OUTCOME_WORDS.get(outcome, outcome),
        is_good=outcome == CallOutcome.OK,
        status=status if isinstance(status, int) else 0,
        milliseconds=float(milliseconds) if isinstance(milliseconds, int | float) else 0.0,
        problem=str(call.get("problem", "")),
        arguments=_pretty(call.get("arguments")),
        result=_pretty(call.get("result")),
    )


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) if value else ""
