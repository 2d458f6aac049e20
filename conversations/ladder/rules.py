"""Admins' rules, before the model and when it cannot answer."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

from conversations.enums import Outcome, Reason, Tier
from conversations.ladder import wording
from conversations.ladder.fallback import SILENT, titles_offered
from conversations.ladder.ports import Knowledge, Labels
from conversations.ladder.values import Answer, Walk
from inference.errors import PromptError
from inference.prompts.rendering import text_render
from inference.rules.matching import NO_LABELS, Rule, Trigger
from inference.text.foreign import foreign_language_of

logger = logging.getLogger(__name__)

LABELS_SECONDS: Final = 1.5
"""How long a customer is kept waiting for labels that rules ask for."""


class RulesBefore:
    """Rules that answer, hand over or choose a tool before anything else is tried."""

    name = "rules"

    def __init__(self, knowledge: Knowledge, labels: Labels | None = None) -> None:
        self._knowledge = knowledge
        self._labels = labels

    async def answer(self, walk: Walk) -> Answer | None:
        return await _decided(
            self._knowledge, walk, trigger="before", tier=Tier.RULES, labels=self._labels
        )


class RulesOnFallback:
    """Rules for when the model cannot answer; the reason is kept.

    Where the knowledge is silent but not far off, the rule's reply is followed by the titles that
    are near. A reply in words that the customer does not speak is left to the next steps, which
    have some (``ladder.foreign``).
    """

    name = "fallback_rules"

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge

    async def answer(self, walk: Walk) -> Answer | None:
        answer = await _decided(self._knowledge, walk, trigger="fallback", tier=Tier.FALLBACK)
        if answer is None or answer.outcome is Outcome.HANDOFF:
            return answer
        if walk.spoken and foreign_language_of(answer.text) != walk.spoken:
            walk.rule_id = None
            walk.details.pop("rule", None)
            return None
        titles = titles_offered(walk) if walk.reason in SILENT else ()
        if not titles:
            return answer
        text = wording.reply_with_titles(walk.language, answer.text, titles)
        return replace(answer, text=text, choices=titles)


async def _decided(
    knowledge: Knowledge,
    walk: Walk,
    *,
    trigger: Trigger,
    tier: Tier,
    labels: Labels | None = None,
) -> Answer | None:
    question = walk.question
    rules = await knowledge.rules(site_id=question.site_id)
    found = NO_LABELS
    if labels is not None and (keys := rules.label_sets_asked(question.text, question.language)):
        found = await labels.labels(
            site_id=question.site_id,
            text=question.text,
            language=question.language,
            keys=keys,
            timeout=LABELS_SECONDS,
        )
        walk.details["labels"] = {key: [one.label, one.probability] for key, one in found.items()}
    decision = rules.decide(question.text, question.language, trigger, found)
    rule = decision.rule
    if rule is None:
        return None
    if rule.action == "tool":  # the next rung calls it, and notes the rule if that answers
        walk.tool_rule = rule
        return None
    walk.rule_id = rule.id
    matched = [list(verdict.matched) for verdict in decision.trace if verdict.rule is rule]
    walk.details["rule"] = {"name": rule.name, "matched": matched[0] if matched else []}
    handoff = rule.action == "handoff"
    text = _reply_render(rule, walk)
    if not text:
        if not handoff:
            return None
        text = wording.person_called(walk.language)
    return Answer(
        text,
        tier,
        walk.language,
        outcome=Outcome.HANDOFF if handoff else Outcome.ANSWER,
        reason=walk.reason or (Reason.HUMAN_REQUESTED if handoff else Reason.RULE),
    )


def _reply_render(rule: Rule, walk: Walk) -> str:
    """The rule's reply; empty when its template is broken, so that the next step answers."""
    try:
        return text_render(rule.reply, walk.question.template_variables()).strip()
    except PromptError:
        logger.exception("The reply of rule %s cannot be rendered.", rule.id)
        return ""
