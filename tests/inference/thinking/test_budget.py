"""Reasoning gets what the answer leaves of the time."""

from __future__ import annotations

from typing import Any

from inference.scheduler import EngineSpeed
from inference.thinking.budget import DEFAULT_TOKENS, ThinkingBudget, thinking_budget

# 100 tokens a second to read, 10 to write; answers have 50.
SPEED = EngineSpeed(prefill=100, prefill_square=0, step=0.1, step_each=0, answer_tokens=50)


def budget(**changes: Any) -> ThinkingBudget | None:
    values: dict[str, Any] = {
        "wanted": 100, "seconds": 60.0, "prompt_tokens": 100, "answer_tokens": 200, "room": 1000
    }  # fmt: skip
    return thinking_budget(SPEED, **{**values, **changes})


def test_with_time_and_room_it_is_what_was_wanted() -> None:
    found = budget()
    assert found is not None
    assert found.tokens == 100
    # The answer keeps 1.5 times what it needs: reading 200 tokens and writing 50.
    assert found.seconds == 60 - 1.5 * (2 + 5)
    default = budget(wanted=None, seconds=600)
    assert default is not None
    assert default.tokens == DEFAULT_TOKENS


def test_little_time_cuts_it() -> None:
    found = budget(seconds=15)
    assert found is not None
    # Each of t tokens is written (.1 s) and read again for the answer (1.5 times .01 s); reading the
    # prompt takes 1 s, and the answer keeps 1.5 times the 6 s that it takes without reasoning.
    assert found.tokens == int((15 - 1 - 1.5 * 6) / 0.115)


def test_what_there_is_no_time_to_write_need_not_be_read_for_the_answer() -> None:
    found = budget(wanted=100_000, room=1_000_000)
    assert found is not None
    assert found.tokens == int((60 - 1 - 1.5 * 6) / 0.115)


def test_too_little_time_or_room_leaves_none() -> None:
    assert budget(seconds=11.5) is None
    assert budget(seconds=1) is None
    assert budget(room=5) is None
    assert budget(room=-50) is None


def test_a_client_may_want_very_little() -> None:
    found = budget(wanted=3)
    assert found is not None
    assert found.tokens == 3
