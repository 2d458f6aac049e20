"""Customers, their conversations, and what was promised to them.

A message that was acknowledged gets exactly one outcome (``docs/delivery.md``); the constraints
below are part of that promise.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversations.enums import Mode, Outcome, Reason, Role, Tier, TurnState
from knowledge.models import Entry, Site


class Visitor(models.Model):
    """Somebody who uses the widget of a site; known by name only with a signed identity."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey(
        Site, on_delete=models.CASCADE, related_name="visitors", verbose_name=_("site")
    )
    external_id = models.CharField(
        _("customer id"),
        max_length=120,
        blank=True,
        help_text=_("The shop's own id, from a signed identity token."),
    )
    name = models.CharField(_("name"), max_length=120, blank=True)
    region = models.CharField(_("region"), max_length=80, blank=True)
    region_is_signed = models.BooleanField(default=False, editable=False)
    language = models.CharField(_("language"), max_length=16, blank=True)
    created_at = models.DateTimeField(_("first seen"), auto_now_add=True)
    seen_at = models.DateTimeField(_("last seen"), auto_now=True)

    class Meta:
        verbose_name = _("visitor")
        verbose_name_plural = _("visitors")
        ordering = ["-seen_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["site", "external_id"],
                condition=~models.Q(external_id=""),
                name="visitor_once_per_customer",
            )
        ]

    def __str__(self) -> str:
        return self.name or self.external_id or str(self.id)[:8]


class ResumeToken(models.Model):
    """Lets a browser come back as the same visitor; only the hash is stored, each use rotates it."""

    visitor = models.ForeignKey(Visitor, on_delete=models.CASCADE, related_name="resume_tokens")
    token_hash = models.CharField(max_length=64, unique=True)
    origin = models.CharField(max_length=300)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    rotated_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.visitor_id} {self.token_hash[:8]}"


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
    rendered_prompt = models.JSONField(_("prompt as sent"), default=list, blank=True)
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

    class Meta:
        verbose_name = _("provenance")
        verbose_name_plural = _("provenance")

    def __str__(self) -> str:
        return f"provenance of {self.message_id}"


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

    def __str__(self) -> str:
        return f"{self.position}: entry {self.entry_id} r{self.entry_revision}"


class Rating(models.Model):
    """A customer's judgement of one answer: thumbs (0 or 1) or stars (1 to 5), or both."""

    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="rating")
    thumb = models.BooleanField(_("thumb"), null=True, blank=True)
    stars = models.PositiveSmallIntegerField(_("stars"), null=True, blank=True)
    reasons = models.JSONField(_("reasons"), default=list, blank=True)
    comment = models.CharField(_("comment"), max_length=1000, blank=True)
    created_at = models.DateTimeField(_("time"), auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("rating")
        verbose_name_plural = _("ratings")
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(stars__isnull=True) | models.Q(stars__range=(1, 5)),
                name="rating_stars_range",
            ),
            models.CheckConstraint(
                condition=models.Q(stars__isnull=False) | models.Q(thumb__isnull=False),
                name="rating_says_something",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stars or ''} {self.thumb}"
