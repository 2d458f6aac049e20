"""``manage.py model list | pull | convert | verify | tune | use``: the weights on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from inference.errors import WeightsError
from inference.weights.catalog import ModelCard, catalog_load
from inference.weights.inventory import InventoryEntry, inventory
from inference.weights.memory import memory_check
from inference.weights.progress import size_text
from inference.weights.store import (
    model_convert,
    model_ensure,
    model_find,
    model_remove,
    model_verify,
)
from supportdesk.control import ControlRefused, control_ask
from supportdesk.process_tree import MODEL_USE, STATE_FILE
from supportdesk.sentences import error_text, line_text
from supportdesk.sentences import gettext as _

# Loading, and the longest answer of the model before.
_SWITCH_SECONDS = 300.0
_COLUMNS = "{:1} {:30} {:10} {:>6} {:>8} {:>8} {:>8}  {:24} {:16} {:18} {}"


class Command(BaseCommand):
    help = _("Lists, downloads, converts, checks, measures and switches models.")
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
        convert.add_argument(
            "--quantization",
            choices=["int8", "float32"],
            default="int8",
            help=_("float32 is to tell what int8 costs, not to serve"),
        )
        verify = commands.add_parser("verify", help=_("check every byte of a model"))
        verify.add_argument("name", help=_("name or path"))
        tune = commands.add_parser("tune", help=_("measure a model on this machine"))
        tune.add_argument("name", help=_("name or path"))
        use = commands.add_parser("use", help=_("have the running desk answer with another model"))
        use.add_argument("name", help=_("name or path"))

    def handle(self, *args: Any, **options: Any) -> None:
        actions = {
            "list": self._list,
            "pull": self._pull,
            "convert": self._convert,
            "verify": self._verify,
            "tune": self._tune,
            "use": self._use,
        }
        try:
            actions[options["action"]](options)
        except WeightsError as error:
            raise CommandError(error_text(error)) from error
        except ControlRefused as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        heads = (_("name"), _("kind"), _("size"), _("on disk"), _("memory"), _("context"))
        more = (_("licence"), _("features"), _("read + write"))
        self.stdout.write(_COLUMNS.format(" ", *heads, *more, "").rstrip())
        for entry in inventory(settings.CACHE_DIR):
            self.stdout.write(_COLUMNS.format(*_cells(entry)))
            if entry.problem:
                self.stdout.write(self.style.WARNING(f"  {entry.problem}"))
        self.stdout.write(
            _(
                "Memory is what the model's process needs; the context is in tokens; how fast a"
                " prompt is read and an answer written was measured by “model tune”. An asterisk"
                " marks what the settings name."
            )
        )

    def _pull(self, options: dict[str, Any]) -> None:
        card = catalog_load().card(options["name"])
        self._licence_tell(card)
        if options["again"]:
            model_remove(card.name, settings.CACHE_DIR)
        self.stdout.write(str(model_ensure(card.name, settings.CACHE_DIR, self._progress)))

    def _progress(self, line: str) -> None:
        self.stdout.write(line_text(line))

    def _convert(self, options: dict[str, Any]) -> None:
        path = model_convert(
            options["path"],
            settings.CACHE_DIR,
            self._progress,
            name=options["name"],
            quantization=options["quantization"],
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

    def _tune(self, options: dict[str, Any]) -> None:
        # Imported here: the other actions need no engine.
        from inference.engines.measurement import engine_measure
        from inference.engines.tuning import TUNING, tuning_save

        path = model_find(options["name"], settings.CACHE_DIR)
        manifest = model_verify(path, quick=True)
        if manifest.kind != "chat":
            raise CommandError(_("%(name)s is no chat model.") % {"name": manifest.name})
        if _running_state() is not None:
            self.stdout.write(
                self.style.WARNING(
                    _("A desk is running: it shares the cores, so the figures will be too low.")
                )
            )
        memory_check(path)
        tuning = engine_measure(path, tell=self.stdout.write, stored=manifest.quantization)
        tuning_save(path, tuning)
        self.stdout.write(
            _(
                "%(workers)d × %(threads)d threads, up to %(batch)d answers at a time: written to"
                " %(file)s."
            )
            % {
                "workers": tuning.inter_threads,
                "threads": tuning.intra_threads,
                "batch": tuning.batch_most,
                "file": path / TUNING,
            }
        )
        self.stdout.write(_("An engine reads it when it starts."))

    def _use(self, options: dict[str, Any]) -> None:
        path = model_find(options["name"], settings.CACHE_DIR)
        manifest = model_verify(path, quick=True)
        state = _running_state()
        if state is None:
            raise CommandError(
                _("No desk is running here. To start one with this model, set %(setting)s.")
                % {"setting": f"SUPPORTDESK_MODEL={manifest.name}"}
            )
        lines = control_ask(
            state["control_port"],
            state["api_key"],
            seconds=_SWITCH_SECONDS,
            command=MODEL_USE,
            path=str(path),
        )
        for line in lines:
            self.stdout.write(line)
        self.stdout.write(
            _("To keep it after the next start, set %(setting)s.")
            % {"setting": f"SUPPORTDESK_MODEL={options['name']}"}
        )

    def _licence_tell(self, card: ModelCard) -> None:
        line = _("Licence: %(licence)s.") % {"licence": card.licence}
        if card.licence_note:
            self.stdout.write(self.style.WARNING(f"{line} {card.licence_note}"))
        else:
            self.stdout.write(line)


def _cells(entry: InventoryEntry) -> tuple[str, ...]:
    """One row of the list."""
    card, manifest, tuning = entry.card, entry.manifest, entry.tuning
    context = card.context_length if card else manifest.context_length if manifest else 0
    speed = "-"
    if tuning is not None:
        reading, writing = tuning.prefill_tokens_per_second, tuning.decode_tokens_per_second
        speed = f"{reading:.0f} + {writing:.0f} tok/s"
    return (
        "*" if entry.name in (settings.MODEL, settings.EMBEDDING_MODEL) else " ",
        entry.name,
        entry.kind,
        f"{card.parameters}M" if card else "-",
        size_text(entry.size),
        size_text(entry.memory),
        str(context),
        card.licence if card else "-",
        ", ".join(card.features) if card and card.features else "-",
        speed,
        _("here") if manifest else _("not here"),
    )


def _running_state() -> dict[str, Any] | None:
    """What the running desk has told about itself, if there is one."""
    try:
        state = json.loads((settings.DATA_DIR / STATE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) and "control_port" in state else None
