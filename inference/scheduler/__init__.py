"""Decides what the engine works on, and refuses requests that would come too late.

``front`` is what the server talks to and ``runner`` keeps the engine busy; ``policy`` decides which
requests share a batch, ``line`` who is next, and ``speed`` knows how long things take.
"""

from inference.scheduler.front import Scheduler as Scheduler
from inference.scheduler.front import SchedulerStatus as SchedulerStatus
from inference.scheduler.jobs import Job as Job
from inference.scheduler.jobs import JobState as JobState
from inference.scheduler.policy import BatchLimits as BatchLimits
from inference.scheduler.speed import EngineSpeed as EngineSpeed
