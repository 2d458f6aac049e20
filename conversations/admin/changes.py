"""Changes that customers confirmed, cancelled or let expire; evidence, so nobody edits them."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from conversations.models import ToolAction
from knowledge.admin.records import ReadOnlyAdmin


@admin.register(ToolAction)
class ToolActionAdmin(ReadOnlyAdmin):
    """What customers were asked to confirm, newest first."""

    list_display = (
        "created_at",
        "visitor",
        "tool_key",
        "values_shown",
        "state_label",
        "transcript",
    )
    list_filter = ("state", "tool_key", "conversation__site")
    list_filter_sheet = True
    list_select_related = ("visitor", "conversation", "asked_in")
    search_fields = ("actor_id", "visitor__name", "tool_key")
    search_help_text = gettext_lazy("Customer or key of the tool")
    date_hierarchy = "created_at"
    fields = (
        "tool_key", "visitor", "actor_id", "values_shown", "state", "created_at", "expires_at",
        "decided_at", "finished_at", "attempts", "transcript",
    )  # fmt: skip
    readonly_fields = ("values_shown", "transcript")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ToolAction]:
        return super().get_queryset(request).order_by("-created_at")

    @display(description=gettext_lazy("what was confirmed"))
    def values_shown(self, action: ToolAction) -> str:
        return "; ".join(f"{label}: {value}" for label, value in action.rows)

    @display(
        description=gettext_lazy("state"),
        ordering="state",
        label={
            "done": "success", "failed": "danger", "uncertain": "danger", "refused": "warning",
            "pending": "info", "confirmed": "info", "running": "info",
            "cancelled": "", "replaced": "", "expired": "",
        },
    )  # fmt: skip
    def state_label(self, action: ToolAction) -> tuple[str, str]:
        return action.state, action.get_state_display()

    @display(description=gettext_lazy("conversation"))
    def transcript(self, action: ToolAction) -> SafeString:
        address = reverse("admin:conversations_conversation_change", args=[action.conversation_id])
        return format_html(
            '<a href="{}#item-{}">{}</a>',
            address,
            action.asked_in.seq,
            gettext_lazy("Open the transcript"),
        )
