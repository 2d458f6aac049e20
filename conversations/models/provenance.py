"""What an answer was made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from conversations.models.conversations import Message
from conversations.models.packing import packed_make, packed_read
from knowledge.models import Entry


class Provenance(models.Model):
    """What an outcome was made from; stored in the transaction that finishes the turn."""

    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="provenance")
    model = models.CharField(_("model"), max_length=120, blank=True)
    model_hash = models.CharField(_("model hash"), max_length=64, blank=True)
    prompt_version = models.ForeignKey(
        "knowledge.PromptVersion",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("prompt version"),
    )
    rule = models.ForeignKey(
        "knowledge.Rule",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("rule"),
    )
    standalone_question = models.TextField(_("question as understood"), blank=True)
    prompt_packed = models.BinaryField(
        _("prompt as sent"), null=True, blank=True, help_text="conversations.models.packing"
    )
    rejected_text = models.TextField(_("text that the support check refused"), blank=True)
    details = models.JSONField(
        _("details"),
        default=dict,
        blank=True,
        help_text="retrieval confidence, verdicts, rule explanation",
    )
    prompt_tokens = models.PositiveIntegerField(_("prompt tokens"), default=0)
    completion_tokens = models.PositiveIntegerField(_("completion tokens"), default=0)
    timings = models.JSONField(
        _("timings"), default=dict, blank=True, help_text="milliseconds by stage"
    )

    reused = models.ForeignKey(
        Message,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="reuses",
        verbose_name=_("answer that was given again"),
    )
    recalled_at = models.DateTimeField(_("recalled"), null=True, blank=True)
    recalled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("recalled by"),
    )

    class Meta:
        verbose_name = _("provenance")
        verbose_name_plural = _("provenance")

    def __str__(self) -> str:
        return f"provenance of {self.message_id}"

    @property
    def rendered_prompt(self) -> list[dict[str, Any]]:
        """The prompt as the model got it: role and content of each message; empty for no model."""
        return packed_read(self.prompt_packed)

    @rendered_prompt.setter
    def rendered_prompt(self, messages: Sequence[dict[str, str]]) -> None:
        self.prompt_packed = packed_make(messages)


class PassageUse(models.Model):
    """A passage that an answer was given, with the revision of the entry at that time."""

    provenance = models.ForeignKey(Provenance, on_delete=models.CASCADE, related_name="passages")
    entry = models.ForeignKey(
        Entry, null=True, on_delete=models.SET_NULL, related_name="uses", verbose_name=_("entry")
    )
    entry_revision = models.PositiveIntegerField(_("revision"))
    position = models.PositiveSmallIntegerField(_("position"))
    score = models.FloatField(_("score"))
    cited = models.BooleanField(_("cited"), default=False)
    text = models.TextField(_("text"))

    class Meta:
        verbose_name = _("passage")
        verbose_name_plural = _("passages")
        ordering = ["provenance", "position"]
        indexes = [
            # the answers that used an entry, newest first, by revision
            models.Index(fields=["entry", "entry_revision", "-id"], name="passage_use_entry"),
        ]

    def __str__(self) -> str:
        return f"{self.position}: entry {self.entry_id} r{self.entry_revision}"
