"""Conversations, their durable items, and the work that they ask for.

A message that was acknowledged gets exactly one outcome (``docs/delivery.md``); the constraints
below are part of that promise.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversations.enums import Mode, Outcome, Reason, Role, Tier, TurnState
from conversations.models.visitors import Visitor
from knowledge.models import Site


class Conversation(models.Model):
    """A dialogue of one visitor with the desk."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey(
        Site, on_delete=models.CASCADE, related_name="conversations", verbose_name=_("site")
    )
    visitor = models.ForeignKey(
        Visitor, on_delete=models.CASCADE, related_name="conversations", verbose_name=_("visitor")
    )
    mode = models.CharField(_("mode"), max_length=16, choices=Mode.choices, default=Mode.BOT)
    language = models.CharField(_("language"), max_length=16, blank=True)
    head_seq = models.PositiveBigIntegerField(_("last item"), default=0, editable=False)
    created_at = models.DateTimeField(_("started"), auto_now_add=True)
    updated_at = models.DateTimeField(_("last activity"), auto_now=True)
    queued_at = models.DateTimeField(_("waiting since"), null=True, blank=True)
    seen_seq = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="The newest item that the customer has seen."
    )
    typing_at = models.DateTimeField(
        null=True, editable=False, help_text="When the customer was last typing to a person."
    )

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        ordering = ["-updated_at"]
        indexes = [
            # session_open(): the visitor's newest conversation that is not closed
            models.Index(fields=["visitor", "mode", "-updated_at"], name="conv_visitor_open"),
            # the admin's list of a site's conversations, newest first
            models.Index(fields=["site", "-updated_at"], name="conv_site_recent"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Message(models.Model):
    """A durable item of a conversation: ``seq`` runs 1..N without gaps."""

    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="messages"
    )
    seq = models.PositiveBigIntegerField(_("number"))
    role = models.CharField(_("role"), max_length=16, choices=Role.choices)
    client_message_id = models.UUIDField(null=True, blank=True)
    text = models.TextField(_("text"), blank=True)
    reply_to = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="reply"
    )
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome.choices, blank=True)
    tier = models.CharField(_("tier"), max_length=16, choices=Tier.choices, blank=True)
    reason = models.CharField(_("reason"), max_length=24, choices=Reason.choices, blank=True)
    language = models.CharField(_("language"), max_length=16, blank=True)
    citations = models.JSONField(
        default=list, blank=True, help_text="[{id, title, text}] as shown to the customer"
    )
    choices = models.JSONField(
        default=list, blank=True, help_text="Titles that the customer may choose from, in order."
    )
    created_at = models.DateTimeField(_("time"), auto_now_add=True)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["conversation", "seq"]
        constraints = [
            models.UniqueConstraint(fields=["conversation", "seq"], name="message_seq_once"),
            models.UniqueConstraint(
                fields=["conversation", "client_message_id"],
                condition=models.Q(client_message_id__isnull=False),
                name="message_client_id_once",
            ),
        ]
        indexes = [
            # reports: answers of a time span by tier
            models.Index(fields=["created_at", "tier"], name="message_time_tier"),
        ]

    def __str__(self) -> str:
        return f"#{self.seq} {self.role}"


class Turn(models.Model):
    """The work that an accepted customer message asks for; claimed with a lease and a fence."""

    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="turn")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="turns")
    state = models.CharField(max_length=16, choices=TurnState.choices, default=TurnState.QUEUED)
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0, help_text="attempts with the model")
    lease_until = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField()
    cancel_requested = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # the runner's search for work and the deadline watch
            models.Index(
                fields=["state", "deadline_at"],
                condition=models.Q(state__in=["queued", "running"]),
                name="turn_open",
            ),
        ]

    def __str__(self) -> str:
        return f"turn of {self.message_id} ({self.state})"
