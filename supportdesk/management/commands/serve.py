"""``manage.py serve``: run the whole desk on this machine."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from supportdesk.process_tree import serve


class Command(BaseCommand):
    help = "Runs the web process, the engine and the encoder as one supervised tree."
    requires_system_checks = []  # the web process makes them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.HOST)
        parser.add_argument("--port", type=int, default=settings.PORT)

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(serve(host=options["host"], port=options["port"]))
