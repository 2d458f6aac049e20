"""Sites: the shop's name, where the widget may run, and the line to copy."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from knowledge.models import Entry, Site

WIDGET_FILE = "widget/supportdesk.js"


@admin.register(Site)
class SiteAdmin(ModelAdmin):
    """One site is one shop."""

    list_display = ("name", "state", "language", "entry_count", "created_at")
    search_fields = ("name", "key", "allowed_origins")
    change_form_outer_before_template = "admin/knowledge/site/snippet.html"
    actions = None
    change_form_show_cancel_button = True
    warn_unsaved_form = True
    fieldsets = (
        (None, {"fields": ("name", "allowed_origins", "language", "region", "is_active")}),
        (_("Welcome text"), {"fields": ("welcome_zh", "welcome_en")}),
        (
            _("Customers who are logged in"),
            {
                "classes": ("collapse",),
                "fields": ("identity_secret", "identity_secret_previous"),
            },
        ),
    )
    add_fieldsets = (
        (None, {"fields": ("name", "allowed_origins", "language", "region")}),
        (_("Welcome text"), {"fields": ("welcome_zh", "welcome_en")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Site]:
        published = Q(entries__status=Entry.Status.PUBLISHED)
        return (
            super()
            .get_queryset(request)
            .annotate(published_count=Count("entries", filter=published))
        )

    @display(
        description=_("state"),
        label={"active": "success", "off": "", "demo": "warning"},
    )
    def state(self, site: Site) -> tuple[str, str]:
        if not site.is_active:
            return "off", str(_("Switched off"))
        if site.is_demo:
            return "demo", str(_("Demo"))
        return "active", str(_("Active"))

    @display(description=_("published entries"), ordering="published_count")
    def entry_count(self, site: Any) -> int:
        count: int = site.published_count
        return count

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        origin = request.build_absolute_uri("/").rstrip("/")
        context = {"widget_source": f"{origin}{static(WIDGET_FILE)}", **(extra_context or {})}
        response: HttpResponse = super().changeform_view(request, object_id, form_url, context)
        return response

    def save_model(
        self, request: HttpRequest, obj: Site, form: ModelForm[Site], change: bool
    ) -> None:
        from knowledge.services.sites import site_create, site_update

        if change:
            site_update(site=obj, **form.cleaned_data)
        else:
            obj.pk = site_create(**form.cleaned_data).pk

    def delete_model(self, request: HttpRequest, obj: Site) -> None:
        from knowledge.services.sites import site_delete

        site_delete(site=obj)
