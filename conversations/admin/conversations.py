"""The list of conversations and the transcript."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from conversations.admin.filters import JudgementFilter, TierFilter
from conversations.admin.transcript import transcript
from conversations.enums import Mode, Role
from conversations.models import Conversation, Message
from conversations.summaries import conversation_summary
from knowledge.admin.records import ReadOnlyAdmin, record_get

QUESTION_LENGTH = 60


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    """Everybody at the desk reads; the transcript replaces the form."""

    list_display = ("question_first", "mode_label", "visitor", "site", "item_count", "updated_at")
    list_display_links = ("question_first",)
    list_filter = ("mode", JudgementFilter, TierFilter, "site", "language", "updated_at")
    list_filter_sheet = True
    list_select_related = ("site", "visitor")
    list_per_page = 50
    search_fields = ("messages__text", "visitor__name", "visitor__external_id")
    search_help_text = _("Words of the conversation, or the customer's name")
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        first = Message.objects.filter(conversation=OuterRef("pk"), role=Role.CUSTOMER).order_by(
            "seq"
        )
        return (
            super()
            .get_queryset(request)
            .annotate(
                first_question=Subquery(first.values("text")[:1]),
                question_count=Count("messages", filter=Q(messages__role=Role.CUSTOMER)),
            )
        )

    @display(description=_("first question"))
    def question_first(self, conversation: Any) -> str:
        text = " ".join((conversation.first_question or "").split())
        if not text:
            return str(_("(nothing asked yet)"))
        return text if len(text) <= QUESTION_LENGTH else f"{text[:QUESTION_LENGTH]}…"

    @display(
        description=_("mode"),
        ordering="mode",
        label={
            Mode.BOT.value: "primary",
            Mode.QUEUED.value: "warning",
            Mode.HUMAN.value: "info",
            Mode.CLOSED.value: "",
        },
    )
    def mode_label(self, conversation: Conversation) -> tuple[str, str]:
        return conversation.mode, conversation.get_mode_display()

    @display(description=_("questions"), ordering="question_count")
    def item_count(self, conversation: Any) -> int:
        count: int = conversation.question_count
        return count

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The transcript with the provenance of every answer."""
        conversation: Conversation = record_get(self, request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Conversation"),
            "opts": self.opts,
            "conversation": conversation,
            "lines": transcript(conversation_id=conversation.pk),
            "summary": conversation_summary(conversation_id=conversation.pk),
            "may_open_entry": request.user.has_perm("knowledge.view_entry"),
            "may_open_prompt": request.user.has_perm("knowledge.view_prompttemplate"),
            "may_open_rule": request.user.has_perm("knowledge.view_rule"),
            "may_add_entry": request.user.has_perm("knowledge.add_entry"),
            "may_see_uses": request.user.has_perm("conversations.view_passageuse"),
            "may_replay": request.user.has_perm("conversations.change_replay"),
            **(extra_context or {}),
        }
        return TemplateResponse(
            request, "admin/conversations/conversation/transcript.html", context
        )
