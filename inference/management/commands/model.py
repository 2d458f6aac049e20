"""``manage.py model list | pull | convert | verify``: the weights on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from inference.errors import WeightsError
from inference.weights.catalog import ModelCard, catalog_load
from inference.weights.store import (
    model_convert,
    model_dir,
    model_ensure,
    model_find,
    model_remove,
    model_verify,
)


class Command(BaseCommand):
    help = _("Lists, downloads, converts and checks models.")
    requires_system_checks: list[str] = []  # weights do not depend on the rest of the project

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="action", required=True)
        commands.add_parser("list", help=_("the catalog, and what is here"))
        pull = commands.add_parser("pull", help=_("download and convert a model of the catalog"))
        pull.add_argument("name")
        pull.add_argument("--again", action="store_true", help=_("even if it is here"))
        convert = commands.add_parser("convert", help=_("convert a GGUF file or a directory"))
        convert.add_argument("path", type=Path)
        convert.add_argument("--name", help=_("how to call the model"))
        verify = commands.add_parser("verify", help=_("check every byte of a model"))
        verify.add_argument("name", help=_("name or path"))

    def handle(self, *args: Any, **options: Any) -> None:
        actions = {
            "list": self._list,
            "pull": self._pull,
            "convert": self._convert,
            "verify": self._verify,
        }
        try:
            actions[options["action"]](options)
        except WeightsError as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        for card in catalog_load().values():
            here = model_dir(card.name, settings.CACHE_DIR).exists()
            state = _("here") if here else _("not here")
            features = ", ".join(card.features) or "-"
            self.stdout.write(
                f"{card.name:30} {card.kind:10} {card.parameters:>5}M  {card.context_length:>7}  "
                f"{card.licence:24} {features:16} {state}"
            )

    def _pull(self, options: dict[str, Any]) -> None:
        card = catalog_load().card(options["name"])
        self._licence_tell(card)
        if options["again"]:
            model_remove(card.name, settings.CACHE_DIR)
        self.stdout.write(str(model_ensure(card.name, settings.CACHE_DIR, self.stdout.write)))

    def _convert(self, options: dict[str, Any]) -> None:
        path = model_convert(
            options["path"], settings.CACHE_DIR, self.stdout.write, name=options["name"]
        )
        self.stdout.write(str(path))

    def _verify(self, options: dict[str, Any]) -> None:
        path = model_find(options["name"], settings.CACHE_DIR)
        manifest = model_verify(path)
        self.stdout.write(
            _("%(name)s is as it was converted: %(count)d files, model hash %(hash)s.")
            % {
                "name": manifest.name,
                "count": len(manifest.files),
                "hash": manifest.model_hash,
            }
        )

    def _licence_tell(self, card: ModelCard) -> None:
        line = _("Licence: %(licence)s.") % {"licence": card.licence}
        if card.licence_note:
            self.stdout.write(self.style.WARNING(f"{line} {card.licence_note}"))
        else:
            self.stdout.write(line)
