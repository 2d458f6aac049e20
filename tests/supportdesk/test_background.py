"""A task whose worker died is done by the next worker, but not for ever."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache

import pytest
from django.core.management import call_command
from django_tasks import task
from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from supportdesk.background import ATTEMPTS_MOST, tasks_requeue, worker_id_make

pytestmark = pytest.mark.django_db(transaction=True)

DONE: list[str] = []


@task()
def note(text: str) -> None:
    DONE.append(text)


@pytest.fixture(autouse=True)
def _nothing_done() -> Iterator[None]:
    """A worker takes the process' signals; they are given back."""
    DONE.clear()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
    handlers = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@cache
def dead_worker_id() -> str:
    """The id of a worker in a process that has ended."""
    code = "from supportdesk.background import worker_id_make; print(worker_id_make())"
    django = "import os, django; os.environ['DJANGO_SETTINGS_MODULE']='supportdesk.settings'; django.setup(); "
    run = subprocess.run(
        [sys.executable, "-c", django + code], capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def running_task(*worker_ids: str) -> DBTaskResult:
    result = DBTaskResult.objects.get(pk=note.enqueue("hello").id)
    for worker_id in worker_ids:
        result.claim(worker_id)
    return result


def test_a_worker_does_what_waits_and_then_stops_when_told_to_work_once() -> None:
    note.enqueue("hello")
    call_command("worker", once=True)
    assert DONE == ["hello"]


def test_the_task_of_a_dead_worker_is_done_by_the_next_one() -> None:
    running_task(dead_worker_id())
    call_command("worker", once=True)
    assert DONE == ["hello"]


def test_the_task_of_a_living_worker_is_left_to_it() -> None:
    result = running_task(worker_id_make())
    assert tasks_requeue() == 0
    result.refresh_from_db()
    assert result.status == TaskResultStatus.RUNNING


def test_the_task_of_another_host_is_left_alone() -> None:
    result = running_task("elsewhere/1/1/abcd")
    assert tasks_requeue() == 0
    result.refresh_from_db()
    assert result.status == TaskResultStatus.RUNNING


def test_a_task_that_broke_off_too_often_is_failed() -> None:
    gone = dead_worker_id()
    result = running_task(*[gone] * ATTEMPTS_MOST)
    assert tasks_requeue() == 0
    result.refresh_from_db()
    assert result.status == TaskResultStatus.FAILED
    assert "died" in result.traceback
    assert result.finished_at is not None
