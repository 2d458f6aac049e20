"""What the worker does for trials; it may run again after it was broken off."""

from __future__ import annotations

from django.utils.translation import override
from django_tasks import task

from conversations.trials.running import trial_slice_run


@task()
def trial_running(trial_id: int, language: str) -> None:
    """Ask the questions of a trial for a while, then stand in line again behind other work.

    What is told on the page is told in ``language``.
    """
    with override(language):
        goes_on = trial_slice_run(trial_id=trial_id)
    if goes_on:
        trial_running.enqueue(trial_id, language)
