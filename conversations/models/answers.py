"""Answers that may be given again."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from conversations.models.conversations import Message
from knowledge.models import Site


class CachedAnswer(models.Model):
    """An answer of the model that may be given again to whoever asks the same.

    The text lies in ``message``: when that goes, so does this. ``basis`` is a digest of everything
    besides the question that the answer hangs on (``conversations.answers.basis``), so a row whose
    basis is out of date is simply never found again.
    """

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+")
    basis = models.CharField(max_length=64)
    question_hash = models.CharField(max_length=64, help_text="SHA-256 of the folded question.")
    question = models.TextField(_("question"))
    language = models.CharField(_("language"), max_length=16)
    passages = models.CharField(
        max_length=200, help_text="The entries that the model was given, best first."
    )
    vector = models.BinaryField(
        null=True, help_text="The question's: float16, little-endian, L2-normalised."
    )
    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="cached")
    valid_until = models.DateTimeField(null=True)
    refused_at = models.DateTimeField(
        null=True, help_text="Judged bad: never given again, and not replaced by the same."
    )
    hits = models.PositiveIntegerField(_("given again"), default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("answer kept to be given again")
        verbose_name_plural = _("answers kept to be given again")
        constraints = [
            # also answer_asked(): the same question again
            models.UniqueConstraint(
                fields=["basis", "question_hash"], name="cached_answer_once_per_question"
            )
        ]
        indexes = [
            # answer_alike(): nearly the same question, which finds the same entries
            models.Index(fields=["basis", "passages"], name="cached_answer_passages"),
            # answers_trim(): the longest unused of a site
            models.Index(fields=["site", "used_at"], name="cached_answer_unused"),
        ]

    def __str__(self) -> str:
        return self.question
