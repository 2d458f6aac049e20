"""Background work: who does it, and what becomes of work whose worker died.

Tasks lie in the database (django-tasks-db). The worker's library claims a task and runs it, but a
worker that is killed leaves its task marked as running for ever. Here a worker's id tells host,
process and the process' start, so that the next worker on that host can tell that nobody is at
the task any more. A task may therefore run more than once, and must bear that.
"""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path
from typing import Final

from django.db import transaction
from django.utils import timezone
from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult

ATTEMPTS_MOST: Final = 3
"""Runs of one task, those that a dying worker broke off included."""
_SEPARATOR: Final = "/"
_ID_MOST: Final = 64


def worker_id_make() -> str:
    """An id for this process: host, process id, start of the process, and some chance."""
    host = socket.gethostname().replace(_SEPARATOR, "-")[:24]
    pid = os.getpid()
    parts = (host, str(pid), _started(pid), secrets.token_hex(4))
    return _SEPARATOR.join(parts)[:_ID_MOST]


def tasks_requeue() -> int:
    """Give back the tasks of dead workers of this host; returns how many can run again.

    A task that was broken off ``ATTEMPTS_MOST`` times is marked as failed instead: it may be what
    kills the workers.
    """
    count = 0
    with transaction.atomic():
        running = DBTaskResult.objects.select_for_update().filter(status=TaskResultStatus.RUNNING)
        for task in running:
            if not _is_dead(task.worker_ids[-1] if task.worker_ids else ""):
                continue
            if len(task.worker_ids) >= ATTEMPTS_MOST:
                task.status = TaskResultStatus.FAILED
                task.finished_at = timezone.now()
                task.traceback = f"The worker died {len(task.worker_ids)} times over this task."
            else:
                task.status = TaskResultStatus.READY
                count += 1
            task.save(update_fields=["status", "finished_at", "traceback"])
    return count


def _is_dead(worker_id: str) -> bool:
    """Whether the worker was of this host and is gone; of other hosts nobody knows from here."""
    parts = worker_id.split(_SEPARATOR)
    if len(parts) != 4 or parts[0] != worker_id_make().split(_SEPARATOR)[0]:
        return False
    _, pid, started, _ = parts
    return not pid.isdecimal() or _started(int(pid)) != started


def _started(pid: int) -> str:
    """When a process started, in the kernel's ticks since boot; empty when there is none.

    Process ids are used again, so that an id alone does not tell whether it is the same process.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    # proc(5): the second field is the name in parentheses, which may hold spaces; the 22nd is
    # the start time.
    return stat.rpartition(")")[2].split()[19]
