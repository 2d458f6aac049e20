"""All answers that used an entry, by revision."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import display

from conversations.admin.transcript import TIER_VARIANTS
from conversations.models import PassageUse
from conversations.provenance.uses import (
    answers_recall,
    answers_recall_undo,
    uses_csv,
    uses_listed,
)
from conversations.reports.entry_use import USE_SATISFIED
from knowledge.admin.records import ReadOnlyAdmin, record_get
from knowledge.models import Entry

TEXT_LENGTH = 60
REVISIONS_SHOWN = 30


class EntryFilter(admin.SimpleListFilter):
    """The answers of one entry; the page of an entry leads here."""

    title = _("entry")
    parameter_name = "entry"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        chosen = self.used_parameters.get(self.parameter_name)
        entry = Entry.objects.filter(pk=_number(chosen)).first()
        return [(str(entry.pk), entry.question)] if entry is not None else [("", str(_("All")))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[PassageUse]
    ) -> QuerySet[PassageUse]:
        return queryset.filter(entry=_number(self.value())) if self.value() else queryset


class RevisionFilter(admin.SimpleListFilter):
    """The revisions of the entry that answers were made from."""

    title = _("revision")
    parameter_name = "revision"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        entry = _number(request.GET.get(EntryFilter.parameter_name))
        used = (
            PassageUse.objects.filter(entry=entry)
            .order_by("-entry_revision")
            .values_list("entry_revision", flat=True)
            .distinct()[:REVISIONS_SHOWN]
        )
        found = [(str(number), str(number)) for number in used]
        return found or [("", str(_("Choose an entry first")))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[PassageUse]
    ) -> QuerySet[PassageUse]:
        return queryset.filter(entry_revision=_number(self.value())) if self.value() else queryset


class RecalledFilter(admin.SimpleListFilter):
    """Whether answers are marked as recalled."""

    title = _("recalled")
    parameter_name = "recalled"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("Yes")), ("0", _("No"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[PassageUse]
    ) -> QuerySet[PassageUse]:
        if self.value() not in ("0", "1"):
            return queryset
        return queryset.filter(provenance__recalled_at__isnull=self.value() == "0")


class RatedFilter(admin.SimpleListFilter):
    """What customers thought of the answers."""

    title = _("rating")
    parameter_name = "rated"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("good", _("Satisfied")), ("bad", _("Badly rated"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[PassageUse]
    ) -> QuerySet[PassageUse]:
        if self.value() not in ("good", "bad"):
            return queryset
        rated = queryset.filter(provenance__message__rating__isnull=False)
        return (
            rated.filter(USE_SATISFIED) if self.value() == "good" else rated.exclude(USE_SATISFIED)
        )


@admin.register(PassageUse)
class PassageUseAdmin(ReadOnlyAdmin):
    """What customers were told from an entry, to look through and to recall."""

    list_display = ("question", "answer", "entry_title", "cited", "tier", "recalled", "asked_at")
    list_display_links = ("question",)
    list_filter = (
        EntryFilter,
        RevisionFilter,
        "cited",
        RecalledFilter,
        RatedFilter,
        "provenance__message__tier",
        "provenance__message__conversation__site",
        "provenance__message__created_at",
    )
    list_filter_sheet = True
    list_per_page = 50
    search_fields = ("provenance__message__text", "provenance__message__reply_to__text")
    show_full_result_count = False
    ordering = ("-pk",)
    actions = ("recall", "recall_undo")
    list_before_template = "admin/conversations/passageuse/head.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[PassageUse]:
        return uses_listed()

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list; its title names the entry that was chosen."""
        entry = Entry.objects.filter(pk=_number(request.GET.get("entry"))).first()
        title = _("Answers from “%(entry)s”") % {"entry": entry} if entry else _("Answers by entry")
        return super().changelist_view(
            request, {"title": title, "chosen_entry": entry, **(extra_context or {})}
        )

    def has_recall_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may mark answers."""
        return request.user.has_perm("conversations.change_provenance")

    @display(description=_("question"))
    def question(self, use: PassageUse) -> str:
        asked = use.provenance.message.reply_to
        return _short(asked.text) if asked else "–"

    @display(description=_("answer"))
    def answer(self, use: PassageUse) -> str:
        return _short(use.provenance.message.text) or "–"

    @display(description=_("entry"), ordering="entry")
    def entry_title(self, use: PassageUse) -> SafeString:
        revision = _("revision %(revision)s") % {"revision": use.entry_revision}
        return format_html("{}<br><small>{}</small>", use.entry or "", revision)

    @display(description=_("answered by"), label=TIER_VARIANTS)
    def tier(self, use: PassageUse) -> tuple[str, str]:
        message = use.provenance.message
        return message.tier, message.get_tier_display()

    @display(description=_("recalled"), label={"yes": "danger"})
    def recalled(self, use: PassageUse) -> tuple[str, str] | str:
        return ("yes", str(_("Recalled"))) if use.provenance.recalled_at else "–"

    @display(description=_("time"), ordering="pk")
    def asked_at(self, use: PassageUse) -> Any:
        return use.provenance.message.created_at

    @admin.action(description=_("Recall the chosen answers"), permissions=["recall"])
    def recall(self, request: HttpRequest, queryset: QuerySet[PassageUse]) -> None:
        """Mark the answers; they stay as customers saw them, and are not given again."""
        ids = list(queryset.values_list("provenance_id", flat=True))
        count = answers_recall(provenance_ids=ids, by=request.user)  # type: ignore[arg-type]
        told = ngettext("%(count)s answer was recalled.", "%(count)s answers were recalled.", count)
        messages.success(request, told % {"count": count})

    @admin.action(description=_("Take the recall back"), permissions=["recall"])
    def recall_undo(self, request: HttpRequest, queryset: QuerySet[PassageUse]) -> None:
        """Take the marks off."""
        ids = list(queryset.values_list("provenance_id", flat=True))
        count = answers_recall_undo(provenance_ids=ids)
        told = ngettext("%(count)s mark was removed.", "%(count)s marks were removed.", count)
        messages.success(request, told % {"count": count})

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("export/", view(self.export_view), name="conversations_passageuse_export"),
            *super().get_urls(),
        ]

    def export_view(self, request: HttpRequest) -> StreamingHttpResponse:
        """What the list shows with its filters, all pages, as CSV."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        shown = self.get_changelist_instance(request).get_queryset(request)
        return StreamingHttpResponse(
            uses_csv(shown.iterator(chunk_size=500)),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="answers.csv"'},
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Lead to the answer in its conversation."""
        use: PassageUse = record_get(self, request, object_id)
        message = use.provenance.message
        place = reverse("admin:conversations_conversation_change", args=[message.conversation_id])
        return HttpResponseRedirect(f"{place}#item-{message.seq}")


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= TEXT_LENGTH else f"{words[:TEXT_LENGTH]}…"


def _number(value: object) -> int:
    text = str(value or "")
    return int(text) if text.isdecimal() and len(text) < 19 else 0
