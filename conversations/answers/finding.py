"""Reads of the answer cache."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import numpy as np
from django.db.models import Q, QuerySet
from django.utils import timezone
from numpy.typing import NDArray

from conversations.answers.basis import AnswerBasis
from conversations.answers.nearness import nearest_same
from conversations.answers.values import AnswerKept, PassageKept
from conversations.models import CachedAnswer, PassageUse
from inference.text.normalisation import text_normalise
from knowledge.models import Site
from knowledge.selectors import prompt_published, validity_change_next

Floats = NDArray[np.float32]

KEPT_FOR: Final = timedelta(days=30)
"""An answer is not given again later than so long after it was made."""
COMPARED_MOST: Final = 200
"""Kept questions with the same entries that one question is compared with, the last used first."""


def question_hash(text: str) -> str:
    """A digest of a question that does not mind case, width, white space and final marks."""
    folded = text_normalise(text).rstrip("?!.。~… ").strip()
    return hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()


def answer_basis(
    *,
    site_id: int,
    language: str,
    audiences: Sequence[int],
    model: str,
    model_hash: str,
    shop_name: str,
    region: str,
) -> AnswerBasis | None:
    """What an answer would hang on now; ``None`` where no prompt is published.

    Read before the knowledge is searched: an answer that was made from newer knowledge is then kept
    under a revision that does not come back.
    """
    revisions = (
        Site.objects.filter(pk=site_id)
        .values_list("knowledge_revision", "wording_revision")
        .first()
    )
    prompt = prompt_published(site_id=site_id, role="answer", language=language)
    if revisions is None or prompt is None:
        return None
    return AnswerBasis(
        site_id=site_id,
        language=language,
        audiences=tuple(sorted(audiences)),
        knowledge_revision=revisions[0],
        wording_revision=revisions[1],
        prompt_version_id=prompt.version_id,
        model=model,
        model_hash=model_hash,
        shop_name=shop_name,
        region=region,
        valid_until=validity_change_next(site_id=site_id, after=timezone.now()),
    )


def answer_asked(*, basis: AnswerBasis, text: str) -> AnswerKept | None:
    """The kept answer to the very same question."""
    found = _good().filter(basis=basis.key, question_hash=question_hash(text)).first()
    return _kept(found, 1.0) if found is not None else None


def answer_alike(
    *, basis: AnswerBasis, text: str, vector: Floats, passages: str
) -> AnswerKept | None:
    """The kept answer to nearly the same question, which found the same entries.

    A judged-bad answer to such a question stands in the way of a good one.
    """
    rows = list(
        _of_now()
        .filter(basis=basis.key, passages=passages, vector__isnull=False)
        .order_by("-used_at", "-pk")[:COMPARED_MOST]
    )
    nearest = nearest_same(
        text,
        vector,
        ((row, row.question, bytes(row.vector or b"")) for row in rows),
        language=basis.language,
    )
    if nearest is None or nearest[0].refused_at is not None:
        return None
    return _kept(*nearest)


def _of_now() -> QuerySet[CachedAnswer]:
    now = timezone.now()
    return CachedAnswer.objects.filter(
        Q(valid_until__isnull=True) | Q(valid_until__gt=now), created_at__gt=now - KEPT_FOR
    ).select_related("message__provenance")


def _good() -> QuerySet[CachedAnswer]:
    return _of_now().filter(refused_at__isnull=True)


def _kept(row: CachedAnswer, similarity: float) -> AnswerKept:
    message, made = row.message, row.message.provenance
    passages = PassageUse.objects.filter(provenance=made, entry__isnull=False).order_by("position")
    return AnswerKept(
        cached_id=row.pk,
        message_id=message.pk,
        conversation_id=message.conversation_id,
        seq=message.seq,
        question=row.question,
        text=message.text,
        citations=list(message.citations),
        similarity=similarity,
        passages=[
            PassageKept(each.entry_id, each.entry_revision, each.score, each.cited, each.text)
            for each in passages
            if each.entry_id is not None
        ],
        model=made.model,
        model_hash=made.model_hash,
        prompt_version_id=made.prompt_version_id,
    )
