"""Label sets: what messages are sorted by, the examples, and what was learnt from them."""

from __future__ import annotations

from django.core.validators import MaxLengthValidator, MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from knowledge.label_words import label_set_words, label_words
from knowledge.models.languages import AnyLanguage
from knowledge.models.sites import Site


class LabelSet(models.Model):
    """Labels of which every customer message gets one, for example its sentiment."""

    class Learning(models.TextChoices):
        NEVER = "never", _("Not learnt yet")
        WAITING = "waiting", _("Waiting to be learnt")
        RUNNING = "running", _("Being learnt")
        DONE = "done", _("Learnt")
        FAILED = "failed", _("Could not be learnt")

    site = models.ForeignKey(
        Site,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="label_sets",
        verbose_name=_("site"),
        help_text=_("Empty: for every site that has none of its own."),
    )
    key = models.SlugField(
        _("key"),
        max_length=40,
        help_text=_("What rules and reports call it, the same in every language."),
    )
    language = models.CharField(
        _("language"), max_length=16, choices=AnyLanguage.choices, blank=True, default=""
    )
    name = models.CharField(_("name"), max_length=120)
    system = models.TextField(
        _("instructions"),
        max_length=4000,
        blank=True,
        validators=[MaxLengthValidator(4000)],
        help_text=_(
            "What the model is told, for example: Answer only positive or negative. "
            "Jinja2 with labels."
        ),
    )
    user = models.TextField(
        _("message"),
        max_length=4000,
        default="{{ text }}",
        validators=[MaxLengthValidator(4000)],
        help_text=_("Jinja2 with text (the customer's message) and labels."),
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    is_default = models.BooleanField(_("ships with the product"), default=False, editable=False)
    learning = models.CharField(
        _("learning"),
        max_length=16,
        choices=Learning.choices,
        default=Learning.NEVER,
        editable=False,
    )
    progress = models.CharField(_("progress"), max_length=300, blank=True, editable=False)

    class Meta:
        verbose_name = _("label set")
        verbose_name_plural = _("label sets")
        ordering = ["key", "language", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["site", "key", "language"], name="label_set_once_per_site_key_language"
            ),
            # Sets of every site have no site, and SQLite takes two NULLs for different.
            models.UniqueConstraint(
                fields=["key", "language"],
                condition=models.Q(site=None),
                name="label_set_once_per_key_language",
            ),
        ]

    def __str__(self) -> str:
        return label_set_words(self.key, self.name)


class Label(models.Model):
    """One label of a set."""

    label_set = models.ForeignKey(LabelSet, on_delete=models.CASCADE, related_name="labels")
    name = models.SlugField(
        _("label"), max_length=60, allow_unicode=True, help_text=_("What is stored.")
    )
    words = models.CharField(
        _("words of the model"),
        max_length=300,
        blank=True,
        help_text=_(
            "What the model may begin its answer with when it means this label, separated by "
            "commas; each must begin differently."
        ),
    )
    description = models.CharField(_("description"), max_length=300, blank=True)
    threshold = models.FloatField(
        _("least probability"),
        default=0.5,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
        help_text=_("Below it, the outcome is “unsure”."),
    )
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        verbose_name = _("label")
        verbose_name_plural = _("labels")
        ordering = ["label_set", "position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["label_set", "name"], name="label_once_per_set")
        ]

    def __str__(self) -> str:
        return label_words(self.label_set.key, self.name)


class LabelExample(models.Model):
    """A text that somebody has labelled."""

    label_set = models.ForeignKey(
        LabelSet, on_delete=models.CASCADE, related_name="examples", verbose_name=_("label set")
    )
    label = models.ForeignKey(
        Label, on_delete=models.CASCADE, related_name="examples", verbose_name=_("label")
    )
    text = models.CharField(_("text"), max_length=500)
    is_default = models.BooleanField(_("ships with the product"), default=False, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("labelled example")
        verbose_name_plural = _("labelled examples")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["label_set", "text"], name="label_example_once_per_set")
        ]

    def __str__(self) -> str:
        return self.text


class LabelFit(models.Model):
    """What was learnt from a set's examples: numbers only, see ``inference/labels/storage.py``."""

    label_set = models.OneToOneField(LabelSet, on_delete=models.CASCADE, related_name="fit")
    revision = models.CharField(
        max_length=64, help_text="Names the examples, prompt and models that it was learnt from."
    )
    asks_model = models.BooleanField(
        default=True, help_text="Whether the chat model is asked: it made the labels better."
    )
    data = models.BinaryField()
    fitted_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.label_set} {self.revision[:8]}"
