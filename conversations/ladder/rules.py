"""Admins' rules, before the model and when it cannot answer."""

from __future__ import annotations

import logging

from conversations.enums import Outcome, Reason, Tier
from conversations.ladder import wording
from conversations.ladder.ports import Knowledge
from conversations.ladder.values import Answer, Walk
from inference.errors import PromptError
from inference.prompts.rendering import text_render
from inference.rules.matching import Rule, Trigger

logger = logging.getLogger(__name__)


class RulesBefore:
    """Rules that answer or hand over before anything else is tried."""

    name = "rules"

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge

    async def answer(self, walk: Walk) -> Answer | None:
        return await _decided(self._knowledge, walk, trigger="before", tier=Tier.RULES)


class RulesOnFallback:
    """Rules for when the model cannot answer; the reason is kept."""

    name = "fallback_rules"

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge

    async def answer(self, walk: Walk) -> Answer | None:
        return await _decided(self._knowledge, walk, trigger="fallback", tier=Tier.FALLBACK)


async def _decided(
    knowledge: Knowledge, walk: Walk, *, trigger: Trigger, tier: Tier
) -> Answer | None:
    question = walk.question
    rules = await knowledge.rules(site_id=question.site_id)
    decision = rules.decide(question.text, question.language, trigger)
    rule = decision.rule
    if rule is None:
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
