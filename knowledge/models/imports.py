"""Imports of files: what each row would do, what it did, and how to undo it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from knowledge.models.entries import Document, Entry
from knowledge.models.fields import OrderedJSONField
from knowledge.models.sites import Site
from knowledge.notices import notice_words


class KnowledgeImport(models.Model):
    """One file on its way into a site's knowledge."""

    class State(models.TextChoices):
        UPLOADED = "uploaded", _("Waiting to be read")
        COLUMNS = "columns", _("Asks for its columns")
        PLANNED = "planned", _("Ready to be looked at")
        APPLYING = "applying", _("Being imported")
        APPLIED = "applied", _("Imported")
        UNDOING = "undoing", _("Being undone")
        UNDONE = "undone", _("Undone")
        FAILED = "failed", _("Refused")

    site = models.ForeignKey(
        Site, on_delete=models.CASCADE, related_name="imports", verbose_name=_("site")
    )
    file_name = models.CharField(_("file"), max_length=200)
    address = models.CharField(
        _("address"),
        max_length=200,
        blank=True,
        help_text=_("A page, or a sitemap whose pages are read."),
    )
    whole_site = models.BooleanField(_("every page that the site's sitemap lists"), default=False)
    data = models.BinaryField(
        null=True, editable=False, help_text="The file itself, until its rows are planned."
    )
    columns = OrderedJSONField(
        default=dict, help_text="Which column of the file each field is read from."
    )
    entry_status = models.CharField(
        _("imported entries are"),
        max_length=16,
        choices=Entry.Status.choices,
        default=Entry.Status.PUBLISHED,
    )
    document = models.ForeignKey(
        Document,
        null=True,
        on_delete=models.SET_NULL,
        related_name="imports",
        verbose_name=_("document"),
    )
    state = models.CharField(
        _("state"), max_length=16, choices=State.choices, default=State.UPLOADED
    )
    done = models.PositiveIntegerField(default=0, help_text="Rows that the running step is past.")
    total = models.PositiveIntegerField(default=0, help_text="Rows of the running step.")
    problem = models.CharField(_("problem"), max_length=500, blank=True)
    problem_notice = models.JSONField(null=True, help_text="knowledge/notices.py")
    notes = models.JSONField(default=list, help_text="Sentences, or notices (knowledge/notices.py)")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("by"),
    )

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return self.file_name

    @property
    def problem_words(self) -> str:
        """Why it was refused, in the reader's language."""
        return notice_words(self.problem_notice, self.problem)

    @property
    def note_words(self) -> list[str]:
        """What is to be known of it, in the reader's language."""
        return [notice_words(note) for note in self.notes]


class KnowledgeImportRow(models.Model):
    """What a row of the file means for the knowledge."""

    class Action(models.TextChoices):
        CREATE = "create", _("New")
        UPDATE = "update", _("Changed")
        REMOVE = "remove", _("No longer in the document")
        SAME = "same", _("As before")
        ERROR = "error", _("Error")

    class State(models.TextChoices):
        PLANNED = "planned", _("Planned")
        LEFT_OUT = "left_out", _("Left out")
        APPLIED = "applied", _("Done")
        UNDONE = "undone", _("Undone")
        KEPT = "kept", _("Kept, because it was changed since")

    batch = models.ForeignKey(KnowledgeImport, on_delete=models.CASCADE, related_name="rows")
    number = models.PositiveIntegerField()
    line = models.PositiveIntegerField(
        _("line"), null=True, help_text="Where the row begins in the file, from 1."
    )
    action = models.CharField(_("action"), max_length=16, choices=Action.choices)
    state = models.CharField(
        _("state"), max_length=16, choices=State.choices, default=State.PLANNED
    )
    values = models.JSONField(default=dict, help_text="The entry as the row wants it.")
    before = models.JSONField(null=True, help_text="The entry as it was.")
    entry = models.ForeignKey(Entry, null=True, on_delete=models.SET_NULL, related_name="+")
    document = models.ForeignKey(
        Document,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The page that the row is a part of, where an import has several.",
    )
    similar = models.ForeignKey(Entry, null=True, on_delete=models.SET_NULL, related_name="+")
    similarity = models.FloatField(null=True, help_text="Cosine of the two questions.")
    message = models.CharField(_("message"), max_length=500, blank=True)
    notice = models.JSONField(null=True, help_text="The message as of knowledge/notices.py.")

    class Meta:
        ordering = ["batch", "number"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "number"], name="import_row_number_once")
        ]
        indexes = [
            # services/imports: the next rows to apply or undo, and the counts of a preview
            models.Index(fields=["batch", "state", "number"], name="import_row_state"),
        ]

    def __str__(self) -> str:
        return f"{self.batch} {self.line or self.number}"

    @property
    def message_words(self) -> str:
        """The message in the reader's language."""
        return notice_words(self.notice, self.message)
