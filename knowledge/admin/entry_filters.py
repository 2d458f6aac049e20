"""Filters of the list of entries: what is due, and what is shown now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib.admin import SimpleListFilter
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from knowledge.models import Entry
from knowledge.selectors import entries_due

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

Lookups = Iterable[tuple[str, "str | _StrPromise"]]


class DueFilter(SimpleListFilter):
    """Entries that somebody should look at again."""

    title = _("look again")
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("mine", _("Due, mine")), ("all", _("Due")), ("unowned", _("Without an owner"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        match self.value():
            case "mine":
                return entries_due(queryset, on=timezone.localdate()).filter(
                    owner_id=request.user.pk
                )
            case "all":
                return entries_due(queryset, on=timezone.localdate())
            case "unowned":
                return queryset.filter(owner=None)
        return queryset


class ValidityFilter(SimpleListFilter):
    """Entries by whether their dates let them be shown now."""

    title = _("validity")
    parameter_name = "validity"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Lookups:
        return [("now", _("Valid now")), ("later", _("Not valid yet")), ("over", _("Expired"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> QuerySet[Entry]:
        now = timezone.now()
        match self.value():
            case "now":
                return queryset.filter(
                    Q(valid_from=None) | Q(valid_from__lte=now),
                    Q(valid_until=None) | Q(valid_until__gt=now),
                )
            case "later":
                return queryset.filter(valid_from__gt=now)
            case "over":
                return queryset.filter(valid_until__lte=now)
        return queryset
