"""An answer beside the one that the same question would get today."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from conversations.admin.transcript import TIER_VARIANTS
from conversations.enums import Reason, Tier
from conversations.errors import NotFound
from conversations.models import Replay
from conversations.provenance.comparing import replay_comparison
from conversations.provenance.replaying import replay_ask
from knowledge.admin.records import ReadOnlyAdmin, record_get

QUESTION_LENGTH = 60


@admin.register(Replay)
class ReplayAdmin(ReadOnlyAdmin):
    """Questions that were asked again; nobody but staff sees them."""

    list_display = ("question", "state_label", "asked_by", "created_at")
    list_filter = ("state", "message__conversation__site", "created_at")
    list_filter_sheet = True
    list_select_related = ("message__reply_to", "asked_by")
    list_per_page = 50

    @display(description=_("question"))
    def question(self, replay: Replay) -> str:
        asked = replay.message.reply_to
        text = " ".join(asked.text.split()) if asked else ""
        return text if len(text) <= QUESTION_LENGTH else f"{text[:QUESTION_LENGTH]}…"

    @display(
        description=_("state"),
        ordering="state",
        label={
            Replay.State.WAITING.value: "info",
            Replay.State.DONE.value: "success",
            Replay.State.FAILED.value: "danger",
        },
    )
    def state_label(self, replay: Replay) -> tuple[str, str]:
        return replay.state, replay.get_state_display()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("of/<int:message_id>/", view(self.ask_view), name="conversations_replay_ask"),
            path(
                "<int:replay_id>/state/", view(self.state_view), name="conversations_replay_state"
            ),
            *super().get_urls(),
        ]

    def ask_view(self, request: HttpRequest, message_id: int) -> HttpResponse:
        """The button in the transcript."""
        if request.method != "POST" or not request.user.has_perm("conversations.change_replay"):
            raise PermissionDenied
        try:
            replay = replay_ask(message_id=message_id, by=request.user)  # type: ignore[arg-type]
        except NotFound as error:
            raise Http404 from error
        return HttpResponseRedirect(reverse("admin:conversations_replay_change", args=[replay.pk]))

    def state_view(self, request: HttpRequest, replay_id: int) -> HttpResponse:
        """Polled while the question is asked again; the page loads anew when that is done."""
        replay: Replay = record_get(self, request, replay_id)
        response = HttpResponse(replay.get_state_display())
        if replay.state != Replay.State.WAITING:
            response["HX-Refresh"] = "true"
        return response

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Then and now, side by side."""
        replay: Replay = record_get(self, request, object_id)
        done = replay.state == Replay.State.DONE
        context = {
            **self.admin_site.each_context(request),
            "title": _("The same question today"),
            "opts": self.opts,
            "original": replay,
            "replay": replay,
            "answer": replay.message,
            "comparison": replay_comparison(replay=replay) if done else None,
            "tier_now": dict(Tier.choices).get(replay.tier, ""),
            "variant_now": TIER_VARIANTS.get(replay.tier, ""),
            "variant_then": TIER_VARIANTS.get(replay.message.tier, ""),
            "reason_now": dict(Reason.choices).get(replay.reason, ""),
            "may_ask": request.user.has_perm("conversations.change_replay"),
            "may_open_entry": request.user.has_perm("knowledge.view_entry"),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/conversations/replay/comparison.html", context)
