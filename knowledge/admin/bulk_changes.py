"""Changes of many entries: how far the worker is, and what could not be changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from knowledge.admin.records import ReadOnlyAdmin, record_get
from knowledge.models import BulkChange
from knowledge.notices import notice_words
from knowledge.services.proposals import CHANGE, DELETE

Kind = BulkChange.Kind
State = BulkChange.State

NAMED_AT_ONCE: Final = 3
"""So many refused entries are named in the messages of the list."""


@admin.register(BulkChange)
class BulkChangeAdmin(ReadOnlyAdmin):
    """Made by the actions of the list of entries; here they are only looked at."""

    list_display = (
        "kind", "state_label", "changed", "unchanged", "left_out", "created_by", "created_at",
    )  # fmt: skip
    list_filter = ("kind", "state")
    list_filter_sheet = True
    list_select_related = ("created_by",)

    @display(
        description=BulkChange._meta.get_field("state").verbose_name,
        ordering="state",
        label={"waiting": "info", "running": "info", "done": "success"},
    )
    def state_label(self, change: BulkChange) -> tuple[str, str]:
        return change.state, change.get_state_display()

    @display(description=_("not changed"))
    def left_out(self, change: BulkChange) -> int:
        return change.refused_count + change.reviewed + change.gone

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_see_bulk_changes(request.user)

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
        change: BulkChange = record_get(self, request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": str(change),
            "opts": self.opts,
            "original": change,
            "change": change,
            "sentences": [sentence for _level, sentence in _sentences(change)],
            "refused": _by_reason(change),
            "is_deletion": change.kind == Kind.DELETE,
            "may_open_entry": request.user.has_perm("knowledge.view_entry")
            or request.user.has_perm(CHANGE),
            "unnamed": change.refused_count - len(change.refused),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/knowledge/bulkchange/change_form.html", context)

    def progress_view(self, request: HttpRequest, change_id: int) -> HttpResponse:
        """A bar; the page loads itself anew when the state has changed."""
        change: BulkChange = record_get(self, request, change_id)
        response = TemplateResponse(
            request,
            "admin/knowledge/bulkchange/progress.html",
            {"change": change, "total": len(change.entry_ids)},
        )
        if change.state != request.GET.get("state", ""):
            response["HX-Refresh"] = "true"
        return response


def may_see_bulk_changes(user: Any) -> bool:
    """Whether changes of many entries are shown to this person: also to whoever may begin one.

    The pages name entries, so the right to delete entries unseen opens none of them.
    """
    if user.has_perm("knowledge.view_bulkchange") or user.has_perm(CHANGE):
        return True
    return bool(user.has_perm("knowledge.view_entry") and user.has_perm(DELETE))


def bulk_change_told(request: HttpRequest, change: BulkChange) -> None:
    """Say on the next page what came of a change; many refusals are left to the change's own."""
    is_short = change.refused_count <= NAMED_AT_ONCE
    for level, sentence in _sentences(change):
        if level == messages.ERROR and not is_short:
            link = _link(change, gettext("See which, and why"))
            messages.error(request, format_html("{} {}", sentence, link))
        else:
            messages.add_message(request, level, sentence)
    if is_short:
        for _key, question, why in change.refused:
            text = gettext("“%(question)s”: %(reason)s")
            messages.error(request, text % {"question": question, "reason": notice_words(why)})


def bulk_changes_running_told(request: HttpRequest) -> None:
    """Say on this page which changes are still being made; only who may look gets links."""
    may_see = may_see_bulk_changes(request.user)
    for change in BulkChange.objects.exclude(state=State.DONE).order_by("pk"):
        name = _link(change, str(change)) if may_see else change
        text = gettext("{change}: {done} of {total} entries")
        counts = {"done": change.done, "total": len(change.entry_ids)}
        messages.info(request, format_html(text, change=name, **counts))


def _link(change: BulkChange, text: str) -> SafeString:
    address = reverse("admin:knowledge_bulkchange_change", args=[change.pk])
    return format_html('<a class="desk-link" href="{}">{}</a>', address, text)


def _by_reason(change: BulkChange) -> list[tuple[str, list[tuple[int, str]]]]:
    """The reasons in the reader's language, each with the keys and questions of its entries."""
    found: dict[str, list[tuple[int, str]]] = {}
    for key, question, why in change.refused:
        found.setdefault(notice_words(why), []).append((key, question))
    return list(found.items())


def _sentences(change: BulkChange) -> Iterator[tuple[int, str]]:
    """What came of the entries, each kind of outcome that there was with the level of its message."""
    told = (
        (messages.SUCCESS, change.changed, _changed_sentence),
        (messages.INFO, change.unchanged, _unchanged_sentence),
        (messages.WARNING, change.gone, _gone_sentence),
        (messages.WARNING, change.reviewed, _reviewed_sentence),
        (messages.ERROR, change.refused_count, _refused_sentence),
    )
    for level, count, sentence in told:
        if count:
            yield level, sentence(change.kind, count) % {"count": count}
    if not change.done:
        yield messages.WARNING, gettext("No entry was changed.")


def _changed_sentence(kind: str, count: int) -> str:
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


def _unchanged_sentence(kind: str, count: int) -> str:
    match kind:
        case Kind.PUBLISH:
            return ngettext(
                "%(count)d entry was published already.",
                "%(count)d entries were published already.",
                count,
            )
        case Kind.UNPUBLISH:
            return ngettext(
                "%(count)d entry was a draft already.",
                "%(count)d entries were drafts already.",
                count,
            )
        case Kind.DELETE:
            return ngettext(
                "%(count)d entry had been deleted already.",
                "%(count)d entries had been deleted already.",
                count,
            )
        case _:
            return ngettext(
                "%(count)d entry was so already.", "%(count)d entries were so already.", count
            )


def _gone_sentence(kind: str, count: int) -> str:
    return ngettext(
        "%(count)d entry was deleted meanwhile.", "%(count)d entries were deleted meanwhile.", count
    )


def _reviewed_sentence(kind: str, count: int) -> str:
    return ngettext(
        "%(count)d entry was left out: changes of its site are reviewed.",
        "%(count)d entries were left out: changes of their site are reviewed.",
        count,
    )


def _refused_sentence(kind: str, count: int) -> str:
    if kind == Kind.DELETE:
        return ngettext(
            "%(count)d entry could not be deleted.",
            "%(count)d entries could not be deleted.",
            count,
        )
    return ngettext(
        "%(count)d entry could not be changed.", "%(count)d entries could not be changed.", count
    )
