"""``manage.py reindex``: computes what the search index lacks; safe while the desk runs."""

from __future__ import annotations

import asyncio
import os
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from conversations.engine_lease import addresses_running
from inference.chat import EmbeddingClient
from inference.client import OpenAIEmbeddingClient
from inference.errors import EngineError, WeightsError
from knowledge.models import Site
from knowledge.services.indexing import ReindexReport, site_reindex

_BAR = 30
_SECONDS_BETWEEN_LINES = 5.0


class Command(BaseCommand):
    help = (
        "Computes the vectors that published entries lack and has every process build its index"
        " anew. Uses the encoder of a running desk, or loads one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--site", metavar="KEY", help="Only this site; else all.")
        parser.add_argument(
            "--again", action="store_true",
            help="Compute every vector anew, for example after stored ones were damaged. A running"
            " desk uses them after its next start.",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        sites = Site.objects.order_by("pk")
        if options["site"]:
            sites = sites.filter(key=options["site"])
            if not sites.exists():
                raise CommandError(f"There is no site with the key {options['site']}.")
        try:
            asyncio.run(self._all(list(sites), again=options["again"]))
        except (EngineError, WeightsError) as error:
            raise CommandError(str(error)) from error

    async def _all(self, sites: list[Site], *, again: bool) -> None:
        encoder = await _encoder_open()
        try:
            for site in sites:
                bar = _Bar(self, str(site))
                report = await site_reindex(
                    site=site,
                    encoder=encoder,
                    model=settings.EMBEDDING_MODEL,
                    again=again,
                    tell=bar,
                )
                bar.finish(report)
        finally:
            await encoder.aclose()


class _Bar:
    """A bar on a terminal, a line now and then in a file."""

    def __init__(self, command: BaseCommand, name: str) -> None:
        self._out = command.stdout
        self._name = name
        self._is_terminal = self._out.isatty()
        self._began = self._told = time.monotonic()
        self._first: int | None = None

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = done
        if not self._is_terminal and (now - self._told < _SECONDS_BETWEEN_LINES or done == total):
            return
        self._told = now
        self._out.write(self._line(done, total, now), ending="\r" if self._is_terminal else "\n")
        self._out.flush()

    def _line(self, done: int, total: int, now: float) -> str:
        filled = _BAR * done // total if total else _BAR
        line = f"{self._name}: [{'#' * filled}{'.' * (_BAR - filled)}] {done} of {total} texts"
        made = done - (self._first or 0)
        if made and done < total:
            rate = made / max(now - self._began, 1e-9)
            line += f", {rate:.0f}/s, {(total - done) / rate:.0f} s left"
        return f"{line:<78}"

    def finish(self, report: ReindexReport) -> None:
        """Tell what was done."""
        seconds = time.monotonic() - self._began
        text = f"{self._name}: {report.texts} texts, {report.computed} computed, {seconds:.0f} s."
        self._out.write(f"{text:<78}")


async def _encoder_open() -> EmbeddingClient:
    """The encoder of the settings, that of a running desk, or one in this process.

    Raises:
        WeightsError: it cannot be had or is damaged.
    """
    if settings.ENCODER_URL:
        return _client(settings.ENCODER_URL, settings.ENGINE_API_KEY)
    running = await addresses_running()
    if running is not None and running.encoder_url:
        return _client(running.encoder_url, running.api_key)
    from inference.engines.encoder import EncoderEngine
    from inference.weights.store import model_ensure, model_verify
    from supportdesk.evaluation.engines import LocalEncoder

    path = model_ensure(settings.EMBEDDING_MODEL, settings.CACHE_DIR, print)
    return LocalEncoder(EncoderEngine.load(path, model_verify(path), threads=os.cpu_count() or 1))


def _client(url: str, key: str) -> EmbeddingClient:
    return OpenAIEmbeddingClient(url, settings.EMBEDDING_MODEL, key)
