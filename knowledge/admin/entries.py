"""Knowledge entries: a question, other ways to ask it, the answer."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from knowledge.admin.bulk_changes import bulk_changes_running_told
from knowledge.admin.entry_actions import EntryActions
from knowledge.admin.entry_filters import DueFilter, ValidityFilter
from knowledge.admin.entry_forms import EntryForm
from knowledge.admin.entry_history import EntryHistoryPages
from knowledge.admin.entry_search import EntrySearch
from knowledge.admin.site_choice import SiteChosen
from knowledge.markup import markdown_html
from knowledge.models import Entry, EntryProposal, Site
from knowledge.services.entries import entry_create, entry_delete, entry_update
from knowledge.services.proposals import (
    PROPOSE,
    change_is_live,
    change_is_possible,
    deletion_is_live,
    proposal_create,
)

ANSWER_LENGTH = 8000
# What a proposal holds; who owns an entry needs no review.
_CONTENT = (
    "question", "answer", "keywords", "language", "status", "phrasings", "audience",
    "valid_from", "valid_until",
)  # fmt: skip
_CARE = ("owner", "review_by")


@admin.register(Entry)
class EntryAdmin(SiteChosen, EntrySearch, EntryActions, EntryHistoryPages, ModelAdmin):
    """Saving goes through the services, which re-index: the next question sees the change.

    On a site whose changes are reviewed, what people without the permission to publish save
    becomes a proposal.
    """

    form = EntryForm
    list_display = (
        "question", "status_label", "language", "site", "phrasing_count", "owner_name", "updated_at",
    )  # fmt: skip
    list_filter = (
        "status", DueFilter, ValidityFilter, "language", "site", "audience",
        ("owner", admin.RelatedOnlyFieldListFilter), "is_demo",
    )  # fmt: skip
    list_filter_sheet = True
    list_select_related = ("site", "owner")
    list_per_page = 50
    search_fields = ("question", "answer", "keywords", "phrasings__text")
    search_help_text = _("Words of the question, the answer or the keywords")
    actions = (
        "publish", "unpublish", "owner_set", "validity_set", "audience_set", "export",
        "delete_chosen",
    )  # fmt: skip
    actions_list = ("bulk_changes_open", "export_everything")
    change_form_show_cancel_button = True
    change_form_outer_after_template = "admin/knowledge/entry/preview_panel.html"
    warn_unsaved_form = True
    fieldsets = (
        (None, {"fields": ("question", "phrasings", "answer", "keywords")}),
        (
            _("Where and when"),
            {"fields": ("site", "language", "status", "audience", "valid_from", "valid_until")},
        ),
        (_("Care"), {"fields": _CARE}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        return super().get_queryset(request).annotate(phrasings_number=Count("phrasings"))

    @display(
        description=_("status"),
        ordering="status",
        label={"published": "success", "draft": "warning", "later": "info", "over": "danger"},
    )
    def status_label(self, entry: Entry) -> tuple[str, str]:
        now = timezone.now()
        if entry.status == Entry.Status.PUBLISHED:
            if entry.valid_until is not None and entry.valid_until <= now:
                return "over", gettext("Expired")
            if entry.valid_from is not None and entry.valid_from > now:
                return "later", gettext("Not valid yet")
        return entry.status, entry.get_status_display()

    @display(description=_("phrasings"), ordering="phrasings_number")
    def phrasing_count(self, entry: Any) -> str:
        return str(entry.phrasings_number or "")

    @display(description=_("owner"), ordering="owner")
    def owner_name(self, entry: Entry) -> str:
        return str(entry.owner or "")

    def get_fieldsets(self, request: HttpRequest, obj: Entry | None = None) -> Any:
        """Who may only read gets the phrasings as text: the form's field needs the form."""
        if obj is None and not request.user.has_perm("knowledge.change_entry"):
            return self.fieldsets[:2]  # who proposes an entry does not say who cares for it
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        (title, options), *others = self.fieldsets
        fields = tuple(
            "phrasing_lines" if name == "phrasings" else name for name in options["fields"]
        )
        return (title, {**options, "fields": fields}), *others

    @display(description=_("Other phrasings"))
    def phrasing_lines(self, entry: Entry) -> str:
        return "\n".join(phrasing.text for phrasing in entry.phrasings.all()) or "–"

    def get_readonly_fields(self, request: HttpRequest, obj: Entry | None = None) -> Any:
        if request.user.has_perm("knowledge.change_entry"):
            return ("phrasing_lines",)
        return ("phrasing_lines", *_CARE)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What is proposed is read by somebody before it is published; so it may be published."""
        initial = super().get_changeform_initial_data(request)
        if request.user.has_perm("knowledge.change_entry"):
            return initial
        first = Site.objects.filter(review_is_required=True).order_by("is_demo", "pk").first()
        site = {"site": first.pk} if first is not None else {}
        return {**initial, **site, "status": Entry.Status.PUBLISHED}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Says before anything is written that it will be reviewed, and what waits already."""
        entry: Entry | None = kwargs.get("obj")
        sites = [entry.site] if entry is not None else list(Site.objects.all())
        may_change = entry is None or self.has_change_permission(request, entry)
        context["is_proposed"] = may_change and not any(
            change_is_live(user=request.user, site=site) for site in sites
        )
        if entry is not None:
            context["waiting"] = EntryProposal.objects.filter(
                entry_id=entry.pk, number__isnull=True, state=EntryProposal.State.PROPOSED
            ).select_related("by")
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) or (
            request.user.has_perm(PROPOSE) and Site.objects.filter(review_is_required=True).exists()
        )

    def has_change_permission(self, request: HttpRequest, obj: Entry | None = None) -> bool:
        """Also for those whose change would wait for an approval."""
        if super().has_change_permission(request, obj):
            return True
        return obj is not None and change_is_possible(user=request.user, site=obj.site)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("knowledge.export_entry"))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Sites where the person may change something; people who can log in as owners."""
        if db_field.name == "site" and not request.user.has_perm("knowledge.change_entry"):
            kwargs["queryset"] = Site.objects.filter(review_is_required=True)
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "owner" and field is not None:
            field.queryset = field.queryset.filter(is_staff=True, is_active=True)
        return field

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Owners and audiences are kept on pages of their own."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name in ("owner", "audience") and field is not None:
            for name in ("add", "change", "delete", "view"):
                setattr(field.widget, f"can_{name}_related", False)
        return field

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Says which changes of many entries are still being made: the list is about to change."""
        if request.method == "GET":
            bulk_changes_running_told(request)
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    def get_urls(self) -> list[URLPattern]:
        preview = self.admin_site.admin_view(self.preview_view)
        return [
            path("preview/", preview, name="knowledge_entry_preview"),
            *self.history_urls(),
            *super().get_urls(),
        ]

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """The answer as customers will see it, made from what stands in the form."""
        text = request.POST.get("answer", "")[:ANSWER_LENGTH]
        return TemplateResponse(
            request, "admin/knowledge/entry/preview.html", {"html": markdown_html(text)}
        )

    def save_model(
        self, request: HttpRequest, obj: Entry, form: ModelForm[Entry], change: bool
    ) -> None:
        data = form.cleaned_data
        values = {name: data[name] for name in _CONTENT}
        stored = Entry.objects.select_related("site").get(pk=obj.pk) if change else None
        sites = [data["site"], *([stored.site] if stored is not None else [])]
        if not all(change_is_live(user=request.user, site=site) for site in sites):
            obj.proposal = proposal_create(  # type: ignore[attr-defined]
                site=data["site"], values=values, entry=stored, by=request.user
            )
            return
        values |= {name: data[name] for name in _CARE}
        if stored is not None:
            entry_update(entry=obj, site=data["site"], by=request.user, **values)
        else:
            obj.pk = entry_create(site=data["site"], by=request.user, **values).pk

    def log_addition(self, request: HttpRequest, obj: Entry, message: Any) -> Any:
        return None if _is_proposed(obj) else super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Entry, message: Any) -> Any:
        return None if _is_proposed(obj) else super().log_change(request, obj, message)

    def response_add(
        self, request: HttpRequest, obj: Entry, post_url_continue: str | None = None
    ) -> HttpResponse:
        if _is_proposed(obj):
            return self._proposed(request, obj)
        response: HttpResponse = super().response_add(request, obj, post_url_continue)
        return response

    def response_change(self, request: HttpRequest, obj: Entry) -> HttpResponse:
        if _is_proposed(obj):
            return self._proposed(request, obj)
        response: HttpResponse = super().response_change(request, obj)
        return response

    def _proposed(self, request: HttpRequest, obj: Any) -> HttpResponse:
        if obj.proposal is None:
            messages.info(request, gettext("Nothing changed."))
            return HttpResponseRedirect(reverse("admin:knowledge_entry_changelist"))
        messages.success(
            request,
            gettext("Your change waits for an approval. Customers see the text as it was."),
        )
        return HttpResponseRedirect(
            reverse("admin:knowledge_entryproposal_change", args=[obj.proposal.pk])
        )

    def delete_model(self, request: HttpRequest, obj: Entry) -> None:
        entry_delete(entry=obj, by=request.user)

    def has_delete_permission(self, request: HttpRequest, obj: Entry | None = None) -> bool:
        """Of an entry whose site's changes are reviewed, only for those who may publish there."""
        if not super().has_delete_permission(request, obj):
            return False
        return obj is None or deletion_is_live(user=request.user, site=obj.site)


def _is_proposed(obj: Entry) -> bool:
    return hasattr(obj, "proposal")
