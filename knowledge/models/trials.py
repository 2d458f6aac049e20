"""Question sets, and trials: a set asked twice, once as it is published and once as it might be."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxLengthValidator, MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from knowledge.models.entries import Entry
from knowledge.models.languages import Language
from knowledge.models.prompts import PromptVersion
from knowledge.models.sites import Site

QUESTIONS_MOST = 500
"""Questions of one set: each is answered twice, which takes seconds."""


class QuestionSet(models.Model):
    """Questions of a site with what a good answer to each has to hold."""

    site = models.ForeignKey(
        Site, on_delete=models.CASCADE, related_name="question_sets", verbose_name=_("site")
    )
    name = models.CharField(_("name"), max_length=120)
    is_demo = models.BooleanField(_("demo"), default=False, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("question set")
        verbose_name_plural = _("question sets")
        ordering = ["site", "name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["site", "name"], name="question_set_name_once_per_site")
        ]

    def __str__(self) -> str:
        return self.name


class Expectation(models.TextChoices):
    """What is to become of a question."""

    ANSWERED = "answered", _("Answered from the knowledge")
    UNANSWERED = "unanswered", _("Must not be answered")


class SetQuestion(models.Model):
    """One question of a set."""

    class Source(models.TextChoices):
        TYPED = "typed", _("Typed")
        CONVERSATION = "conversation", _("A conversation")
        GAP = "gap", _("A gap")
        FILE = "file", _("A file")

    question_set = models.ForeignKey(
        QuestionSet,
        on_delete=models.CASCADE,
        related_name="questions",
        verbose_name=_("question set"),
    )
    text = models.CharField(
        _("question"), max_length=500, help_text=_("As a customer would ask it.")
    )
    language = models.CharField(
        _("language"), max_length=16, choices=Language.choices, default=Language.ZH_HANS
    )
    expectation = models.CharField(
        _("expected"), max_length=16, choices=Expectation.choices, default=Expectation.ANSWERED
    )
    entries = models.ManyToManyField(
        Entry,
        blank=True,
        related_name="+",
        verbose_name=_("expected entries"),
        help_text=_("The answer has to come from one of these; empty: from any."),
    )
    facts = models.TextField(
        _("expected facts"),
        max_length=2000,
        blank=True,
        validators=[MaxLengthValidator(2000)],
        help_text=_(
            "One a line; the answer has to hold each of them. Other ways to say it stand behind |, "
            "for example: 7天 | 一周."
        ),
    )
    forbidden = models.TextField(
        _("forbidden facts"),
        max_length=2000,
        blank=True,
        validators=[MaxLengthValidator(2000)],
        help_text=_("One a line; the answer must hold none of them."),
    )
    source = models.CharField(
        _("source"),
        max_length=16,
        choices=Source.choices,
        default=Source.TYPED,
        editable=False,
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("question of a set")
        verbose_name_plural = _("questions of a set")
        ordering = ["question_set", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["question_set", "language", "text"], name="set_question_once"
            )
        ]

    def __str__(self) -> str:
        return self.text


class Trial(models.Model):
    """A set asked as it is published (the baseline) and with something changed (the candidate).

    What was asked and expected is copied, so that a later change of the set changes no result.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")
        FAILED = "failed", _("Broken off")

    question_set = models.ForeignKey(
        QuestionSet,
        on_delete=models.CASCADE,
        related_name="trials",
        verbose_name=_("question set"),
    )
    candidate = models.ForeignKey(
        PromptVersion,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="trials",
        verbose_name=_("prompt version"),
        help_text=_("Empty: the published prompts."),
    )
    candidate_hash = models.CharField(max_length=64, blank=True, editable=False)
    baseline = models.ForeignKey(
        PromptVersion,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("published version"),
    )
    model = models.CharField(
        _("model"),
        max_length=200,
        blank=True,
        help_text=_("Empty: the one that answers customers."),
    )
    direct_probability = models.FloatField(
        _("sent as it stands from"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.01)],
    )
    relevant_probability = models.FloatField(
        _("counts as known from"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0), MaxValueValidator(1.01)],
    )
    asks_model = models.BooleanField(
        _("let the model write every answer"),
        default=True,
        help_text=_(
            "Also where customers would get an entry word for word, so that prompts and models"
            " show a difference."
        ),
    )
    state = models.CharField(
        _("state"), max_length=16, choices=State.choices, default=State.WAITING, editable=False
    )
    problem = models.CharField(_("problem"), max_length=300, blank=True, editable=False)
    created_at = models.DateTimeField(_("started"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("started by"),
    )
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("trial")
        verbose_name_plural = _("trials")
        ordering = ["-created_at", "-pk"]
        indexes = [
            # the newest trial of a draft, for its page and for publishing it
            models.Index(fields=["candidate", "-created_at"], name="trial_of_candidate")
        ]

    def __str__(self) -> str:
        return f"{self.question_set} {self.pk}"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state not in (self.State.WAITING, self.State.RUNNING)


class TrialQuestion(models.Model):
    """A question of a trial, as it stood in the set when the trial began."""

    trial = models.ForeignKey(Trial, on_delete=models.CASCADE, related_name="questions")
    position = models.PositiveSmallIntegerField(_("position"))
    text = models.CharField(_("question"), max_length=500)
    language = models.CharField(_("language"), max_length=16, choices=Language.choices)
    expectation = models.CharField(_("expected"), max_length=16, choices=Expectation.choices)
    entries = models.JSONField(
        _("expected entries"), default=list, blank=True, help_text="ids of entries"
    )
    facts = models.TextField(_("expected facts"), blank=True)
    forbidden = models.TextField(_("forbidden facts"), blank=True)

    class Meta:
        ordering = ["trial", "position"]
        constraints = [
            models.UniqueConstraint(fields=["trial", "position"], name="trial_question_once")
        ]

    def __str__(self) -> str:
        return self.text


class TrialAnswer(models.Model):
    """What one side said to a question of a trial, and whether that is what was expected."""

    class Side(models.TextChoices):
        BASELINE = "baseline", _("Published")
        CANDIDATE = "candidate", _("Tried")

    question = models.ForeignKey(TrialQuestion, on_delete=models.CASCADE, related_name="answers")
    side = models.CharField(_("side"), max_length=16, choices=Side.choices)
    is_right = models.BooleanField(_("right"))
    problems = models.JSONField(_("problems"), default=list, blank=True, help_text="[code, words]")
    text = models.TextField(_("answer"), blank=True)
    tier = models.CharField(_("tier"), max_length=16, blank=True)
    reason = models.CharField(_("reason"), max_length=32, blank=True)
    cited = models.JSONField(_("entries used"), default=list, blank=True, help_text="ids")
    rejected = models.TextField(_("text that the support check refused"), blank=True)
    model = models.CharField(_("model"), max_length=120, blank=True)
    first_token_ms = models.FloatField(_("first token, ms"), null=True, blank=True)
    total_ms = models.FloatField(_("total, ms"), null=True, blank=True)
    prompt_tokens = models.PositiveIntegerField(_("prompt tokens"), default=0)
    completion_tokens = models.PositiveIntegerField(_("completion tokens"), default=0)

    class Meta:
        ordering = ["question", "side"]
        constraints = [
            # a trial that is taken up again answers nothing twice
            models.UniqueConstraint(fields=["question", "side"], name="trial_answer_once")
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.question_id}"
