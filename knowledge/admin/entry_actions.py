"""What can be done with many entries at once."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from knowledge.admin.bulk_changes import bulk_change_told, may_see_bulk_changes
from knowledge.admin.downloads import download
from knowledge.admin.entry_forms import AudienceForm, OwnerForm, ValidityForm
from knowledge.models import BulkChange, Entry, Site
from knowledge.services.archive.writing import archive_stream
from knowledge.services.bulk_changes import bulk_change_create, bulk_change_run
from knowledge.services.transfer import entries_csv
from knowledge.tasks import bulk_changing

SHOWN: Final = 10
AT_ONCE: Final = 40
"""Entries that are changed while the browser waits: about a second."""

Kind = BulkChange.Kind


class EntryActions:
    """The actions of the list.

    A site whose changes are reviewed is left out for those who may not publish there.
    """

    admin_site: Any
    opts: Any

    def has_edit_many_permission(self, request: HttpRequest) -> bool:
        """Whether actions that change entries are offered at all."""
        return bool(request.user.has_perm("knowledge.change_entry"))

    @admin.action(description=_("Publish the selected entries"), permissions=["edit_many"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Entry]) -> HttpResponse | None:
        return self._changed(request, queryset, Kind.PUBLISH)

    @admin.action(
        description=_("Take the selected entries back to draft"), permissions=["edit_many"]
    )
    def unpublish(self, request: HttpRequest, queryset: QuerySet[Entry]) -> HttpResponse | None:
        return self._changed(request, queryset, Kind.UNPUBLISH)

    @admin.action(description=_("Set owner and date to look again"), permissions=["edit_many"])
    def owner_set(self, request: HttpRequest, queryset: QuerySet[Entry]) -> HttpResponse | None:
        return self._asked(request, queryset, OwnerForm, "owner_set", Kind.OWNER)

    @admin.action(description=_("Set when they are valid"), permissions=["edit_many"])
    def validity_set(self, request: HttpRequest, queryset: QuerySet[Entry]) -> HttpResponse | None:
        return self._asked(request, queryset, ValidityForm, "validity_set", Kind.VALIDITY)

    @admin.action(description=_("Set who may see them"), permissions=["edit_many"])
    def audience_set(self, request: HttpRequest, queryset: QuerySet[Entry]) -> HttpResponse | None:
        return self._asked(request, queryset, AudienceForm, "audience_set", Kind.AUDIENCE)

    @admin.action(description=_("Delete the selected entries"), permissions=["delete"])
    def delete_chosen(self, request: HttpRequest, queryset: QuerySet[Entry]) -> HttpResponse | None:
        return self._asked(request, queryset, forms.Form, "delete_chosen", Kind.DELETE)

    @admin.action(description=_("Export the selected entries (CSV)"), permissions=["export"])
    def export(self, request: HttpRequest, queryset: QuerySet[Entry]) -> StreamingHttpResponse:
        return download(
            request,
            entries_csv(queryset),
            file_name=f"entries-{timezone.localdate():%Y%m%d}.csv",
            content_type="text/csv; charset=utf-8",
        )

    @action(
        description=_("Export everything"),
        url_path="export-everything",
        permissions=["export"],
        icon="download",
    )
    def export_everything(self, request: HttpRequest) -> StreamingHttpResponse:
        """One ZIP with all that the sites know; no secrets."""
        return download(
            request,
            archive_stream(sites=list(Site.objects.order_by("pk"))),
            file_name=f"supportdesk-{timezone.localdate():%Y%m%d}.zip",
            content_type="application/zip",
        )

    @action(
        description=_("Changes of many entries"),
        url_path="bulk-changes",
        permissions=["see_bulk_changes"],
        icon="checklist",
    )
    def bulk_changes_open(self, request: HttpRequest) -> HttpResponse:
        """What was done with many entries, and what could not be."""
        return HttpResponseRedirect(reverse("admin:knowledge_bulkchange_changelist"))

    def has_see_bulk_changes_permission(self, request: HttpRequest) -> bool:
        return may_see_bulk_changes(request.user)

    def get_actions(self, request: HttpRequest) -> Any:
        """Django's own deletion would collect and delete thousands of rows in the request."""
        actions = super().get_actions(request)  # type: ignore[misc]
        actions.pop("delete_selected", None)
        return actions

    def _asked(
        self,
        request: HttpRequest,
        queryset: QuerySet[Entry],
        form_class: type[forms.Form],
        action: str,
        kind: Kind,
    ) -> HttpResponse | None:
        """Ask for the values, or for a confirmation, on a page of its own; then make the change."""
        form = form_class(request.POST if "apply" in request.POST else None)
        if "apply" in request.POST and form.is_valid():
            return self._changed(request, queryset, kind, form.cleaned_data)
        count = queryset.count()
        context = {
            **self.admin_site.each_context(request),
            "title": kind.label,
            "opts": self.opts,
            "form": form,
            "action": action,
            "kind": kind,
            "is_deletion": kind == Kind.DELETE,
            "entries": queryset[:SHOWN],
            "count": count,
            "rest": max(0, count - SHOWN),
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "checkbox": ACTION_CHECKBOX_NAME,
            "media": form.media,
        }
        return TemplateResponse(request, "admin/knowledge/entry/bulk.html", context)

    def _changed(
        self,
        request: HttpRequest,
        entries: QuerySet[Entry],
        kind: Kind,
        values: dict[str, Any] | None = None,
    ) -> HttpResponse | None:
        """Few entries are changed at once; many by the worker, while a page shows how far it is."""
        chosen = list(entries.values_list("pk", flat=True))
        change = bulk_change_create(kind=kind, entries=chosen, values=values, by=request.user)
        if len(chosen) > AT_ONCE:
            bulk_changing.enqueue(change.pk, get_language())
            address = reverse("admin:knowledge_bulkchange_change", args=[change.pk])
            return HttpResponseRedirect(address)
        bulk_change_told(request, bulk_change_run(change=change))
        return None
