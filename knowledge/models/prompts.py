"""Prompt templates and their versions."""

from __future__ import annotations

import hashlib
import json
from typing import Final

from django.conf import settings
from django.core.validators import MaxLengthValidator, MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from knowledge.models.languages import Language
from knowledge.models.sites import Site

# The roles that the product itself asks for; administrators may add others without code.
PROMPT_ROLES: Final = {
    "answer": _("Answer from the knowledge"),
    "keywords": _("Name a message's keywords"),
    "summary": _("Sum up a conversation"),
}


THINKING_TOKENS_MOST = 1024

CONTENT: Final = (
    "system",
    "user",
    "max_tokens",
    "temperature",
    "top_p",
    "repetition_penalty",
    "thinking_tokens",
)
"""What a version is: its text and how the model writes with it."""


class PromptTemplate(models.Model):
    """A prompt that admins keep, in one language, with versions."""

    site = models.ForeignKey(
        Site,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="prompt_templates",
        verbose_name=_("site"),
        help_text=_("Empty: for every site that has none of its own."),
    )
    role = models.SlugField(
        _("role"),
        max_length=32,
        help_text=_(
            "What the prompt is for: answer, keywords, summary, or a name of your own to try in"
            " the playground."
        ),
    )
    language = models.CharField(_("language"), max_length=16, choices=Language.choices)
    name = models.CharField(_("name"), max_length=120)

    class Meta:
        verbose_name = _("prompt template")
        verbose_name_plural = _("prompt templates")
        ordering = ["role", "language", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["site", "role", "language"],
                name="prompt_once_per_site_role_language",
            ),
            # Templates of every site have no site, and SQLite takes two NULLs for different.
            models.UniqueConstraint(
                fields=["role", "language"],
                condition=models.Q(site=None),
                name="prompt_once_per_role_language",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def role_label(self) -> str:
        """The role in words where it is one of the product's own, else as it stands."""
        return str(PROMPT_ROLES.get(self.role, self.role))


class PromptVersion(models.Model):
    """One version of a prompt template; at most one of a template is published."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PUBLISHED = "published", _("Published")
        RETIRED = "retired", _("Retired")

    template = models.ForeignKey(
        PromptTemplate,
        on_delete=models.CASCADE,
        related_name="versions",
        verbose_name=_("template"),
    )
    number = models.PositiveIntegerField(_("version"), editable=False)
    status = models.CharField(
        _("status"), max_length=16, choices=Status.choices, default=Status.DRAFT, editable=False
    )
    system = models.TextField(
        _("instructions"),
        max_length=8000,
        validators=[MaxLengthValidator(8000)],
        help_text=_(
            "Fixed instructions (Jinja2). Keep what changes from question to question below."
        ),
    )
    user = models.TextField(
        _("message"),
        max_length=8000,
        validators=[MaxLengthValidator(8000)],
        help_text=_(
            "Jinja2 with passages, history, question, current_time, user_region, shop_name."
        ),
    )
    max_tokens = models.PositiveIntegerField(
        _("most tokens"), default=160, validators=[MinValueValidator(1)]
    )
    temperature = models.FloatField(_("temperature"), default=0.0)
    top_p = models.FloatField(_("top-p"), default=1.0)
    repetition_penalty = models.FloatField(_("repetition penalty"), default=1.0)
    thinking_tokens = models.PositiveIntegerField(
        _("think first, tokens"),
        default=0,
        validators=[MaxValueValidator(THINKING_TOKENS_MOST)],
        help_text=_(
            "How many tokens the model may spend on thinking before it answers; 0: none. It takes"
            " time before the first word; customers never see what was thought."
        ),
    )
    note = models.CharField(_("note"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    published_at = models.DateTimeField(_("published"), null=True, blank=True, editable=False)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("published by"),
    )
    publish_reason = models.CharField(
        _("why it was published all the same"), max_length=500, blank=True, editable=False
    )
    trial_figures = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text="What the trial said when it was published; kept when the trial is deleted.",
    )
    restored_from = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("brought back from"),
    )

    class Meta:
        verbose_name = _("prompt version")
        verbose_name_plural = _("prompt versions")
        ordering = ["template", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["template", "number"], name="prompt_version_number_once"
            ),
            models.UniqueConstraint(
                fields=["template"],
                condition=models.Q(status="published"),
                name="prompt_version_one_published",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.template} v{self.number}"

    def content_hash(self) -> str:
        """Names the text and parameters: another one after any change of them."""
        content = json.dumps([getattr(self, name) for name in CONTENT], ensure_ascii=False)
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
