"""What customers' messages were labelled with."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversations.models.conversations import Message


class MessageLabel(models.Model):
    """What one label set says of one customer message; staff see it, customers never."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="labels")
    label_set = models.SlugField(_("label set"), max_length=40)
    label = models.CharField(
        _("label"), max_length=200, blank=True, help_text=_("Empty: none was probable enough.")
    )
    best = models.CharField(_("likeliest label"), max_length=200)
    probability = models.FloatField(_("probability"))
    views = models.CharField(
        max_length=40, help_text="What it was judged by: words, meaning, model; joined by +."
    )
    created_at = models.DateTimeField(_("time"), auto_now_add=True)

    class Meta:
        verbose_name = _("label of a message")
        verbose_name_plural = _("labels of messages")
        ordering = ["message", "label_set"]
        constraints = [
            models.UniqueConstraint(
                fields=["message", "label_set"], name="message_label_once_per_set"
            )
        ]
        indexes = [
            # reports: messages of a label in a time span
            models.Index(fields=["label_set", "label", "created_at"], name="message_label_time"),
        ]

    def __str__(self) -> str:
        return f"{self.label_set}: {self.label or '?'} {self.probability:.2f}"
