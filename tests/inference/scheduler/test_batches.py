"""Batches run, shrink, fail and are interrupted; each request gets what is its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest

from inference.chat import ChatChunk, GenerationParameters, Priority
from inference.errors import (
    ContextExceeded,
    EngineDown,
    EngineError,
    EngineOverloaded,
    EngineTimeout,
)
from inference.scheduler import EngineSpeed, Job, JobState, Scheduler
from tests.inference.scheduler.fake_engine import FakeEngine, prompt_of, settle

Make = Callable[..., tuple[Scheduler, FakeEngine]]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[tuple[Scheduler, FakeEngine]] = []

    def make(*, speed: EngineSpeed | None = None, limit: int = 32, **options: Any) -> Any:
        engine = FakeEngine(**options)
        scheduler = Scheduler(
            engine,
            speed=speed,
            waiting_limit=limit,
            clock=engine.clock,
            work_clock=lambda: engine.worked,
        )
        made.append((scheduler, engine))
        return made[-1]

    yield make
    for scheduler, engine in made:
        engine.deaf = False
        closing = asyncio.create_task(scheduler.aclose())
        await engine.finish()
        await closing


def submit(
    scheduler: Scheduler,
    name: str,
    *,
    tokens: int = 100,
    max_tokens: int = 50,
    seconds: float = 60.0,
    **options: Any,
) -> Job:
    parameters = GenerationParameters(max_tokens=max_tokens)
    return scheduler.job_submit(prompt_of(name, tokens), parameters, seconds=seconds, **options)


async def text_of(scheduler: Scheduler, job: Job) -> str:
    return "".join([chunk.text async for chunk in scheduler.job_chunks(job)])


def written(job: Job) -> str:
    """What the client could have read so far."""
    chunks = [job.outcome.get_nowait() for _ in range(job.outcome.qsize())]
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, ChatChunk))


def tokens_of(name: str, count: int) -> str:
    return "".join(f"{name}:{index} " for index in range(count))


async def test_requests_that_wait_together_run_as_one_batch(make: Make) -> None:
    scheduler, engine = make()
    jobs = [submit(scheduler, "first", max_tokens=1)]
    jobs += [submit(scheduler, name, tokens=tokens) for name, tokens in (("a", 90), ("b", 100))]
    await settle()
    assert engine.batches == [["first"]]
    await engine.finish()
    assert [await text_of(scheduler, job) for job in jobs[1:]] == [
        tokens_of("a", 4),
        tokens_of("b", 4),
    ]
    assert engine.batches == [["first"], ["a", "b"]]
    assert engine.paddings[1] == [10, 0]


async def test_each_answer_of_a_batch_ends_on_its_own(make: Make) -> None:
    scheduler, engine = make(lengths={"short": 1, "long": 6})
    held = submit(scheduler, "held", max_tokens=1)
    short, long = submit(scheduler, "short"), submit(scheduler, "long", max_tokens=5)
    await engine.step(2)  # "held", then its end
    assert held.state is JobState.DONE
    await engine.step(2)
    assert short.state is JobState.DONE
    assert written(short) == tokens_of("short", 1)
    assert long.state is JobState.RUNNING
    assert scheduler.status().running == 1
    await engine.finish()
    assert await text_of(scheduler, long) == tokens_of("long", 5)


async def test_one_answer_is_cancelled_and_the_others_go_on(make: Make) -> None:
    scheduler, engine = make(lengths={"a": 8, "b": 8})
    submit(scheduler, "held", max_tokens=1)
    a, b = submit(scheduler, "a"), submit(scheduler, "b")
    await engine.step(3)
    scheduler.job_cancel(a)
    assert scheduler.status().running == 2
    await engine.step()
    assert a.state is JobState.DONE
    assert scheduler.status().running == 1
    assert scheduler.status().overdue_seconds == 0
    await engine.finish()
    assert await text_of(scheduler, b) == tokens_of("b", 8)


async def test_a_stopped_answer_that_stays_in_the_batch_is_overdue(make: Make) -> None:
    scheduler, engine = make(lengths={"a": 50, "b": 50}, deaf=True)
    submit(scheduler, "held", max_tokens=1)
    a, _ = submit(scheduler, "a"), submit(scheduler, "b")
    await engine.step(3)
    scheduler.job_cancel(a)
    engine.clock.now += 2
    assert scheduler.status().overdue_seconds == pytest.approx(2)


async def test_a_long_prefill_of_a_batch_is_not_overdue(make: Make) -> None:
    speed = EngineSpeed(prefill=100.0, prefill_square=0.0)  # a second for each prompt
    scheduler, engine = make(speed=speed, batch_most=2)
    submit(scheduler, "held", max_tokens=1)
    jobs = [submit(scheduler, name) for name in "ab"]
    await engine.step(2)
    assert engine.batches[-1] == ["a", "b"]
    prefill = scheduler.speed.prefill_seconds(100)
    for job in jobs:
        scheduler.job_cancel(job)
    engine.worked = 1000.0
    engine.clock.now += 5 * prefill  # both prompts, and some patience
    assert scheduler.status().overdue_seconds == 0
    engine.clock.now += 5 * prefill
    assert scheduler.status().overdue_seconds > 0


async def test_an_engine_that_gets_no_cores_is_given_more_time(make: Make) -> None:
    speed = EngineSpeed(prefill=100.0, prefill_square=0.0)
    scheduler, engine = make(speed=speed)
    job = submit(scheduler, "a")
    await settle()
    scheduler.job_cancel(job)
    engine.clock.now += 15
    assert scheduler.status().overdue_seconds == 0
    engine.clock.now += 15  # if it does nothing at all, it hangs
    assert scheduler.status().overdue_seconds > 0


async def test_a_batch_that_fails_is_tried_one_by_one(make: Make) -> None:
    scheduler, engine = make(poison={"bad"})
    submit(scheduler, "held", max_tokens=1)
    jobs = {name: submit(scheduler, name) for name in ("a", "bad", "b")}
    await engine.finish()
    assert await text_of(scheduler, jobs["a"]) == tokens_of("a", 4)
    assert await text_of(scheduler, jobs["b"]) == tokens_of("b", 4)
    with pytest.raises(EngineError, match="broke"):
        await text_of(scheduler, jobs["bad"])
    assert engine.batches[1:] == [["a", "bad", "b"], ["a"], ["bad"], ["b"]]


async def test_a_lonely_answer_is_interrupted_and_goes_on_with_those_that_wait(make: Make) -> None:
    scheduler, engine = make(lengths={"early": 30})
    early = submit(scheduler, "early")
    await engine.step(2)
    late = [submit(scheduler, f"late{index}") for index in range(5)]
    await engine.finish()
    assert await text_of(scheduler, early) == tokens_of("early", 30)
    for index, job in enumerate(late):
        assert await text_of(scheduler, job) == tokens_of(f"late{index}", 4)
    assert engine.batches[0] == ["early"]
    assert set(engine.batches[1]) == {"early", *(f"late{index}" for index in range(5))}
    assert early.pauses == early.joinings == 1


async def test_background_work_makes_way_for_an_answer(make: Make) -> None:
    scheduler, engine = make(lengths={"summary": 30})
    summary = submit(scheduler, "summary", priority=Priority.BACKGROUND)
    await engine.step(3)
    urgent = submit(scheduler, "urgent")
    await engine.finish()
    assert await text_of(scheduler, urgent) == tokens_of("urgent", 4)
    assert await text_of(scheduler, summary) == tokens_of("summary", 30)
    assert engine.batches == [["summary"], ["urgent"], ["summary"]]


async def test_background_work_with_a_penalty_makes_way_again_and_again(make: Make) -> None:
    scheduler, engine = make(lengths={"summary": 30})
    parameters = GenerationParameters(max_tokens=50, repetition_penalty=1.1)
    summary = scheduler.job_submit(
        prompt_of("summary"), parameters, seconds=60, priority=Priority.BACKGROUND
    )
    names = [f"urgent{index}" for index in range(5)]
    for name in names:
        await engine.step(3)
        urgent = submit(scheduler, name, max_tokens=1)
        while urgent.state is not JobState.DONE:
            await engine.step()
    await engine.finish()
    assert await text_of(scheduler, summary) == tokens_of("summary", 30)
    alternating = [batch for name in names for batch in (["summary"], [name])]
    assert engine.batches == [*alternating, ["summary"]]


def long_submit(scheduler: Scheduler, name: str, **options: Any) -> Job:
    """Sampled with a penalty, so nobody can join it."""
    parameters = GenerationParameters(max_tokens=500, temperature=0.7, repetition_penalty=1.05)
    return scheduler.job_submit(prompt_of(name), parameters, seconds=600, **options)


async def test_a_long_answer_takes_turns_with_short_ones(make: Make) -> None:
    scheduler, engine = make(lengths={"long": 400})
    long = long_submit(scheduler, "long")
    await engine.step(90)
    for index in range(3):
        asked = engine.clock.now
        short = submit(scheduler, f"short{index}")
        assert scheduler.wait_estimate(short) <= 1.5
        while short.state is not JobState.DONE:
            await engine.step()
        # A turn of a second, both read, four words.
        assert engine.clock.now - asked < 2.0
        assert written(short) == tokens_of(f"short{index}", 4)
    assert long.state is not JobState.DONE
    await engine.finish()
    assert await text_of(scheduler, long) == tokens_of("long", 400)
    assert long.joinings == 0


async def test_who_comes_when_a_long_answer_has_had_its_turn_is_next_at_once(make: Make) -> None:
    scheduler, engine = make(lengths={"long": 400})
    long_submit(scheduler, "long")
    await engine.step(90)
    short = submit(scheduler, "short")
    assert scheduler.wait_estimate(short) == 0
    await engine.step(2)
    assert written(short) == tokens_of("short", 1)


async def test_a_score_that_an_answer_waits_for_goes_between_the_words_of_another(
    make: Make,
) -> None:
    scheduler, engine = make(lengths={"long": 400})
    long_submit(scheduler, "long")
    await engine.step(30)
    score = scheduler.score_submit([prompt_of("x")], None, seconds=60, priority=Priority.ANSWER)
    await engine.step(3)
    assert score.state is JobState.DONE


async def test_long_answers_take_turns_and_none_is_left_behind(make: Make) -> None:
    scheduler, engine = make(lengths={"a": 200, "b": 200, "c": 200}, batch_most=1)
    jobs = {name: long_submit(scheduler, name) for name in "abc"}
    await engine.finish()
    for name, job in jobs.items():
        assert await text_of(scheduler, job) == tokens_of(name, 200)
    order = [name for batch in engine.batches for name in batch]
    assert order[:6] == ["a", "b", "c", "a", "b", "c"]


async def test_answers_of_usual_length_are_written_one_after_the_other(make: Make) -> None:
    scheduler, engine = make(lengths=dict.fromkeys("abc", 60), batch_most=1)
    for name in "abc":
        long_submit(scheduler, name)
    await engine.finish()
    assert engine.batches == [["a"], ["b"], ["c"]]


async def test_a_conversation_with_long_answers_gets_no_more_than_its_share(make: Make) -> None:
    names = ("x0", "x1", "x2", "y")
    scheduler, engine = make(lengths=dict.fromkeys(names, 200), batch_most=1)
    greedy = [long_submit(scheduler, f"x{index}", conversation="x") for index in range(3)]
    modest = long_submit(scheduler, "y", conversation="y")
    while modest.state is not JobState.DONE:
        await engine.step()
    tokens = sum(job.task.written for job in greedy if job.task is not None)
    # The same as the other one, besides the first turns of two, which are long.
    assert tokens <= 200 + 2 * 80
    await engine.finish()
    for index, job in enumerate(greedy):
        assert await text_of(scheduler, job) == tokens_of(f"x{index}", 200)


async def test_an_interrupted_answer_that_is_cancelled_while_it_waits_is_gone(make: Make) -> None:
    scheduler, engine = make(lengths={"summary": 30, "urgent": 9})
    summary = submit(scheduler, "summary", priority=Priority.BACKGROUND)
    await engine.step(3)
    submit(scheduler, "urgent")
    await engine.step(3)
    assert summary.state is JobState.WAITING
    scheduler.job_cancel(summary)
    await engine.finish()
    assert engine.batches == [["summary"], ["urgent"]]


async def test_label_jobs_of_equal_length_are_scored_together(make: Make) -> None:
    scheduler, engine = make()
    submit(scheduler, "held", max_tokens=1)
    jobs = [
        scheduler.score_submit([prompt_of(name, tokens)], [0, 2], seconds=60)
        for name, tokens in (("a", 50), ("bb", 60), ("ccc", 50))
    ]
    await engine.finish()
    tables = [await scheduler.job_scores(job) for job in jobs]
    assert [table.tolist() for table in tables] == [[[1, -1]], [[2, -1]], [[3, -1]]]
    assert engine.scored == [["a", "ccc"], ["bb"]]


async def test_an_answer_goes_between_the_prompts_of_a_score(make: Make) -> None:
    scheduler, engine = make()
    prompts = [prompt_of(name, 50 + len(name)) for name in ("a", "bb", "ccc")]
    score = scheduler.score_submit(prompts, None, seconds=60)
    await settle()
    answer = submit(scheduler, "answer")
    await engine.finish()
    assert np.array_equal((await scheduler.job_scores(score))[:, 0], [1, 2, 3])
    assert await text_of(scheduler, answer) == tokens_of("answer", 4)
    assert engine.scored == [["a"], ["bb"], ["ccc"]]


async def test_scores_that_fail_together_are_tried_one_by_one(make: Make) -> None:
    scheduler, engine = make(poison={"bad"})
    submit(scheduler, "held", max_tokens=1)
    good = scheduler.score_submit([prompt_of("good")], None, seconds=60)
    bad = scheduler.score_submit([prompt_of("bad")], None, seconds=60)
    await engine.finish()
    assert (await scheduler.job_scores(good)).shape == (1, 3)
    with pytest.raises(EngineError, match="broke"):
        await scheduler.job_scores(bad)


async def test_a_conversation_that_floods_leaves_room_for_another(make: Make) -> None:
    scheduler, engine = make(batch_most=1, limit=3)
    submit(scheduler, "held")
    flood = [submit(scheduler, f"flood{index}", conversation="x") for index in range(3)]
    with pytest.raises(EngineOverloaded):
        submit(scheduler, "flood3", conversation="x")
    modest = submit(scheduler, "modest", conversation="y")
    with pytest.raises(EngineOverloaded):
        await text_of(scheduler, flood[2])
    await engine.finish()
    assert await text_of(scheduler, modest) == tokens_of("modest", 4)
    assert engine.batches == [["held"], ["flood0"], ["modest"], ["flood1"]]


async def test_chores_are_done_when_nobody_waits(make: Make) -> None:
    scheduler, engine = make(chores_left=2)
    job = submit(scheduler, "answer")
    scheduler.chore_add(engine.prefixes_settle)
    await engine.step(2)
    assert engine.chores_done == 0
    late = submit(scheduler, "late")
    await engine.finish()
    assert await text_of(scheduler, job) == tokens_of("answer", 4)
    assert await text_of(scheduler, late) == tokens_of("late", 4)
    await scheduler.idle_wait()
    assert engine.chores_done == 2


async def test_a_chore_that_hangs_is_overdue_in_the_end(make: Make) -> None:
    scheduler, engine = make(chores_left=1)
    scheduler.chore_add(engine.prefixes_settle)
    engine.clock.now += 50
    assert scheduler.status().overdue_seconds == 0
    engine.clock.now += 50
    assert scheduler.status().overdue_seconds > 0


async def test_a_deadline_in_the_middle_of_a_batch_is_that_requests_alone(make: Make) -> None:
    speed = EngineSpeed(prefill=1e6, prefill_square=0.0, step=1e-6, step_each=0.0)
    scheduler, engine = make(speed=speed, lengths={"a": 40, "b": 40})
    submit(scheduler, "held", max_tokens=1)
    a, b = submit(scheduler, "a", seconds=0.05), submit(scheduler, "b")
    await engine.step(4)
    with pytest.raises(EngineTimeout):
        await text_of(scheduler, a)
    await engine.finish()
    assert await text_of(scheduler, b) == tokens_of("b", 40)


async def test_a_prompt_that_would_keep_everybody_waiting_is_refused(make: Make) -> None:
    # The fake engine's context has 4,096 tokens: read in 41 s at 100 tokens/s, in 4 s at 1,000.
    slow, _ = make(speed=EngineSpeed(prefill=100.0, prefill_square=0.0))
    with pytest.raises(ContextExceeded, match=r"2100 tokens.* 21 s .*2048"):
        submit(slow, "long", tokens=2100)
    submit(slow, "short", tokens=2000)
    with pytest.raises(ContextExceeded, match="2048"):
        slow.score_submit([prompt_of("x"), prompt_of("y", 2100)], None, seconds=60)
    quick, engine = make(speed=EngineSpeed(prefill=1000.0, prefill_square=0.0))
    submit(quick, "long", tokens=4000)
    small, engine = make(speed=EngineSpeed(prefill=100.0, prefill_square=0.0))
    engine.prefixes["long"] = tuple(range(500))
    submit(small, "long", tokens=2500)  # what is kept need not be read


async def test_a_closed_scheduler_takes_nothing(make: Make) -> None:
    scheduler, _ = make()
    job = submit(scheduler, "a")
    await scheduler.aclose()
    assert job.state is JobState.DONE
    with pytest.raises(EngineDown):
        submit(scheduler, "b")
