"""What a conversation is about, in a sentence or two, for the person who takes it over."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversations.models.conversations import Conversation


class ConversationSummary(models.Model):
    """The newest summary of a conversation; there is none where none would hold."""

    conversation = models.OneToOneField(
        Conversation, on_delete=models.CASCADE, related_name="summary"
    )
    text = models.TextField(_("summary"))
    head_seq = models.PositiveBigIntegerField(
        _("up to item"), help_text="The newest item that it sums up."
    )
    language = models.CharField(_("language"), max_length=16, blank=True)
    model = models.CharField(_("model"), max_length=120, blank=True)
    prompt_version = models.ForeignKey(
        "knowledge.PromptVersion",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("prompt version"),
    )
    created_at = models.DateTimeField(_("time"), auto_now=True)

    class Meta:
        verbose_name = _("summary")
        verbose_name_plural = _("summaries")

    def __str__(self) -> str:
        return self.text[:60]
