"""Tools written in Python: only those on the list, bounded, whatever they do."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest

from knowledge.tools.calls import Caller
from knowledge.tools.functions import Call, FunctionUnusable, Missing, Refused, function_find
from knowledge.tools.values import Actor, CallOutcome, CallResult, ToolSpec

ALICE = Actor("alice-7")
HERE = __name__
RELEASE = threading.Event()
SEEN: list[tuple[Mapping[str, Any], Call]] = []


def stock(arguments: Mapping[str, Any], call: Call) -> dict[str, Any]:
    SEEN.append((arguments, call))
    return {"left": 3, "name": "a\u202eb"}


def nothing(arguments: Mapping[str, Any], call: Call) -> dict[str, Any]:
    raise Missing


def unwilling(arguments: Mapping[str, Any], call: Call) -> dict[str, Any]:
    raise Refused(reason="closed")


def broken(arguments: Mapping[str, Any], call: Call) -> dict[str, Any]:
    raise RuntimeError("secret detail")


def slow(arguments: Mapping[str, Any], call: Call) -> dict[str, Any]:
    RELEASE.wait(10)
    return {}


def odd(arguments: Mapping[str, Any], call: Call) -> Any:
    return {"when": object()}


async def call(name: str, *, actor: Actor | None = ALICE, **values: Any) -> CallResult:
    spec = ToolSpec(
        id=1, key="f", title="F", kind="python", function=f"{HERE}.{name}",
        **{"timeout_seconds": 2.0, **values},
    )  # fmt: skip
    names = ("stock", "nothing", "unwilling", "broken", "slow", "odd")
    caller = Caller(secrets={}, functions=[f"{HERE}.{each}" for each in names])
    return await caller.call(spec, {}, actor=actor, seconds=5, idempotency_key="k")


@pytest.mark.django_db
async def test_a_function_gets_the_customer_of_the_session_and_returns_plain_data() -> None:
    SEEN.clear()
    result = await call("stock")
    assert result.outcome is CallOutcome.OK
    assert result.result == {"left": 3, "name": "ab"}
    assert [({}, Call(ALICE, "k"))] == SEEN


@pytest.mark.django_db
async def test_what_a_function_raises_is_an_outcome(caplog: pytest.LogCaptureFixture) -> None:
    assert (await call("nothing")).outcome is CallOutcome.MISSING
    refused = await call("unwilling")
    assert (refused.outcome, refused.result) == (CallOutcome.REFUSED, {"reason": "closed"})
    failed = await call("broken")
    assert failed.outcome is CallOutcome.FAILED
    assert "secret detail" not in failed.problem
    assert "secret detail" in caplog.text
    assert (await call("broken", changes=True)).outcome is CallOutcome.UNCERTAIN
    assert (await call("odd")).outcome is CallOutcome.FAILED


@pytest.mark.django_db
async def test_a_function_that_takes_too_long_is_left_behind() -> None:
    RELEASE.clear()
    try:
        result = await call("slow", timeout_seconds=0.1)
    finally:
        RELEASE.set()
    assert result.outcome is CallOutcome.FAILED
    assert "0.1 seconds" in result.problem


def test_only_functions_on_the_list_are_loaded() -> None:
    with pytest.raises(FunctionUnusable, match="SUPPORTDESK_TOOL_FUNCTIONS"):
        function_find("os.system", [])
    with pytest.raises(FunctionUnusable, match="cannot be loaded"):
        function_find("no.such.place", ["no.such.place"])
    with pytest.raises(FunctionUnusable, match="no function"):
        function_find("math.pi", ["math.pi"])
