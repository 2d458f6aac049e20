"""``manage.py knowledge import|export FILE``: entries from and into files, or all of it as a ZIP."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from knowledge.models import Site
from knowledge.services.archive.restoring import ArchiveRefused, archive_restore
from knowledge.services.archive.writing import archive_stream
from knowledge.services.transfer import (
    ImportRefused,
    ImportReport,
    entries_export,
    entries_import,
)

ERRORS_SHOWN = 50


class Command(BaseCommand):
    help = (
        "Imports knowledge from a file of rows (.csv, .xlsx, .jsonl) or a document (.md, .html, .txt,"
        " .pdf, .docx), or exports the entries into a .csv or .jsonl file. A .zip file holds all sites"
        " with everything that they know, without secrets."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("import", help="Read entries; a known question is updated.")
        load.add_argument("--dry-run", action="store_true", help="Check the file, change nothing.")
        save = actions.add_parser("export", help="Write all entries of a site.")
        for action in (load, save):
            action.add_argument("file", type=Path)
            action.add_argument("--site", metavar="KEY", help="Not needed while there is one site.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["file"].suffix.lower() == ".zip":
            self._archive(options)
            return
        site = self._site(options["site"])
        try:
            if options["action"] == "export":
                count = entries_export(site=site, path=options["file"])
                self.stdout.write(f"{count} entries of {site} written to {options['file']}.")
                return
            dry_run = options["dry_run"]
            report = entries_import(site=site, path=options["file"], dry_run=dry_run)
        except ImportRefused as error:
            raise CommandError(str(error)) from error
        self._report(report, site, dry_run=dry_run)

    def _archive(self, options: dict[str, Any]) -> None:
        path = options["file"]
        if options["action"] == "export":
            sites = [self._site(options["site"])] if options["site"] else list(Site.objects.all())
            try:
                with path.open("wb") as file:
                    for piece in archive_stream(sites=sites):
                        file.write(piece)
            except OSError as error:
                raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
            self.stdout.write(f"Everything of {len(sites)} sites written to {path}.")
            return
        if options["dry_run"] or options["site"]:
            raise CommandError("--dry-run and --site are for files of entries.")
        try:
            report = archive_restore(path=path)
        except ArchiveRefused as error:
            raise CommandError(str(error)) from error
        for section, name, why in report.problems:
            self.stderr.write(f"{section}: {name}: {why}")
        made = ", ".join(f"{count} {name}" for name, count in report.made.items() if count)
        self.stdout.write(f"Brought in: {made or 'nothing new'}.")
        if report.problems:
            raise CommandError("Some of it was not brought in; see above.", returncode=1)

    def _report(self, report: ImportReport, site: Site, *, dry_run: bool) -> None:
        for error in report.errors[:ERRORS_SHOWN]:
            self.stderr.write(f"Line {error.line}: {error.message}")
        if len(report.errors) > ERRORS_SHOWN:
            self.stderr.write(f"... and {len(report.errors) - ERRORS_SHOWN} more lines.")
        counts = (
            f"{report.created} new, {report.updated} changed, {report.removed} withdrawn, "
            f"{report.unchanged} as before, "
            f"{len(report.errors)} with errors"
        )
        self.stdout.write(f"{site}: {counts}" + (" (dry run, nothing stored)." if dry_run else "."))
        if report.errors:
            raise CommandError("Some rows were not imported; see above.", returncode=1)

    def _site(self, key: str | None) -> Site:
        sites = list(Site.objects.filter(key=key) if key else Site.objects.all()[:2])
        if len(sites) == 1:
            return sites[0]
        if key:
            raise CommandError(f"There is no site with the key {key}.")
        if not sites:
            raise CommandError("There is no site yet; create one in the admin.")
        raise CommandError("There are several sites; say which with --site KEY.")
