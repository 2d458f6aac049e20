"""Fixed replies and actions."""

from __future__ import annotations

from django.core.validators import MaxLengthValidator, MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from knowledge.models.languages import AnyLanguage
from knowledge.models.sites import Site


class Rule(models.Model):
    """A fixed reply or action for messages that match."""

    class Trigger(models.TextChoices):
        BEFORE = "before", _("Before the model")
        FALLBACK = "fallback", _("When the model cannot answer")

    class Action(models.TextChoices):
        REPLY = "reply", _("Reply")
        HANDOFF = "handoff", _("Hand over to a person")
        TOOL = "tool", _("Call a tool")

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
    keywords_none = models.TextField(
        _("none of these words"),
        blank=True,
        help_text=_("One word or phrase a line; none may occur."),
    )
    pattern = models.CharField(
        _("pattern"),
        max_length=500,
        blank=True,
        help_text=_("A regular expression (RE2 syntax), searched in the message."),
    )
    label_set = models.SlugField(
        _("label set"),
        max_length=40,
        blank=True,
        help_text=_("Key of a label set, for example sentiment. Only before the model."),
    )
    label = models.SlugField(
        _("label"),
        max_length=60,
        blank=True,
        allow_unicode=True,
        help_text=_("The message must have this label, for example negative."),
    )
    label_probability = models.FloatField(
        _("least probability of the label"),
        default=0.8,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.0)],
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
    tool = models.ForeignKey(
        "knowledge.Tool",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="rules",
        verbose_name=_("tool"),
        help_text=_("For the action “Call a tool”. The tool's own words are the reply."),
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
