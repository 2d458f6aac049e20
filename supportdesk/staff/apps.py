from django.apps import apps
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _


class StaffAdminConfig(AdminConfig):
    """Django's admin with the desk's own site."""

    default_site = "supportdesk.staff.site.StaffSite"

    def ready(self) -> None:
        super().ready()
        # Accounts go by the name of their group in the sidebar. A config of our own for the app
        # would hide its user model from the type checker.
        setattr(apps.get_app_config("auth"), "verbose_name", _("Desk"))  # noqa: B010
