"""What can be done with many entries at once."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action

from knowledge.admin.downloads import download
from knowledge.admin.entry_forms import AudienceForm, OwnerForm, ValidityForm
from knowledge.models import Entry, Site
from knowledge.services.archive.writing import archive_stream
from knowledge.services.entries import entry_delete, entry_update
from knowledge.services.proposals import change_is_live
from knowledge.services.transfer import entries_csv

SHOWN: Final = 10


class EntryActions:
    """The actions of the list; each asks the services, entry by entry.

    A site whose changes are reviewed is left out for those who may not publish there.
    """

    admin_site: Any
    opts: Any

    def has_edit_many_permission(self, request: HttpRequest) -> bool:
        """Whether actions that change entries are offered at all."""
        return bool(request.user.has_perm("knowledge.change_entry"))

    @admin.action(description=_("Publish the selected entries"), permissions=["edit_many"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        chosen = queryset.exclude(status=Entry.Status.PUBLISHED)
        count = self._update(request, chosen, {"status": Entry.Status.PUBLISHED})
        self._told(
            request,
            ngettext("%(count)d entry was published.", "%(count)d entries were published.", count),
            count,
        )

    @admin.action(
        description=_("Take the selected entries back to draft"), permissions=["edit_many"]
    )
    def unpublish(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        chosen = queryset.exclude(status=Entry.Status.DRAFT)
        count = self._update(request, chosen, {"status": Entry.Status.DRAFT})
        self._told(
            request,
            ngettext(
                "%(count)d entry is a draft again.", "%(count)d entries are drafts again.", count
            ),
            count,
        )

    @admin.action(description=_("Set owner and date to look again"), permissions=["edit_many"])
    def owner_set(self, request: HttpRequest, queryset: QuerySet[Entry]) -> HttpResponse | None:
        return self._asked(request, queryset, OwnerForm, "owner_set", _("Owner"))

    @admin.action(
        description=_("Set from when until when they are valid"), permissions=["edit_many"]
    )
    def validity_set(self, request: HttpRequest, queryset: QuerySet[Entry]) -> HttpResponse | None:
        return self._asked(request, queryset, ValidityForm, "validity_set", _("Validity"))

    @admin.action(description=_("Set who may see them"), permissions=["edit_many"])
    def audience_set(self, request: HttpRequest, queryset: QuerySet[Entry]) -> HttpResponse | None:
        return self._asked(request, queryset, AudienceForm, "audience_set", _("Audience"))

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

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        """After Django's own page has asked for a confirmation."""
        for entry in _allowed(request, queryset):
            entry_delete(entry=entry, by=request.user)

    def _asked(
        self,
        request: HttpRequest,
        queryset: QuerySet[Entry],
        form_class: type[forms.Form],
        action: str,
        title: str | Promise,
    ) -> HttpResponse | None:
        """Ask for the values on a page of its own, then set them."""
        form = form_class(request.POST if "apply" in request.POST else None)
        if "apply" in request.POST and form.is_valid():
            count = self._update(request, queryset, form.cleaned_data)
            text = ngettext(
                "%(count)d entry was changed.", "%(count)d entries were changed.", count
            )
            self._told(request, text, count)
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "form": form,
            "action": action,
            "entries": queryset[:SHOWN],
            "count": queryset.count(),
            "rest": max(0, queryset.count() - SHOWN),
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "checkbox": ACTION_CHECKBOX_NAME,
            "media": form.media,
        }
        return TemplateResponse(request, "admin/knowledge/entry/bulk.html", context)

    def _update(self, request: HttpRequest, entries: QuerySet[Entry], values: Any) -> int:
        count = 0
        for entry in _allowed(request, entries):
            try:
                entry_update(entry=entry, by=request.user, **values)
            except ValidationError as error:
                messages.error(request, f"{entry}: {' '.join(error.messages)}")
            except Entry.DoesNotExist:
                continue  # deleted while the others were changed
            else:
                count += 1
        return count

    def _told(self, request: HttpRequest, text: str, count: int) -> None:
        messages.success(request, text % {"count": count})


def _allowed(request: HttpRequest, queryset: QuerySet[Entry]) -> list[Entry]:
    """Those that the person may change at once; says how many are left out."""
    entries = list(queryset.select_related("site"))
    allowed = [entry for entry in entries if change_is_live(user=request.user, site=entry.site)]
    if left := len(entries) - len(allowed):
        text = ngettext(
            "%(count)d entry was left out: changes of its site are reviewed.",
            "%(count)d entries were left out: changes of their site are reviewed.",
            left,
        )
        messages.warning(request, text % {"count": left})
    return allowed
