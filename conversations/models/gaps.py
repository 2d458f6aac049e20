"""Gaps of the knowledge: subjects that customers asked about and got no good answer to."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversations.models.conversations import Message
from knowledge.models import Entry, Language, Site


class Gap(models.Model):
    """One subject. Its questions belong together by what they ask, not by their words."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        CHECKING = "checking", _("Being asked again")
        FILLED = "filled", _("Filled")
        DISMISSED = "dismissed", _("Not for the knowledge")

    site = models.ForeignKey(
        Site, on_delete=models.CASCADE, related_name="gaps", verbose_name=_("site")
    )
    language = models.CharField(_("language"), max_length=16, choices=Language.choices)
    title = models.CharField(_("question"), max_length=500)
    state = models.CharField(_("state"), max_length=16, choices=State.choices, default=State.OPEN)
    last_asked_at = models.DateTimeField(_("last asked"))
    entry = models.ForeignKey(
        Entry,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="gaps",
        verbose_name=_("entry"),
    )
    created_at = models.DateTimeField(_("found"), auto_now_add=True)

    class Meta:
        verbose_name = _("knowledge gap")
        verbose_name_plural = _("knowledge gaps")
        ordering = ["-last_asked_at", "-pk"]
        indexes = [
            # gaps.collecting: the open gaps of a site; the admin's list
            models.Index(fields=["site", "state", "-last_asked_at"], name="gap_site_state"),
        ]

    def __str__(self) -> str:
        return self.title


class GapQuestion(models.Model):
    """A customer's message that belongs to a gap."""

    class Why(models.TextChoices):
        UNANSWERED = "unanswered", _("No answer was found")
        DISLIKED = "disliked", _("The answer was rated badly")
        HANDOFF = "handoff", _("A person was asked for")
        UNSURE = "unsure", _("No entry fitted well")

    gap = models.ForeignKey(Gap, on_delete=models.CASCADE, related_name="questions")
    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="gap_question")
    text = models.CharField(
        max_length=500, help_text="The question as understood, with what earlier ones add."
    )
    why = models.CharField(max_length=16, choices=Why.choices)
    asked_at = models.DateTimeField()
    covered = models.BooleanField(
        null=True, help_text="Whether it is answered now; empty: not asked again."
    )

    covered_before = models.BooleanField(
        default=False,
        help_text="Whether it was answered already when the entry was published.",
    )

    class Meta:
        ordering = ["-asked_at", "-pk"]

    def __str__(self) -> str:
        return self.text


class GapSearch(models.Model):
    """How far a site's messages were searched for gaps."""

    site = models.OneToOneField(Site, on_delete=models.CASCADE, related_name="gap_search")
    searched_at = models.DateTimeField(help_text="Outcomes up to this time were looked at.")

    def __str__(self) -> str:
        return f"{self.site}: {self.searched_at}"
