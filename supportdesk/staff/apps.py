from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.apps import AuthConfig
from django.utils.translation import gettext_lazy as _


class StaffAdminConfig(AdminConfig):
    """Django's admin with the desk's own site."""

    default_site = "supportdesk.staff.site.StaffSite"


class StaffAuthConfig(AuthConfig):
    """Django's accounts under the name of their group in the sidebar."""

    verbose_name = _("Desk")
