"""Filters of the conversation list."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from conversations.enums import Outcome, Tier
from conversations.models import Conversation, Message


class TierFilter(SimpleListFilter):
    """Conversations with at least one answer of a tier."""

    title = _("answered by")
    parameter_name = "tier"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Any:
        return [(tier.value, tier.label) for tier in Tier]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Conversation]
    ) -> QuerySet[Conversation]:
        if not self.value():
            return queryset
        answers = Message.objects.filter(conversation=OuterRef("pk"), tier=self.value())
        return queryset.filter(Exists(answers))


class JudgementFilter(SimpleListFilter):
    """Conversations by what the customer thought, or by what went wrong."""

    title = _("went")
    parameter_name = "went"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Any:
        return [
            ("satisfied", _("Rated satisfied")),
            ("unsatisfied", _("Rated not satisfied")),
            ("handoff", _("Handed to a person")),
            ("unanswered", _("Without an answer from the knowledge")),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Conversation]
    ) -> QuerySet[Conversation]:
        satisfied = Q(rating__stars__gte=4) | Q(rating__stars__isnull=True, rating__thumb=True)
        match self.value():
            case "satisfied":
                wanted = satisfied
            case "unsatisfied":
                wanted = Q(rating__isnull=False) & ~satisfied
            case "handoff":
                wanted = Q(outcome=Outcome.HANDOFF)
            case "unanswered":
                wanted = Q(tier__in=(Tier.FALLBACK, Tier.APOLOGY))
            case _:
                return queryset
        messages = Message.objects.filter(wanted, conversation=OuterRef("pk"))
        return queryset.filter(Exists(messages))
