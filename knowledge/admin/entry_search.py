"""The search box of the list of entries."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from inference.text.segmentation import terms_of
from knowledge.models import Entry


class EntrySearch:
    """Finds what is typed as it stands, or else by its words.

    Chinese is typed without blanks ("羊毛毯发票"), English in any form ("returning blankets"), and
    both with commas; Django looks for what stands between blanks, letter by letter.
    """

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Entry], search_term: str
    ) -> tuple[QuerySet[Entry], bool]:
        """The entries that hold every word, and whether some may come twice."""
        search: Any = super().get_search_results  # type: ignore[misc]
        found, may_repeat = search(request, queryset, search_term)
        if not search_term.strip() or found.exists():
            return found, may_repeat
        again: tuple[QuerySet[Entry], bool] = search(
            request, queryset, " ".join(terms_of(search_term)) or search_term
        )
        return again
