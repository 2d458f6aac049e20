"""Questions that are asked again to see what the answer would be today."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from conversations.models.conversations import Message


class Replay(models.Model):
    """The answer that a question would get today, beside the one that it got.

    It is no part of the conversation: no customer sees it, and nothing is learned from it.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    message = models.ForeignKey(
        Message, on_delete=models.CASCADE, related_name="replays", verbose_name=_("answer")
    )
    state = models.CharField(
        _("state"), max_length=16, choices=State.choices, default=State.WAITING
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("asked by"),
    )
    created_at = models.DateTimeField(_("time"), auto_now_add=True)
    finished_at = models.DateTimeField(null=True)
    text = models.TextField(_("text"), blank=True)
    tier = models.CharField(_("tier"), max_length=16, blank=True)
    reason = models.CharField(_("reason"), max_length=24, blank=True)
    outcome = models.CharField(_("outcome"), max_length=16, blank=True)
    model = models.CharField(_("model"), max_length=120, blank=True)
    model_hash = models.CharField(_("model hash"), max_length=64, blank=True)
    prompt_version = models.ForeignKey(
        "knowledge.PromptVersion",
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("prompt version"),
    )
    passages = models.JSONField(
        default=list, help_text="[{entry, revision, score, cited, title}], best first"
    )
    timings = models.JSONField(default=dict, help_text="milliseconds by stage")
    standalone_question = models.TextField(blank=True)

    class Meta:
        verbose_name = _("replay")
        verbose_name_plural = _("replays")
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        asked = date_format(timezone.localtime(self.created_at), "SHORT_DATETIME_FORMAT")
        return gettext("Asked again, %(time)s") % {"time": asked}
