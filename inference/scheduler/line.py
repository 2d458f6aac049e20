"""The requests that wait, in the order in which they will be served."""

from __future__ import annotations

from collections.abc import Iterator

from inference.errors import EngineOverloaded
from inference.scheduler.jobs import Job


class WaitingLine:
    """A bounded line, ordered by priority and, within one priority, by fair turns.

    Conversations take turns by the engine's time, as in start-time fair queueing (Goyal, Vin and
    Cheng, 1996): a job's turn is the line's present turn or the end of its conversation's last
    job, whichever is later, and it lasts as long as the job will likely take. A conversation that
    asks for much therefore waits behind its own requests, not in front of others. Jobs of no
    conversation are each for themselves.

    The present goes on by the time of each job that is begun over the number of those who had a
    claim to it, as in weighted fair queueing (Demers, Keshav and Shenker, 1989). So nobody who has
    been served waits behind newcomers for ever, however many there are.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._jobs: list[Job] = []
        self._present = 0.0
        self._ends: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        """The jobs in the order of service."""
        return iter(sorted(self._jobs, key=lambda job: job.order))

    def turn_give(self, job: Job) -> None:
        """Give a new job its place, which is not taken before it is added."""
        job.turn = max(self._present, self._ends.get(job.conversation, 0.0))

    def room_make(self, job: Job) -> Job | None:
        """See to it that one more fits; returns the job that has to go for it, if any.

        A job has to go for one of a higher priority, or for one of a conversation that has fewer
        jobs in the line.

        Raises:
            EngineOverloaded: the line is full of jobs that have more right to be there.
        """
        if len(self._jobs) < self._limit:
            return None
        last = max(self._jobs, key=lambda other: (self._weight(other), other.order))
        mine = (job.priority, self._count(job) + 1)
        if self._weight(last) <= mine:
            raise EngineOverloaded(
                f"{len(self._jobs)} requests are waiting already: try again later."
            )
        self._jobs.remove(last)
        return last

    def add(self, job: Job, seconds: float = 0.0) -> None:
        """Take in a job that will occupy the engine for about ``seconds``; 0 if it was in before."""
        self._jobs.append(job)
        job.seconds = seconds
        if job.conversation:
            end = job.turn + seconds
            self._ends[job.conversation] = max(self._ends.get(job.conversation, 0.0), end)

    def remove(self, job: Job) -> None:
        """Take out a job that nobody waits for any more; what it did not use is not counted."""
        self._jobs.remove(job)
        if job.conversation and self._ends.get(job.conversation) == job.turn + job.seconds:
            self._ends[job.conversation] = job.turn

    def leave(self, job: Job) -> None:
        """Take out a job that the engine begins to work on."""
        claims = self._claims()
        self._jobs.remove(job)
        self._present = max(self._present, job.turn) + job.seconds / claims
        # Past turns say nothing any more.
        self._ends = {key: end for key, end in self._ends.items() if end > self._present}

    def rest(self) -> None:
        """The engine has nothing to do: nobody owes anybody anything."""
        self._ends.clear()

    def _claims(self) -> int:
        """How many conversations have jobs in the line."""
        conversations = {job.conversation for job in self._jobs if job.conversation}
        return len(conversations) + sum(not job.conversation for job in self._jobs)

    def _count(self, job: Job) -> int:
        if not job.conversation:
            return 0
        return sum(other.conversation == job.conversation for other in self._jobs)

    def _weight(self, job: Job) -> tuple[int, int]:
        return (job.priority, max(self._count(job), 1))
