"""What customers think of answers."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversations.models.conversations import Message


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
