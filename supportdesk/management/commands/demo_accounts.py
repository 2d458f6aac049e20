"""``manage.py demo_accounts``: one account for each role, with passwords that are shown once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from supportdesk.sentences import gettext as _
from supportdesk.staff.accounts import demo_accounts_ensure


class Command(BaseCommand):
    help = (
        "Creates the accounts admin, manager and operator while there is no staff account, and "
        "prints their passwords once. --reset gives all three new passwords."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--reset", action="store_true", help="give all three accounts new passwords"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        issued = demo_accounts_ensure(reset=options["reset"])
        if not issued:
            self.stdout.write(
                _(
                    "Staff accounts exist; their passwords are not stored and cannot be shown. "
                    "New ones for admin, manager and operator: manage.py demo_accounts --reset"
                )
            )
            return
        self.stdout.write(
            _("Staff accounts. The passwords are shown this once and are not stored;")
        )
        self.stdout.write(_("each must be changed at the first login."))
        for account in issued:
            self.stdout.write(f"  {account.username:<10} {account.password}")
