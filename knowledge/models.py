"""What a site knows and how it speaks: entries, prompt templates and rules."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.core.validators import MaxLengthValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class Language(models.TextChoices):
    """Languages that knowledge, prompts and rules are kept in."""

    ZH_HANS = "zh-hans", _("Chinese (simplified)")
    EN = "en", _("English")


class AnyLanguage(models.TextChoices):
    """A language, or any."""

    ANY = "", _("Any language")
    ZH_HANS = "zh-hans", _("Chinese (simplified)")
    EN = "en", _("English")


def _site_key() -> str:
    return secrets.token_urlsafe(16)


class Site(models.Model):
    """A shop's website that carries the widget."""

    name = models.CharField(_("name"), max_length=120, help_text=_("Shown to customers."))
    key = models.CharField(
        _("site key"),
        max_length=64,
        unique=True,
        default=_site_key,
        help_text=_("Stands in the widget's script tag. It is public."),
    )
    allowed_origins = models.TextField(
        _("allowed origins"),
        blank=True,
        help_text=_(
            "The addresses that may show the widget, one a line, with scheme and port, "
            "for example https://shop.example. Nothing else may connect."
        ),
    )
    language = models.CharField(
        _("language"), max_length=16, choices=Language.choices, default=Language.ZH_HANS
    )
    region = models.CharField(
        _("region"),
        max_length=80,
        blank=True,
        help_text=_("Used as the customer's region when nothing better is known."),
    )
    identity_secret = models.CharField(
        _("identity secret"),
        max_length=128,
        blank=True,
        help_text=_(
            "Signs the identity tokens (HS256) of customers who are logged in to the shop."
        ),
    )
    identity_secret_previous = models.CharField(
        _("previous identity secret"),
        max_length=128,
        blank=True,
        help_text=_("Still accepted, so that the secret can be changed without a gap."),
    )
    welcome_zh = models.CharField(_("welcome text (Chinese)"), max_length=300, blank=True)
    welcome_en = models.CharField(_("welcome text (English)"), max_length=300, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    is_demo = models.BooleanField(_("demo"), default=False, editable=False)
    knowledge_revision = models.PositiveBigIntegerField(
        _("knowledge revision"),
        default=0,
        editable=False,
        help_text="Grows with every change of entries and phrasings (knowledge/revisions.py).",
    )
    wording_revision = models.PositiveBigIntegerField(
        default=0,
        editable=False,
        help_text="Grows with every change of rules and prompts (knowledge/revisions.py).",
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("site")
        verbose_name_plural = _("sites")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def origins(self) -> list[str]:
        """The allowed origins as a list, without blank lines."""
        return [line.strip() for line in self.allowed_origins.splitlines() if line.strip()]


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
    revision = models.PositiveIntegerField(_("revision"), default=1, editable=False)
    changed_in = models.PositiveBigIntegerField(
        default=0,
        editable=False,
        help_text="The site's knowledge revision of the last change (knowledge/revisions.py).",
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
        indexes = [
            # selectors.entries_published(): what the retrieval index is built from
            models.Index(fields=["site", "status"], name="entry_site_status"),
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


class PromptTemplate(models.Model):
    """A prompt that admins keep, in one language, with versions."""

    class PromptRole(models.TextChoices):
        ANSWER = "answer", _("Answer from the knowledge")
        REWRITE = "rewrite", _("Rewrite a follow-up question")

    site = models.ForeignKey(
        Site,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="prompt_templates",
        verbose_name=_("site"),
        help_text=_("Empty: for every site that has none of its own."),
    )
    role = models.CharField(_("role"), max_length=32, choices=PromptRole.choices)
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


class Rule(models.Model):
    """A fixed reply or action for messages that match."""

    class Trigger(models.TextChoices):
        BEFORE = "before", _("Before the model")
        FALLBACK = "fallback", _("When the model cannot answer")

    class Action(models.TextChoices):
        REPLY = "reply", _("Reply")
        HANDOFF = "handoff", _("Hand over to a person")

    site = models.ForeignKey(
        Site,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="rules",
        verbose_name=_("site"),
        help_text=_("Empty: for every site."),
    )
    name = models.CharField(_("name"), max_length=120)
    priority = models.IntegerField(
        _("priority"),
        default=100,
        help_text=_("The rule with the smallest number that matches wins."),
    )
    language = models.CharField(
        _("language"), max_length=16, choices=AnyLanguage.choices, blank=True, default=""
    )
    trigger = models.CharField(
        _("when"), max_length=16, choices=Trigger.choices, default=Trigger.BEFORE
    )
    keywords_any = models.TextField(
        _("any of these words"),
        blank=True,
        help_text=_("One word or phrase a line; one is enough."),
    )
    keywords_all = models.TextField(
        _("all of these words"),
        blank=True,
        help_text=_("One word or phrase a line; all must occur."),
    )
    pattern = models.CharField(
        _("pattern"),
        max_length=500,
        blank=True,
        help_text=_("A regular expression (RE2 syntax), searched in the message."),
    )
    reply = models.TextField(
        _("reply"),
        max_length=4000,
        validators=[MaxLengthValidator(4000)],
        blank=True,
        help_text=_("Jinja2 with shop_name, user_region, current_time, question."),
    )
    action = models.CharField(
        _("action"), max_length=16, choices=Action.choices, default=Action.REPLY
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    is_default = models.BooleanField(_("ships with the product"), default=False, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        ordering = ["trigger", "priority", "pk"]

    def __str__(self) -> str:
        return self.name
