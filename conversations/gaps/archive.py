"""Gaps in an archive of the knowledge: what customers asked in vain, without who asked it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from conversations.models import Gap


def gaps_of(site_ids: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The gaps of some sites with their questions."""
    gaps = Gap.objects.filter(site__in=site_ids).select_related("site", "entry")
    for gap in gaps.prefetch_related("questions").order_by("pk").iterator(chunk_size=200):
        yield {
            "site": gap.site.key,
            "language": gap.language,
            "title": gap.title,
            "state": gap.state,
            "last_asked_at": gap.last_asked_at.isoformat(),
            "entry": gap.entry.question if gap.entry is not None else "",
            "questions": [
                {
                    "text": question.text,
                    "why": question.why,
                    "asked_at": question.asked_at.isoformat(),
                    "covered": question.covered,
                }
                for question in gap.questions.all()
            ],
        }
