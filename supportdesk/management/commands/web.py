"""``manage.py web``: the web process of the tree."""

from __future__ import annotations

import os
from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext_lazy as _


class Command(BaseCommand):
    help = str(_("Serve pages, the API and sockets, and run the turns (one process)."))

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.HOST)
        parser.add_argument("--port", type=int, default=settings.PORT, help="0: any free port")

    def handle(self, *args: object, host: str, port: int, **options: object) -> None:
        from conversations.desk import desk_current
        from supportdesk.asgi import application
        from supportdesk.web.server import WebServer

        server = WebServer(
            application, host=host, port=port, desk=desk_current(), listening=self._listening
        )
        server.run()
        if server.failure:
            raise CommandError(server.failure)

    def _listening(self, host: str, port: int) -> None:
        shown = f"[{host}]" if ":" in host else host
        self.stdout.write(f"Listening on http://{shown}:{port} (pid {os.getpid()})")
        self.stdout.flush()
