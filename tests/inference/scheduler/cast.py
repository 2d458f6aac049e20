"""Jobs and an engine's speed, by which the scheduler's decisions are tried without an engine."""

from __future__ import annotations

from inference.chat import GenerationParameters, Priority
from inference.engines.protocol import AnswerTask
from inference.scheduler.jobs import Job
from inference.scheduler.policy import BatchLimits
from inference.scheduler.speed import EngineSpeed
from tests.inference.scheduler.fake_engine import prompt_of

LIMITS = BatchLimits()
SPEED = EngineSpeed(
    prefill=1000.0, prefill_square=0.0, step=0.04, step_each=0.005, answer_tokens=50
)


def answer_job(
    tokens: int = 100,
    *,
    priority: Priority = Priority.ANSWER,
    seam: int | None = 10,
    prefix: tuple[int, ...] = (),
    written: int = 0,
    joinings: int = 0,
    alone: bool = False,
    **parameters: float,
) -> Job:
    """An answer to a prompt of so many tokens, of which ``written`` stand already."""
    options = {"max_tokens": 200, **parameters}
    prompt = prompt_of("x", tokens, seam=seam)
    task = AnswerTask(prompt, GenerationParameters(**options))
    task.written = written
    return Job(
        (prompt,), priority, "", 0.0, task=task, prefix=prefix, joinings=joinings, alone=alone
    )
