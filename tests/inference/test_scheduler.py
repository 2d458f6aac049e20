"""The scheduler keeps the order, the deadlines, and the engine free for who still waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol

import numpy as np
import pytest

from inference.chat import ChatChunk, ChatMessage, GenerationParameters, Priority
from inference.engines.scripted import Script, ScriptedEngine, ScriptedReply
from inference.errors import ContextExceeded, EngineDown, EngineOverloaded, EngineTimeout
from inference.scheduler import EngineSpeed, Job, JobState, Scheduler

PARAMETERS = GenerationParameters(max_tokens=50)


class Make(Protocol):
    def __call__(
        self, *replies: ScriptedReply, speed: EngineSpeed = ..., **options: Any
    ) -> Scheduler: ...


@pytest.fixture
async def scheduler_of() -> AsyncIterator[Make]:
    """Makes schedulers of scripted engines, and stops them in the end."""
    made: list[Scheduler] = []

    def make(
        *replies: ScriptedReply, speed: EngineSpeed | None = None, **options: Any
    ) -> Scheduler:
        engine = ScriptedEngine(Script(replies=list(replies), context_length=80))
        speed = speed or EngineSpeed(prefill=1e6, prefill_square=0.0, step=1e-6, step_each=0.0)
        made.append(Scheduler(engine, speed=speed, **options))
        return made[-1]

    yield make
    for scheduler in made:
        await scheduler.aclose()


def submit(scheduler: Scheduler, text: str, seconds: float = 30.0) -> Job:
    prompt = scheduler.engine.prompt_encode([ChatMessage("user", text)])
    return scheduler.job_submit(prompt, PARAMETERS, seconds=seconds)


def score(
    scheduler: Scheduler, *texts: str, candidates: Sequence[int] | None = None, seconds: float = 30
) -> Job:
    prompts = [scheduler.engine.prompt_encode([ChatMessage("user", text)]) for text in texts]
    return scheduler.score_submit(prompts, candidates, seconds=seconds)


async def answer(scheduler: Scheduler, job: Job) -> str:
    return "".join([chunk.text async for chunk in scheduler.job_chunks(job)])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 (what is waited for sets no event)
            await asyncio.sleep(0.005)


async def test_requests_run_one_by_one_in_the_order_of_arrival(scheduler_of: Make) -> None:
    order: list[str] = []

    def text(messages: Sequence[ChatMessage]) -> str:
        order.append(messages[-1].content)
        return messages[-1].content

    scheduler = scheduler_of(ScriptedReply(text, first_delay=0.01))
    jobs = [submit(scheduler, name) for name in "abc"]
    assert [job.state for job in jobs] == [JobState.RUNNING, JobState.WAITING, JobState.WAITING]
    assert scheduler.status().waiting == 2
    answers = await asyncio.gather(*(answer(scheduler, job) for job in reversed(jobs)))
    assert answers == ["c", "b", "a"]
    assert order == ["a", "b", "c"]


async def test_closing_the_chunks_frees_the_engine_for_the_next(scheduler_of: Make) -> None:
    scheduler = scheduler_of(
        ScriptedReply("abcdef", match="first", stall_after=1), ScriptedReply("second")
    )
    first, second = submit(scheduler, "first"), submit(scheduler, "next")
    chunks = scheduler.job_chunks(first)
    assert (await anext(chunks)).text == "ab"
    await chunks.aclose()
    assert await answer(scheduler, second) == "second"


async def test_a_cancelled_task_frees_the_engine(scheduler_of: Make) -> None:
    scheduler = scheduler_of(ScriptedReply("abc", stall_after=0))
    job = submit(scheduler, "x")
    task = asyncio.create_task(answer(scheduler, job))
    await asyncio.sleep(0)  # the task begins to read
    task.cancel()
    async with asyncio.timeout(5):  # far below the request's own deadline
        await scheduler.idle_wait()
    assert scheduler.status().running == 0


async def test_a_waiting_request_that_is_cancelled_never_reaches_the_engine(
    scheduler_of: Make,
) -> None:
    seen: list[str] = []

    def text(messages: Sequence[ChatMessage]) -> str:
        seen.append(messages[-1].content)
        return "done"

    scheduler = scheduler_of(ScriptedReply(text, first_delay=0.01))
    first, gone = submit(scheduler, "first"), submit(scheduler, "gone")
    scheduler.job_cancel(gone)
    scheduler.job_cancel(gone)
    assert await answer(scheduler, first) == "done"
    assert [chunk async for chunk in scheduler.job_chunks(gone)] == [ChatChunk("", "cancelled")]
    await scheduler.idle_wait()
    assert seen == ["first"]


async def test_the_deadline_is_kept_whether_running_or_waiting(scheduler_of: Make) -> None:
    scheduler = scheduler_of(ScriptedReply("abc", stall_after=0))
    running, waiting = submit(scheduler, "a", 0.05), submit(scheduler, "b", 0.02)
    with pytest.raises(EngineTimeout):
        await answer(scheduler, waiting)
    with pytest.raises(EngineTimeout):
        await answer(scheduler, running)
    await scheduler.idle_wait()
    assert scheduler.status().running == 0


async def test_an_engine_that_does_not_stop_is_overdue_and_blocks_the_others(
    scheduler_of: Make,
) -> None:
    scheduler = scheduler_of(ScriptedReply("abcd", stall_after=1, deaf=True))
    with pytest.raises(EngineTimeout):
        await answer(scheduler, submit(scheduler, "x", 0.02))
    await until(lambda: scheduler.status().overdue_seconds > 0.05)
    assert submit(scheduler, "y").state is JobState.WAITING


async def test_a_healthy_prefill_is_not_overdue(scheduler_of: Make) -> None:
    speed = EngineSpeed(prefill=10.0)  # the 6 tokens of the prompt may take 3 x 0.6 s
    scheduler = scheduler_of(ScriptedReply("x", stall_after=0, deaf=True), speed=speed)
    job = submit(scheduler, "abc")
    await until(lambda: job.state is JobState.RUNNING)
    scheduler.job_cancel(job)
    assert scheduler.status().running == 1
    assert scheduler.status().overdue_seconds == 0.0


async def test_too_many_waiting_requests_are_refused(scheduler_of: Make) -> None:
    scheduler = scheduler_of(ScriptedReply("x", stall_after=0), waiting_limit=1)
    submit(scheduler, "runs")
    submit(scheduler, "waits")
    with pytest.raises(EngineOverloaded):
        submit(scheduler, "is refused")


async def test_a_wait_that_would_pass_the_deadline_is_refused_at_once(scheduler_of: Make) -> None:
    speed = EngineSpeed(prefill=100.0, prefill_square=0.0, step=0.1)
    scheduler = scheduler_of(ScriptedReply("x", stall_after=0), speed=speed)
    submit(scheduler, "runs for about 5 s")
    prompt = scheduler.engine.prompt_encode([ChatMessage("user", "one more")])
    task = scheduler.engine.answer_begin(prompt, PARAMETERS)
    assert 4 < scheduler.wait_estimate(Job((prompt,), Priority.ANSWER, "", 0.0, task)) < 6
    with pytest.raises(EngineOverloaded, match="estimated wait"):
        submit(scheduler, "cannot wait", 2.0)
    submit(scheduler, "can wait", 30.0)


async def test_an_idle_engine_never_refuses_for_its_speed(scheduler_of: Make) -> None:
    scheduler = scheduler_of(ScriptedReply("x"), speed=EngineSpeed(prefill=0.1))
    assert await answer(scheduler, submit(scheduler, "slow but alone", 5.0)) == "x"
    assert scheduler.speed.prefill > 0.1


async def test_what_does_not_fit_into_the_context_is_refused(scheduler_of: Make) -> None:
    scheduler = scheduler_of(ScriptedReply("x"))
    with pytest.raises(ContextExceeded, match=r"50.*80"):
        submit(scheduler, "many more than thirty tokens, which is too much for eighty")


async def test_engine_errors_and_bugs_reach_the_client_and_the_next_request_runs(
    scheduler_of: Make,
) -> None:
    def bug(messages: Sequence[ChatMessage]) -> str:
        raise ZeroDivisionError

    scheduler = scheduler_of(
        ScriptedReply(error=EngineDown("gone"), match="down"),
        ScriptedReply(bug, match="bug"),
        ScriptedReply("fine"),
    )
    with pytest.raises(EngineDown, match="gone"):
        await answer(scheduler, submit(scheduler, "down"))
    with pytest.raises(EngineDown):
        await answer(scheduler, submit(scheduler, "bug"))
    assert await answer(scheduler, submit(scheduler, "next")) == "fine"


async def test_scores_are_those_of_the_candidates_for_each_prompt(scheduler_of: Make) -> None:
    scheduler = scheduler_of(
        ScriptedReply("yes", match="good"), ScriptedReply("no", match="bad"), ScriptedReply("?")
    )
    yes, no = (scheduler.engine.text_encode(word)[0] for word in ("yes", "no"))
    scores = await scheduler.job_scores(score(scheduler, "good", "bad", "", candidates=[yes, no]))
    assert scores.shape == (3, 2)
    assert np.allclose(np.exp(scores[:2]), [[0.9, 0], [0, 0.9]], atol=1e-3)
    whole = await scheduler.job_scores(score(scheduler, "good"))
    assert np.isclose(np.exp(whole).sum(), 1, atol=1e-3)
    assert whole[0].argmax() == yes


async def test_a_score_that_takes_too_long_is_a_timeout(scheduler_of: Make) -> None:
    scheduler = scheduler_of(ScriptedReply("x", stall_after=0))
    with pytest.raises(EngineTimeout):
        await scheduler.job_scores(score(scheduler, "x", seconds=0.02))
    await scheduler.idle_wait()


async def test_answers_go_before_labels_and_labels_before_background(scheduler_of: Make) -> None:
    order: list[str] = []

    def text(messages: Sequence[ChatMessage]) -> str:
        order.append(messages[-1].content)
        return "x"

    scheduler = scheduler_of(ScriptedReply(text))
    running = submit(scheduler, "running")
    prompt = scheduler.engine.prompt_encode([ChatMessage("user", "background")])
    background = scheduler.job_submit(prompt, PARAMETERS, seconds=30, priority=Priority.BACKGROUND)
    label = score(scheduler, "label")
    later = submit(scheduler, "answer")
    await asyncio.gather(
        *(answer(scheduler, job) for job in (running, background, later)),
        scheduler.job_scores(label),
    )
    assert order == ["running", "answer", "label", "background"]
