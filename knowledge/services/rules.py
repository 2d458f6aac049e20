"""Writes to rules."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from inference.prompts.rendering import reply_check
from inference.rules import matching
from knowledge.models import Rule, Site
from knowledge.selectors import rule_value

FIELDS = frozenset(
    [
        "site", "name", "priority", "language", "trigger", "keywords_any", "keywords_all",
        "keywords_none", "pattern", "label_set", "label", "label_probability", "reply", "action",
        "tool", "is_enabled",
    ]
)  # fmt: skip


def rule_check(*, site: Site | None = None, **values: Any) -> None:
    """Refuse a rule that could not work, before it is stored.

    Raises:
        RuleError: its pattern or conditions are not usable, with a sentence.
        PromptError: its reply does not render.
    """
    rule = Rule(site=site, **_known(values))
    matching.rule_check(rule_value(rule))
    if rule.reply.strip():
        reply_check(rule.reply)


@transaction.atomic
def rule_create(*, is_default: bool = False, **values: Any) -> Rule:
    """Create a rule from the values of ``FIELDS``.

    Raises:
        RuleError, PromptError: see :func:`rule_check`.
        ValidationError: a value is too long or an unknown choice.
    """
    rule_check(**values)
    rule = Rule(is_default=is_default, **values)
    rule.full_clean(exclude=["site"])
    rule.save()
    return rule


@transaction.atomic
def rule_update(*, rule: Rule, **values: Any) -> Rule:
    """Change the given values; the same errors as :func:`rule_create`, and nothing is written.

    Switching off is never refused: a rule that stopped working must be stoppable.
    """
    row = Rule.objects.select_for_update().get(pk=rule.pk)
    for name, value in _known(values).items():
        setattr(row, name, value)
    if row.is_enabled:
        rule_check(**{name: getattr(row, name) for name in FIELDS})
    row.full_clean(exclude=["site"])
    row.save()
    rule.refresh_from_db()
    return rule


@transaction.atomic
def rule_delete(*, rule: Rule) -> None:
    """Delete a rule."""
    Rule.objects.filter(pk=rule.pk).delete()


def _known(values: dict[str, Any]) -> dict[str, Any]:
    unknown = values.keys() - FIELDS
    if unknown:
        raise TypeError(f"A rule has no {', '.join(sorted(unknown))}.")
    return values
