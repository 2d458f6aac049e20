"""Changes of many entries: how far the worker is, and what could not be changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from unfold.admin import ModelAdmin
from unfold.decorators import display

from knowledge.models import BulkChange
from knowledge.notices import notice_words

Kind = BulkChange.Kind
State = BulkChange.State


@admin.register(BulkChange)
class BulkChangeAdmin(ModelAdmin):
    """Made by the actions of the list of entries; here they are only looked at."""

    list_display = ("kind", "state_label", "changed", "created_by", "created_at")
    list_filter = ("kind", "state")
    list_filter_sheet = True
    list_select_related = ("created_by",)
    actions = None

    @display(
        description=BulkChange._meta.get_field("state").verbose_name,
        ordering="state",
        label={"waiting": "info", "running": "info", "done": "success"},
    )
    def state_label(self, change: BulkChange) -> tuple[str, str]:
        return change.state, change.get_state_display()

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Also for those who may begin one."""
        return super().has_view_permission(request, obj) or request.user.has_perm(
            "knowledge.change_entry"
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        progress = self.admin_site.admin_view(self.progress_view)
        name = "knowledge_bulkchange_progress"
        return [path("<int:change_id>/progress/", progress, name=name), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """How far it is, or what came of it."""
        change = self._change(request, object_id)
        refused = [(key, question, notice_words(why)) for key, question, why in change.refused]
        context = {
            **self.admin_site.each_context(request),
            "title": str(change),
            "opts": self.opts,
            "original": change,
            "change": change,
            "sentences": list(_sentences(change)),
            "refused": refused,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/knowledge/bulkchange/change_form.html", context)

    def progress_view(self, request: HttpRequest, change_id: int) -> HttpResponse:
        """A bar; the page loads itself anew when the state has changed."""
        change = self._change(request, str(change_id))
        response = TemplateResponse(
            request,
            "admin/knowledge/bulkchange/progress.html",
            {"change": change, "total": len(change.entry_ids)},
        )
        if change.state != request.GET.get("state", ""):
            response["HX-Refresh"] = "true"
        return response

    def _change(self, request: HttpRequest, object_id: str) -> BulkChange:
        change = self.get_object(request, object_id)
        if change is None:
            raise Http404
        if not self.has_view_permission(request, change):
            raise PermissionDenied
        found: BulkChange = change
        return found


def bulk_change_told(request: HttpRequest, change: BulkChange) -> None:
    """Say on the next page what came of a change."""
    done, *left = _sentences(change)
    messages.success(request, done)
    for sentence in left:
        messages.warning(request, sentence)
    for _key, question, why in change.refused:
        messages.error(request, f"{question}: {notice_words(why)}")


def bulk_changes_running_told(request: HttpRequest) -> None:
    """Say on this page which changes are still being made."""
    for change in BulkChange.objects.exclude(state=State.DONE).order_by("pk"):
        address = reverse("admin:knowledge_bulkchange_change", args=[change.pk])
        counts = {"done": change.done, "total": len(change.entry_ids)}
        text = gettext("%(done)d of %(total)d entries") % counts
        messages.info(request, format_html('<a href="{}">{}</a>: {}', address, change, text))


def _sentences(change: BulkChange) -> Iterator[str]:
    """How many entries were changed, then how many were not, and why; the refused are named apart."""
    yield _done_sentence(change.kind, change.changed) % {"count": change.changed}
    if change.reviewed:
        text = ngettext(
            "%(count)d entry was left out: changes of its site are reviewed.",
            "%(count)d entries were left out: changes of their site are reviewed.",
            change.reviewed,
        )
        yield text % {"count": change.reviewed}
    unnamed = change.done - change.changed - change.reviewed - len(change.refused)
    if unnamed:
        text = ngettext(
            "%(count)d more entry was not changed, or was deleted meanwhile.",
            "%(count)d more entries were not changed, or were deleted meanwhile.",
            unnamed,
        )
        yield text % {"count": unnamed}


def _done_sentence(kind: str, count: int) -> str:
    match kind:
        case Kind.PUBLISH:
            return ngettext(
                "%(count)d entry was published.", "%(count)d entries were published.", count
            )
        case Kind.UNPUBLISH:
            return ngettext(
                "%(count)d entry is a draft again.", "%(count)d entries are drafts again.", count
            )
        case Kind.DELETE:
            return ngettext(
                "%(count)d entry was deleted.", "%(count)d entries were deleted.", count
            )
        case _:
            return ngettext(
                "%(count)d entry was changed.", "%(count)d entries were changed.", count
            )
