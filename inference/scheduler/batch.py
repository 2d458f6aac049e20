"""What the engine works on at the moment."""

from __future__ import annotations

from dataclasses import dataclass, field

from inference.scheduler.jobs import Job, JobState

# A healthy engine may need this many times its estimated prefill before a stop takes effect.
_PREFILL_SLACK = 3.0
# On a machine where others take the cores, reading needs no more work but more time. As long as the
# process has not had the work that it should need, it gets so many seconds more.
_STARVED_SECONDS = 20.0
# Loading the model anew and reading a prefix take seconds; more than this is a hang.
_CHORE_SECONDS = 60.0


@dataclass(slots=True, eq=False)
class Batch:
    """What the engine works on; without jobs it is a chore.

    ``prefill_work`` and ``work_started`` are in seconds of the process's work on all its cores.
    ``turn_given`` says that it was interrupted because others should have a turn.
    """

    jobs: list[Job]
    started: float
    work_started: float = 0.0
    prefill_work: float = 0.0
    prefill_estimate: float = 0.0
    first_step: float | None = None
    decode_estimate: float = 0.0
    interrupted: float | None = None
    turn_given: bool = False
    left: set[Job] = field(default_factory=set)
    """Jobs that the engine is done with."""

    @property
    def generates(self) -> bool:
        return bool(self.jobs) and self.jobs[0].task is not None

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for any of it any more."""
        return all(job.state is JobState.STOPPING for job in self.staying)

    @property
    def staying(self) -> list[Job]:
        return [job for job in self.jobs if job not in self.left]

    def overdue_seconds(self, now: float, work: float) -> float:
        """How long the engine has failed to let go of what it should; 0 is healthy.

        ``work`` is what the process has worked so far.
        """
        if not self.jobs:
            return max(0.0, now - self.started - _CHORE_SECONDS)
        asked = [job.stop_asked for job in self.staying if job.state is JobState.STOPPING]
        if self.interrupted is not None and self.staying:
            asked.append(self.interrupted)
        if not asked:
            return 0.0
        due = min(asked)
        if self.first_step is None:
            patience = _PREFILL_SLACK * self.prefill_estimate
            if work - self.work_started < _PREFILL_SLACK * self.prefill_work:
                patience += _STARVED_SECONDS
            due = max(due, self.started + patience)
        return max(0.0, now - due)
