"""The line is bounded, and conversations take turns in it."""

from __future__ import annotations

import pytest

from inference.chat import GenerationParameters, Priority
from inference.engines.protocol import AnswerTask
from inference.errors import EngineOverloaded
from inference.scheduler.jobs import Job
from inference.scheduler.line import WaitingLine
from tests.inference.scheduler.fake_engine import prompt_of


def job_of(conversation: str = "", priority: Priority = Priority.ANSWER) -> Job:
    prompt = prompt_of("x")
    task = AnswerTask(prompt, GenerationParameters())
    return Job((prompt,), priority, conversation, 0.0, task=task)


def arrive(line: WaitingLine, *jobs: Job, seconds: float = 1.0) -> None:
    for job in jobs:
        line.turn_give(job)
        line.add(job, seconds)


def serve(line: WaitingLine) -> list[Job]:
    """Serve the whole line one by one."""
    served = []
    while len(line):
        served.append(next(iter(line)))
        line.leave(served[-1])
    return served


def test_jobs_of_no_conversation_are_served_as_they_come() -> None:
    line, jobs = WaitingLine(9), [job_of() for _ in range(4)]
    arrive(line, *jobs)
    assert serve(line) == jobs


def test_a_conversation_with_many_requests_does_not_starve_the_others() -> None:
    line = WaitingLine(99)
    greedy = [job_of("greedy") for _ in range(10)]
    arrive(line, *greedy)
    modest, other = job_of("modest"), job_of()
    arrive(line, modest, other)
    order = serve(line)
    assert order.index(modest) == 1
    assert order.index(other) == 2
    assert [job for job in order if job in greedy] == greedy


def test_two_busy_conversations_alternate() -> None:
    line = WaitingLine(99)
    arrive(line, *[job_of("a") for _ in range(3)])
    arrive(line, *[job_of("b") for _ in range(3)])
    assert [job.conversation for job in serve(line)] == list("ababab")


def test_who_was_idle_has_no_claim_for_the_past() -> None:
    line = WaitingLine(99)
    arrive(line, *[job_of("a") for _ in range(5)])
    serve(line)
    arrive(line, *[job_of("a") for _ in range(2)], *[job_of("b") for _ in range(2)])
    assert [job.conversation for job in serve(line)] in (list("baab"), list("baba"), list("abab"))


def test_priority_goes_before_turns() -> None:
    line = WaitingLine(9)
    background, label = job_of("a", Priority.BACKGROUND), job_of("b", Priority.LABEL)
    arrive(line, background, label, *(answers := [job_of("c"), job_of("c")]))
    assert serve(line) == [*answers, label, background]


def test_a_full_line_refuses() -> None:
    line = WaitingLine(2)
    arrive(line, job_of(), job_of())
    with pytest.raises(EngineOverloaded):
        line.room_make(job_of())
    with pytest.raises(EngineOverloaded):
        line.room_make(job_of("new"))
    with pytest.raises(EngineOverloaded):
        line.room_make(job_of("", Priority.LABEL))
    assert len(line) == 2


def test_a_full_line_makes_room_for_a_higher_priority() -> None:
    line = WaitingLine(2)
    arrive(line, label := job_of("", Priority.LABEL), job_of())
    assert line.room_make(job_of()) is label
    assert line.room_make(job_of()) is None


def test_a_full_line_makes_room_for_another_conversation() -> None:
    line = WaitingLine(3)
    arrive(line, first := job_of("greedy"), middle := job_of("greedy"), last := job_of("greedy"))
    newcomer = job_of("modest")
    assert line.room_make(newcomer) is last
    arrive(line, newcomer)
    with pytest.raises(EngineOverloaded):
        line.room_make(job_of("greedy"))
    assert set(line) == {first, middle, newcomer}


def test_who_was_served_before_does_not_wait_behind_a_stream_of_newcomers() -> None:
    line = WaitingLine(99)
    arrive(line, job_of("known"), *[job_of(f"before{index}") for index in range(3)])
    serve(line)
    arrive(line, known := job_of("known"), *[job_of(f"new{index}") for index in range(3)])
    served = []
    for index in range(20):  # for each that is served another one comes
        arrive(line, job_of(f"later{index}") if index % 2 else job_of())
        served.append(next(iter(line)))
        line.leave(served[-1])
    assert known in served[:5]


def test_a_stream_of_newcomers_does_not_starve_a_conversation_with_two_requests() -> None:
    line = WaitingLine(99)
    arrive(line, job_of("known"), second := job_of("known"))
    served = []
    for index in range(20):
        arrive(line, job_of(f"later{index}"))
        served.append(next(iter(line)))
        line.leave(served[-1])
    assert second in served[:6]


def test_after_a_rest_everybody_is_new() -> None:
    line = WaitingLine(99)
    arrive(line, *[job_of("busy") for _ in range(5)], seconds=100.0)
    serve(line)
    arrive(line, early := job_of("busy"), seconds=100.0)
    line.leave(early)
    line.rest()
    arrive(line, busy := job_of("busy"), new := job_of("new"))
    assert serve(line) == [busy, new]


def test_who_takes_a_request_back_is_not_charged_for_it() -> None:
    line = WaitingLine(99)
    arrive(line, held := job_of("other"))
    for _ in range(4):  # words that were typed in a hurry, each instead of the last
        arrive(line, job := job_of("hasty"))
        line.remove(job)
    arrive(line, hasty := job_of("hasty"), later := job_of("later"))
    assert serve(line) == [held, hasty, later]
