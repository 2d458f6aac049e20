from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class SupportdeskConfig(AppConfig):
    name = "supportdesk"
    verbose_name = _("Support desk")

    def ready(self) -> None:
        post_migrate.connect(_roles_after_migrate, dispatch_uid="supportdesk.roles")


def _roles_after_migrate(*, app_config: AppConfig, using: str, **kwargs: Any) -> None:
    """Once in a ``migrate``, when the tables of every app are there."""
    from supportdesk.staff.roles import roles_ensure

    if app_config.name == SupportdeskConfig.name:
        roles_ensure(using=using)
