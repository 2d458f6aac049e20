"""Addresses of the web process."""

from django.contrib import admin
from django.urls import include, path

from supportdesk import health
from supportdesk.start import start_page

urlpatterns = [
    path("", start_page, name="start"),
    path("widget/", include("conversations.urls")),
    path("v1/", include("supportdesk.v1")),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
]
