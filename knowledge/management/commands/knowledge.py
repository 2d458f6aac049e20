"""``manage.py knowledge import FILE`` and ``export FILE``."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from knowledge.models import Site
from knowledge.services.transfer import TransferError, knowledge_export, knowledge_import


class Command(BaseCommand):
    help = "Loads entries from a CSV or JSONL file, or writes them to one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("verb", choices=["import", "export"])
        parser.add_argument("file", type=Path)
        parser.add_argument("--site", help="The site's key; needed when there are several sites.")
        parser.add_argument("--dry-run", action="store_true", help="Tell what an import would do.")

    def handle(self, *args: Any, **options: Any) -> None:
        site = _site_find(options["site"])
        try:
            if options["verb"] == "export":
                count = knowledge_export(site=site, path=options["file"])
                self.stdout.write(f"Entries written: {count}.")
                return
            result = knowledge_import(path=options["file"], site=site, dry_run=options["dry_run"])
        except TransferError as error:
            raise CommandError(str(error)) from error
        for problem in result.problems:
            self.stderr.write(f"Line {problem.line}: {problem.sentence}")
        self.stdout.write(
            f"{'Would be: ' if options['dry_run'] else ''}{result.created} created, "
            f"{result.updated} updated, {result.unchanged} unchanged, "
            f"{len(result.problems)} refused."
        )
        if result.problems:
            raise SystemExit(1)


def _site_find(key: str | None) -> Site:
    sites = Site.objects.filter(key=key) if key else Site.objects.all()
    found = list(sites[:2])
    if len(found) == 1:
        return found[0]
    if key:
        raise CommandError(f"No site has the key {key!r}.")
    if not found:
        raise CommandError("There is no site yet; add one in the admin.")
    keys = ", ".join(f"{site.key} ({site.name})" for site in Site.objects.all())
    raise CommandError(f"Say which site with --site KEY: {keys}.")
