"""What the engine works on at the moment."""

from __future__ import annotations

from dataclasses import dataclass, field

from inference.scheduler.jobs import Job, JobState

# A healthy engine may need this many times its estimated prefill before a stop takes effect.
_PREFILL_SLACK = 3.0
# Loading the model anew and reading a prefix take seconds; more than this is a hang.
_CHORE_SECONDS = 60.0


@dataclass(slots=True, eq=False)
class Batch:
    """What the engine works on; without jobs it is a chore."""

    jobs: list[Job]
    started: float
    prefill_estimate: float = 0.0
    first_step: float | None = None
    decode_estimate: float = 0.0
    interrupted: float | None = None
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

    def overdue_seconds(self, now: float) -> float:
        """How long the engine has failed to let go of what it should; 0 is healthy."""
        if not self.jobs:
            return max(0.0, now - self.started - _CHORE_SECONDS)
        asked = [job.stop_asked for job in self.staying if job.state is JobState.STOPPING]
        if self.interrupted is not None and self.staying:
            asked.append(self.interrupted)
        if not asked:
            return 0.0
        due = min(asked)
        if self.first_step is None:
            due = max(due, self.started + _PREFILL_SLACK * self.prefill_estimate)
        return max(0.0, now - due)
