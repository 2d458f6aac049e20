"""Writes of the answer cache, each inside the transaction of what it belongs to."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from conversations.answers.finding import question_hash
from conversations.answers.values import AnswerToKeep
from conversations.models import CachedAnswer, Message, Provenance

_TRIM_EVERY: Final = 50
"""The bound may be passed by so many rows."""


def answer_keep(*, message: Message, kept: AnswerToKeep) -> None:
    """Keep an answer that was just stored.

    Whoever was first stays: the same question answered twice at once, or an answer that was judged
    bad. An answer with a text that was judged bad on the same basis is not kept either.
    """
    key = kept.basis.key
    if CachedAnswer.objects.filter(
        basis=key, refused_at__isnull=False, message__text=message.text
    ).exists():
        return
    digest = question_hash(kept.question)
    # Out of date, but for its age or its dates it would stand in the way.
    CachedAnswer.objects.filter(
        basis=key, question_hash=digest, refused_at__isnull=True, valid_until__lte=timezone.now()
    ).delete()
    row = CachedAnswer(
        site_id=kept.basis.site_id,
        basis=key,
        question_hash=digest,
        question=kept.question,
        language=kept.basis.language,
        passages=kept.passages,
        vector=kept.vector,
        message=message,
        valid_until=kept.basis.valid_until,
    )
    CachedAnswer.objects.bulk_create([row], ignore_conflicts=True)
    if message.pk % _TRIM_EVERY == 0:
        answers_trim(site_id=kept.basis.site_id)


def answer_hit(*, cached_id: int) -> None:
    """Count that an answer was given again."""
    CachedAnswer.objects.filter(pk=cached_id).update(hits=F("hits") + 1, used_at=timezone.now())


def answer_refuse(*, message_id: int) -> int:
    """Never give an answer again that was judged bad: it, what it was copied from, and others with
    the same text. Returns how many kept answers that concerns."""
    sources = {message_id}
    copied = Provenance.objects.filter(message=message_id).values_list("reused_id", flat=True)
    sources.update(source for source in copied if source is not None)
    judged = Message.objects.filter(pk__in=sources).values("text")
    site = Message.objects.filter(pk=message_id).values("conversation__site")
    return CachedAnswer.objects.filter(
        Q(message__in=sources) | Q(message__text__in=judged),
        site__in=site,
        refused_at__isnull=True,
    ).update(refused_at=timezone.now())


def answers_trim(*, site_id: int) -> int:
    """Drop a site's longest unused answers beyond ``ANSWER_CACHE``; returns how many."""
    kept = CachedAnswer.objects.filter(site=site_id).order_by("-used_at", "-pk")
    last = kept.values_list("pk", flat=True)[settings.ANSWER_CACHE :]
    dropped, _ = CachedAnswer.objects.filter(pk__in=list(last)).delete()
    return dropped
