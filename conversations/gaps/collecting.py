"""Finds gaps: searches new outcomes and ratings, and sorts their questions into subjects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np
from asgiref.sync import sync_to_async
from django.db import transaction
from django.utils import timezone

from conversations.gaps.clustering import Floats, groups_assign, most_central, vectors_centred
from conversations.gaps.selectors import UnansweredQuestion, questions_unanswered
from conversations.models import Gap, GapQuestion, GapSearch
from inference.chat import EmbeddingClient
from knowledge.models import Entry

_TEXTS_AT_ONCE: Final = 64
_SECONDS: Final = 60.0
_BACKGROUND_MOST: Final = 500
"""Entries whose questions tell what is common to all questions of a shop."""


async def gaps_collect(*, site_id: int, encoder: EmbeddingClient) -> int:
    """Sort what was asked since the last search into gaps; returns how many questions were new.

    Raises:
        EngineError: the encoder is away; nothing is stored, so the next search finds the same.
    """
    until = timezone.now()
    questions, known, background = await sync_to_async(_read)(site_id, until)
    new = 0
    for language in sorted({question.language for question in questions}):
        part = [question for question in questions if question.language == language]
        gaps = [gap for gap in known if gap.language == language]
        new += await _language_collect(site_id, language, part, gaps, background, encoder)
    await sync_to_async(_searched)(site_id, until)
    return new


def _read(
    site_id: int, until: datetime
) -> tuple[list[UnansweredQuestion], list[Gap], list[tuple[str, str]]]:
    since = GapSearch.objects.filter(site_id=site_id).values_list("searched_at", flat=True).first()
    questions = questions_unanswered(site_id=site_id, since=since, until=until)
    gaps = list(
        Gap.objects.filter(site_id=site_id, state__in=(Gap.State.OPEN, Gap.State.DISMISSED))
        .prefetch_related("questions")
        .order_by("pk")
    )
    background = list(
        Entry.objects.filter(site_id=site_id)
        .order_by("-pk")
        .values_list("language", "question")[:_BACKGROUND_MOST]
    )
    return questions, gaps, background


async def _language_collect(
    site_id: int,
    language: str,
    questions: Sequence[UnansweredQuestion],
    gaps: Sequence[Gap],
    background: Sequence[tuple[str, str]],
    encoder: EmbeddingClient,
) -> int:
    asked = [[question.text for question in gap.questions.all()] for gap in gaps]
    others = [text for each, text in background if each == language]
    fresh = [question.text for question in questions]
    flat = [text for texts in asked for text in texts]
    vectors = await _vectors([*fresh, *flat, *others], encoder)
    centred = vectors_centred(vectors, vectors)
    groups: list[Floats] = []
    start = len(fresh)
    for texts in asked:
        groups.append(centred[start : start + len(texts)])
        start += len(texts)
    numbers = groups_assign(centred[: len(fresh)], groups)
    await sync_to_async(_store)(site_id, language, questions, gaps, numbers, centred)
    return len(fresh)


async def _vectors(texts: Sequence[str], encoder: EmbeddingClient) -> Floats:
    parts = [
        await encoder.embed(texts[start : start + _TEXTS_AT_ONCE], kind="query", timeout=_SECONDS)
        for start in range(0, len(texts), _TEXTS_AT_ONCE)
    ]
    return np.concatenate(parts)


@transaction.atomic
def _store(
    site_id: int,
    language: str,
    questions: Sequence[UnansweredQuestion],
    gaps: Sequence[Gap],
    numbers: Sequence[int],
    centred: Floats,
) -> None:
    found = dict(enumerate(gaps))
    for number in dict.fromkeys(numbers):
        rows = [row for row, each in enumerate(numbers) if each == number]
        latest = max(questions[row].asked_at for row in rows)
        gap = found.get(number)
        if gap is None:
            speaker = questions[rows[most_central(centred[rows])]]
            gap = Gap.objects.create(
                site_id=site_id, language=language, title=speaker.text, last_asked_at=latest
            )
        elif gap.last_asked_at < latest:
            gap.last_asked_at = latest
            gap.save(update_fields=["last_asked_at"])
        for row in rows:
            question = questions[row]
            GapQuestion.objects.get_or_create(
                message_id=question.message_id,
                defaults={
                    "gap": gap,
                    "text": question.text,
                    "why": question.why,
                    "asked_at": question.asked_at,
                },
            )


def _searched(site_id: int, until: datetime) -> None:
    GapSearch.objects.update_or_create(site_id=site_id, defaults={"searched_at": until})
