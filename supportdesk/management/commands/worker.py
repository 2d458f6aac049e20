"""``manage.py worker``: does the background work (imports, measurements, fits)."""

from __future__ import annotations

import logging
from argparse import ArgumentParser

from django.core.management.base import BaseCommand
from django_tasks_db.management.commands.db_worker import Worker

from knowledge.tasks import reminders_schedule
from supportdesk.background import tasks_requeue, worker_id_make

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Does the background work that lies in the database, one task after the other."
    requires_system_checks = []  # the web process makes them, and they load every page

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--interval", type=float, default=1.0, metavar="S",
            help="Seconds between two looks for work while there is none.",
        )  # fmt: skip
        parser.add_argument(
            "--once", action="store_true", help="Stop when no work is left instead of waiting."
        )

    def handle(self, *, interval: float, once: bool, **options: object) -> None:
        if count := tasks_requeue():
            logger.warning("%d tasks of a worker that died are run again.", count)
        reminders_schedule()
        worker = Worker(
            queue_names=["*"],
            interval=interval,
            batch=once,
            backend_name="default",
            startup_delay=False,
            max_tasks=None,
            worker_id=worker_id_make(),
            excluded_queue_names=[],
        )
        worker.configure_signals()
        worker.run()
