"""Sites: the shop's name, where the widget may run, and the line to copy."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from knowledge.models import Entry, Site
from knowledge.services.sites import origin_clean, site_create, site_delete, site_update

WIDGET_FILE = "widget/supportdesk.js"


class SiteForm(ModelForm):
    """Refuses an address that no browser would ever send as its origin."""

    class Meta:
        model = Site
        fields = (
            "name",
            "allowed_origins",
            "language",
            "region",
            "welcome_zh",
            "welcome_en",
            "identity_secret",
            "identity_secret_previous",
            "review_is_required",
            "trial_is_required",
            "trial_margin",
            "is_active",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "allowed_origins" in self.fields:
            self.fields["allowed_origins"].widget = UnfoldAdminTextareaWidget(attrs={"rows": 3})

    def clean_allowed_origins(self) -> str:
        """Each line as an origin."""
        lines = (line.strip() for line in self.cleaned_data["allowed_origins"].splitlines())
        try:
            return "\n".join(origin_clean(line=line) for line in lines if line)
        except ValidationError as error:
            raise ValidationError(error.messages) from error


@admin.register(Site)
class SiteAdmin(ModelAdmin):
    """One site is one shop."""

    form = SiteForm
    list_display = ("name", "state", "language", "entry_count", "created_at")
    search_fields = ("name", "key", "allowed_origins")
    change_form_outer_before_template = "admin/knowledge/site/snippet.html"
    actions = None
    change_form_show_cancel_button = True
    warn_unsaved_form = True
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "name",
                    "allowed_origins",
                    "language",
                    "region",
                    "review_is_required",
                    "is_active",
                )
            },
        ),
        (_("Welcome text"), {"fields": ("welcome_zh", "welcome_en")}),
        (
            _("Customers who are logged in"),
            {
                "classes": ("collapse",),
                "fields": ("identity_secret", "identity_secret_previous"),
            },
        ),
        (
            _("Before a prompt is published"),
            {"classes": ("collapse",), "fields": ("trial_is_required", "trial_margin")},
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
        if change:
            site_update(site=obj, **form.cleaned_data)
        else:
            obj.pk = site_create(**form.cleaned_data).pk

    def delete_model(self, request: HttpRequest, obj: Site) -> None:
        site_delete(site=obj)
