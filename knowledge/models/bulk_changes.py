"""Changes of many entries at once, which the worker makes one by one."""

from __future__ import annotations

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _


class BulkChange(models.Model):
    """One change of many entries, how far it is, and what it could not change."""

    class Kind(models.TextChoices):
        PUBLISH = "publish", _("Publish entries")
        UNPUBLISH = "unpublish", _("Take entries back to draft")
        OWNER = "owner", _("Set owner and date to look again")
        VALIDITY = "validity", _("Set when entries are valid")
        AUDIENCE = "audience", _("Set who may see entries")
        DELETE = "delete", _("Delete entries")

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")

    kind = models.CharField(_("change"), max_length=16, choices=Kind.choices)
    values = models.JSONField(
        default=dict, encoder=DjangoJSONEncoder, help_text="What is set; rows by their keys."
    )
    entry_ids = models.JSONField(default=list, help_text="The chosen entries, in their order.")
    state = models.CharField(
        _("state"), max_length=16, choices=State.choices, default=State.WAITING
    )
    done = models.PositiveIntegerField(default=0, help_text="Chosen entries that it is past.")
    changed = models.PositiveIntegerField(_("changed"), default=0)
    unchanged = models.PositiveIntegerField(
        _("already so"), default=0, help_text="Nothing was written."
    )
    gone = models.PositiveIntegerField(default=0, help_text="Deleted before it came to them.")
    reviewed = models.PositiveIntegerField(
        default=0, help_text="Left out, because changes of their site are reviewed."
    )
    refused = models.JSONField(
        default=list, help_text="[entry, question, notice or sentence] (knowledge/notices.py)"
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("by"),
    )

    class Meta:
        verbose_name = _("change of many entries")
        verbose_name_plural = _("changes of many entries")
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return str(self.get_kind_display())

    @property
    def refused_count(self) -> int:
        """Entries that could not be changed; ``refused`` may name only the first of them."""
        return self.done - self.changed - self.unchanged - self.gone - self.reviewed
