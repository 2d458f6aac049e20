"""The list of ratings; each leads to its place in the transcript."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from conversations.models import Rating
from knowledge.admin.records import ReadOnlyAdmin, record_get

TEXT_LENGTH = 48


@admin.register(Rating)
class RatingAdmin(ReadOnlyAdmin):
    """What customers thought of single answers."""

    list_display = ("judgement", "question", "answered_by", "comment", "site", "created_at")
    list_filter = ("stars", "thumb", "message__tier", "message__conversation__site", "created_at")
    list_filter_sheet = True
    list_select_related = ("message__reply_to", "message__conversation__site")
    search_fields = ("comment", "message__text", "message__reply_to__text")
    date_hierarchy = None

    @display(
        description=_("rating"),
        label={"good": "success", "middle": "warning", "bad": "danger"},
    )
    def judgement(self, rating: Rating) -> tuple[str, str]:
        if rating.stars is not None:
            word = "good" if rating.stars >= 4 else "middle" if rating.stars == 3 else "bad"
            return word, "★" * rating.stars + "☆" * (5 - rating.stars)
        return ("good", str(_("Helpful"))) if rating.thumb else ("bad", str(_("Not helpful")))

    @display(description=_("question"))
    def question(self, rating: Rating) -> str:
        asked = rating.message.reply_to.text if rating.message.reply_to else rating.message.text
        text = " ".join(asked.split())
        return text if len(text) <= TEXT_LENGTH else f"{text[:TEXT_LENGTH]}…"

    @display(description=_("answered by"), ordering="message__tier")
    def answered_by(self, rating: Rating) -> str:
        return rating.message.get_tier_display() or rating.message.get_role_display()

    @display(description=_("site"), ordering="message__conversation__site")
    def site(self, rating: Rating) -> str:
        return str(rating.message.conversation.site)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Lead to the rated answer in its conversation."""
        rating: Rating = record_get(self, request, object_id)
        place = reverse(
            "admin:conversations_conversation_change", args=[rating.message.conversation_id]
        )
        return HttpResponseRedirect(f"{place}#item-{rating.message.seq}")
