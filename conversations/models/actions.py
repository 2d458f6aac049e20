"""Changes that a customer is asked to confirm, and what became of them."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversations.models.conversations import Conversation, Message
from conversations.models.visitors import Visitor


class ToolAction(models.Model):
    """One change: exactly this call of a tool, for exactly this customer, made at most once.

    ``pending`` waits for the customer; ``confirmed`` waits for a process that makes the call;
    ``running`` is under way. The others are ends. The id is the idempotency key of the call.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Waits for the customer")
        CONFIRMED = "confirmed", _("Confirmed")
        RUNNING = "running", _("Under way")
        DONE = "done", _("Done")
        REFUSED = "refused", _("Refused by the other system")
        FAILED = "failed", _("Failed; nothing was changed")
        UNCERTAIN = "uncertain", _("Outcome unknown")
        CANCELLED = "cancelled", _("Cancelled by the customer")
        REPLACED = "replaced", _("Replaced by a later one")
        EXPIRED = "expired", _("Not confirmed in time")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(
        Conversation,
        on_delete=models.CASCADE,
        related_name="actions",
        verbose_name=_("conversation"),
    )
    visitor = models.ForeignKey(
        Visitor, on_delete=models.CASCADE, related_name="+", verbose_name=_("visitor")
    )
    actor_id = models.CharField(_("customer id"), max_length=120)
    tool = models.ForeignKey(
        "knowledge.Tool",
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("tool"),
    )
    tool_key = models.CharField(_("key of the tool"), max_length=40)
    tool_revision = models.CharField(
        max_length=64, help_text="Of the tool when the customer was asked."
    )
    arguments = models.JSONField(_("arguments"), default=dict)
    rows = models.JSONField(default=list, help_text="[[label, value]] as the customer saw them")
    digest = models.CharField(
        max_length=64, help_text="Of all that the customer was shown; the confirmation names it."
    )
    language = models.CharField(_("language"), max_length=16, blank=True)
    state = models.CharField(
        _("state"), max_length=16, choices=State.choices, default=State.PENDING
    )
    asked_in = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="action")
    settled_in = models.OneToOneField(
        Message, null=True, on_delete=models.SET_NULL, related_name="settled_action"
    )
    created_at = models.DateTimeField(_("asked"), auto_now_add=True)
    expires_at = models.DateTimeField(_("to be confirmed by"))
    decided_at = models.DateTimeField(_("decided"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    lease_until = models.DateTimeField(null=True)
    call = models.JSONField(_("call"), default=dict, help_text="The last call and its outcome.")

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        ordering = ["-created_at"]
        indexes = [
            # action_claim(): what was confirmed and is not finished
            models.Index(
                fields=["state", "lease_until"],
                condition=models.Q(state__in=["confirmed", "running"]),
                name="tool_action_open",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"],
                condition=models.Q(state="pending"),
                name="tool_action_one_pending",
            )
        ]

    def __str__(self) -> str:
        return f"{self.tool_key} ({self.state})"
