from django.contrib.admin.apps import AdminConfig


class StaffAdminConfig(AdminConfig):
    """Django's admin with the desk's own site."""

    default_site = "supportdesk.staff.site.StaffSite"
