"""Customers as the widget knows them."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from knowledge.models import Site


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
    groups = models.JSONField(
        _("groups"),
        default=list,
        blank=True,
        help_text=_("From the newest signed identity token; audiences of entries ask for them."),
    )
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


class IdentityUse(models.Model):
    """A signed identity token that was used, so that nobody else can use it again.

    Kept until the token expires. Only the hash of its ``jti`` is stored.
    """

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+")
    visitor = models.ForeignKey(Visitor, on_delete=models.CASCADE, related_name="+")
    jti_hash = models.CharField(max_length=64)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["site", "jti_hash"], name="identity_used_once"),
        ]
        indexes = [
            # each new use removes the expired ones
            models.Index(fields=["expires_at"], name="identity_use_expiry"),
        ]

    def __str__(self) -> str:
        return f"{self.site_id} {self.jti_hash[:8]}"
