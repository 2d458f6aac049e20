"""Questions with their curated answers."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxLengthValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from knowledge.models.audiences import Audience
from knowledge.models.languages import Language
from knowledge.models.sites import Site


class Document(models.Model):
    """A document whose chunks are entries; importing it again replaces them."""

    site = models.ForeignKey(
        Site, on_delete=models.CASCADE, related_name="documents", verbose_name=_("site")
    )
    name = models.CharField(
        _("name"), max_length=200, help_text=_("The file's name or the page's address.")
    )
    title = models.CharField(_("title"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["site", "name"], name="document_once_per_site")
        ]

    def __str__(self) -> str:
        return self.title or self.name


class Entry(models.Model):
    """A question with its curated answer."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PUBLISHED = "published", _("Published")

    site = models.ForeignKey(
        Site, on_delete=models.CASCADE, related_name="entries", verbose_name=_("site")
    )
    question = models.CharField(_("question"), max_length=500)
    answer = models.TextField(
        _("answer"),
        max_length=8000,
        # max_length of a text field binds forms only.
        validators=[MaxLengthValidator(8000)],
        help_text=_("Markdown. Sent word for word when it fits."),
    )
    keywords = models.CharField(
        _("keywords"),
        max_length=500,
        blank=True,
        help_text=_("Separated by commas or spaces; they make the entry easier to find."),
    )
    language = models.CharField(
        _("language"), max_length=16, choices=Language.choices, default=Language.ZH_HANS
    )
    status = models.CharField(
        _("status"), max_length=16, choices=Status.choices, default=Status.DRAFT
    )
    audience = models.ForeignKey(
        Audience,
        null=True,
        blank=True,
        # RESTRICT: not deleted while an entry has it, but together with its site.
        on_delete=models.RESTRICT,
        related_name="entries",
        verbose_name=_("audience"),
        help_text=_("Who may see it. Empty: everyone."),
    )
    valid_from = models.DateTimeField(
        _("valid from"), null=True, blank=True, help_text=_("Not shown before. Empty: at once.")
    )
    valid_until = models.DateTimeField(
        _("valid until"),
        null=True,
        blank=True,
        help_text=_("Not shown from then on. Empty: for good."),
    )
    document = models.ForeignKey(
        Document,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="entries",
        verbose_name=_("document"),
    )
    revision = models.PositiveIntegerField(_("revision"), default=1, editable=False)
    changed_in = models.PositiveBigIntegerField(
        default=0,
        editable=False,
        help_text="The site's knowledge revision of the last change (knowledge/revisions.py).",
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("owner"),
        help_text=_("Who sees to it that the answer stays right."),
    )
    review_by = models.DateField(
        _("look again by"),
        null=True,
        blank=True,
        help_text=_("From that day on the owner is reminded to look whether it is still right."),
    )
    is_demo = models.BooleanField(_("demo"), default=False, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("updated by"),
    )

    class Meta:
        verbose_name = _("knowledge entry")
        verbose_name_plural = _("knowledge entries")
        ordering = ["-updated_at", "-pk"]
        permissions = [
            ("publish_entry", _("Can change what customers see where changes are reviewed")),
            ("propose_entry", _("Can propose changes where changes are reviewed")),
            ("export_entry", _("Can export the knowledge")),
        ]
        indexes = [
            # the reminder of each day, and the overview's count
            models.Index(
                fields=["review_by"],
                condition=models.Q(review_by__isnull=False),
                name="entry_review_by",
            ),
            # selectors.entries_published(): what the retrieval index is built from
            models.Index(fields=["site", "status"], name="entry_site_status"),
            # selectors.validity_change_next()
            models.Index(
                fields=["site", "valid_from"],
                condition=models.Q(valid_from__isnull=False),
                name="entry_valid_from",
            ),
            models.Index(
                fields=["site", "valid_until"],
                condition=models.Q(valid_until__isnull=False),
                name="entry_valid_until",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(valid_from__isnull=True)
                | models.Q(valid_until__isnull=True)
                | models.Q(valid_until__gt=models.F("valid_from")),
                name="entry_validity_in_order",
                violation_error_message=_("“Valid until” must come after “valid from”."),
            )
        ]

    def __str__(self) -> str:
        return self.question


class Phrasing(models.Model):
    """Another way to ask an entry's question."""

    entry = models.ForeignKey(Entry, on_delete=models.CASCADE, related_name="phrasings")
    text = models.CharField(_("text"), max_length=500)

    class Meta:
        verbose_name = _("other phrasing")
        verbose_name_plural = _("other phrasings")
        constraints = [
            models.UniqueConstraint(fields=["entry", "text"], name="phrasing_once_per_entry")
        ]

    def __str__(self) -> str:
        return self.text


class TextVector(models.Model):
    """A text's embedding, kept so that a restart need not compute it again."""

    model = models.CharField(max_length=120)
    text_hash = models.BinaryField(max_length=32)
    vector = models.BinaryField(help_text="float16, little-endian, L2-normalised")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "text_hash"], name="vector_once_per_text")
        ]

    def __str__(self) -> str:
        return f"{self.model} {bytes(self.text_hash).hex()[:12]}"
