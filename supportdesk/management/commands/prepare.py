"""``manage.py prepare``: weights, database, default prompts and rules, and on first use a demo."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from inference.errors import WeightsError
from inference.weights.store import model_ensure
from knowledge.models import Site
from knowledge.services.demo import defaults_ensure, demo_load
from supportdesk.sentences import error_text, line_text


class Command(BaseCommand):
    help = "Brings weights, database and default content to what this version needs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--only-weights", action="store_true", help="Leave the database as it is."
        )
        parser.add_argument("--no-demo", action="store_true", help="No demo shop, no demo people.")

    def handle(self, *args: Any, only_weights: bool, no_demo: bool, **options: Any) -> None:
        self._weights_prepare()
        if not only_weights:
            call_command("migrate", interactive=False, verbosity=0)
            defaults_ensure()
            # Nobody and nothing yet: a first start. The demo that an admin removed stays away.
            if not no_demo and not _in_use():
                demo_load()
                call_command("demo_accounts", stdout=self.stdout)

    def _weights_prepare(self) -> None:
        for name in (settings.EMBEDDING_MODEL, settings.MODEL):
            try:
                model_ensure(name, settings.CACHE_DIR, progress=self._progress)
            except WeightsError as error:
                raise CommandError(error_text(error)) from error

    def _progress(self, line: str) -> None:
        self.stdout.write(line_text(line))
        self.stdout.flush()


def _in_use() -> bool:
    return Site.objects.exists() or get_user_model().objects.exists()
