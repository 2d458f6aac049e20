"""What entries said at any time, who changed them, and changes that wait for an approval."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from knowledge.models.audiences import Audience
from knowledge.models.entries import Entry
from knowledge.models.languages import Language
from knowledge.models.sites import Site
from knowledge.notices import notice_words


class EntryRevision(models.Model):
    """An entry as it was after a change, or as somebody proposes it.

    Applied revisions of an entry are numbered without gaps as far as changes went through the
    services; ``number`` is what the source of an answer names. Neither the entry nor the audience
    is bound by a foreign key of the database: the history outlives both.
    """

    class State(models.TextChoices):
        APPLIED = "applied", _("Applied")
        PROPOSED = "proposed", _("Waits for approval")
        REFUSED = "refused", _("Refused")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    class Cause(models.TextChoices):
        EDIT = "edit", _("Edited")
        IMPORT = "import", _("Import")
        IMPORT_UNDO = "import_undo", _("Import undone")
        GAP = "gap", _("Gap filled")
        APPROVAL = "approval", _("Proposal approved")
        REVERT = "revert", _("Brought back")
        DELETE = "delete", _("Deleted")
        FOUND = "found", _("As it was found")

    entry = models.ForeignKey(
        Entry,
        null=True,
        db_constraint=False,
        on_delete=models.DO_NOTHING,
        related_name="revisions",
        verbose_name=_("entry"),
        help_text="Empty: a proposed entry that is not there yet. Stays when the entry is deleted.",
    )
    site = models.ForeignKey(
        Site, on_delete=models.CASCADE, related_name="+", verbose_name=_("site")
    )
    number = models.PositiveIntegerField(_("revision"), null=True)
    state = models.CharField(
        _("state"), max_length=16, choices=State.choices, default=State.APPLIED
    )
    cause = models.CharField(_("cause"), max_length=16, choices=Cause.choices, default=Cause.EDIT)
    note = models.CharField(_("note"), max_length=300, blank=True)
    notice = models.JSONField(
        null=True, help_text="The note as of knowledge/notices.py, unless a person wrote it."
    )

    question = models.CharField(_("question"), max_length=500)
    phrasings = models.JSONField(_("other phrasings"), default=list)
    answer = models.TextField(_("answer"))
    keywords = models.CharField(_("keywords"), max_length=500, blank=True)
    language = models.CharField(_("language"), max_length=16, choices=Language.choices)
    status = models.CharField(_("status"), max_length=16, choices=Entry.Status.choices)
    audience = models.ForeignKey(
        Audience,
        null=True,
        db_constraint=False,
        on_delete=models.DO_NOTHING,
        related_name="+",
        verbose_name=_("audience"),
    )
    audience_name = models.CharField(max_length=80, blank=True)
    valid_from = models.DateTimeField(_("valid from"), null=True)
    valid_until = models.DateTimeField(_("valid until"), null=True)

    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("by"),
    )
    created_at = models.DateTimeField(_("time"), auto_now_add=True)
    based_on = models.PositiveIntegerField(
        _("proposed for revision"), null=True, help_text="What a proposal's author saw."
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(_("decided"), null=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    became = models.PositiveIntegerField(
        null=True,
        help_text="The number of the revision that an approved proposal made; empty: none.",
    )

    class Meta:
        verbose_name = _("revision of an entry")
        verbose_name_plural = _("revisions of entries")
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["entry", "number"],
                condition=models.Q(number__isnull=False),
                name="revision_number_once_per_entry",
            )
        ]
        indexes = [
            # the list of what waits, and its count on the overview
            models.Index(
                fields=["site", "created_at"],
                condition=models.Q(state="proposed"),
                name="revision_proposed",
            )
        ]

    def __str__(self) -> str:
        return f"{self.question} (r{self.number})" if self.number else self.question

    @property
    def note_words(self) -> str:
        """The note in the reader's language; what a person wrote as it is."""
        return notice_words(self.notice, self.note)


class EntryProposal(EntryRevision):
    """A change that somebody proposed; a page of its own in the admin."""

    class Meta:
        proxy = True
        verbose_name = _("proposed change")
        verbose_name_plural = _("proposed changes")
