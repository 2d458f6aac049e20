"""Addresses of the web process."""

from django.contrib import admin
from django.urls import include, path

from supportdesk.start import start_page

urlpatterns = [
    path("", start_page, name="start"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
]
