"""What every rule says to a sentence, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from inference.errors import PromptError
from inference.prompts.rendering import text_render
from inference.rules.matching import RuleOutcome, RuleVerdict, Trigger
from inference.text.names import name_in
from knowledge.admin.refusals import refusal_words
from knowledge.models import Site
from knowledge.selectors import rules_enabled

ELSEWHERE: Final = (RuleOutcome.OTHER_TRIGGER, RuleOutcome.OTHER_LANGUAGE)
WORD_LENGTH: Final = 60
WORDS_MOST: Final = 12


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One rule and why it fires or not."""

    rule_id: int
    name: str
    priority: int
    is_winner: bool
    matched: bool
    why: str


@dataclass(frozen=True, slots=True)
class Trial:
    """The rule that fires, what it would say, and all rules in their order; ``others`` are those
    that cannot fire here, because they are for another language or moment."""

    winner: TrialRow | None
    reply: str
    is_handoff: bool
    tool: str
    trigger: Trigger
    rows: Sequence[TrialRow]
    others: Sequence[TrialRow]


def trial_make(*, site: Site, text: str, language: str, trigger: Trigger) -> Trial:
    """Try a sentence on the rules that are enabled for a site; rules that are off do not appear."""
    decision = rules_enabled(site_id=site.pk).decide(text, language, trigger)
    rows = [_row(verdict) for verdict in decision.trace if verdict.outcome not in ELSEWHERE]
    others = [_row(verdict) for verdict in decision.trace if verdict.outcome in ELSEWHERE]
    reply = ""
    if decision.rule and decision.rule.reply:
        variables = {
            "shop_name": name_in(site.name, language),
            "user_region": site.region,
            "current_time": timezone.localtime().strftime("%Y-%m-%d %H:%M"),
            "question": text,
            "language": language,
        }
        try:
            reply = text_render(decision.rule.reply, variables)
        except PromptError as error:
            reply = refusal_words(error)
    return Trial(
        winner=next((row for row in rows if row.is_winner), None),
        reply=reply,
        is_handoff=bool(decision.rule and decision.rule.action == "handoff"),
        tool=decision.rule.tool if decision.rule and decision.rule.action == "tool" else "",
        trigger=trigger,
        rows=rows,
        others=others,
    )


def _row(verdict: RuleVerdict) -> TrialRow:
    return TrialRow(
        rule_id=verdict.rule.id,
        name=verdict.rule.name,
        priority=verdict.rule.priority,
        is_winner=verdict.outcome is RuleOutcome.FIRED,
        matched=verdict.outcome in (RuleOutcome.FIRED, RuleOutcome.OUTRANKED),
        why=verdict_words(verdict),
    )


def verdict_words(verdict: RuleVerdict) -> str:
    """Why a rule fired or not, as a sentence."""
    matched, missing = _quoted(verdict.matched), _quoted(verdict.missing)
    match verdict.outcome:
        case RuleOutcome.FIRED:
            if not matched:
                return _("It has no condition, so it fires for everything.")
            return _("Found in the sentence: %(words)s") % {"words": matched}
        case RuleOutcome.OUTRANKED:
            return _("It matches too, but a rule with a smaller priority number comes first.")
        case RuleOutcome.OTHER_TRIGGER:
            if verdict.rule.trigger == "before":
                return _("It works before the model only.")
            return _("It works only when the model cannot answer.")
        case RuleOutcome.OTHER_LANGUAGE:
            return _("It is for another language.")
        case RuleOutcome.NONE_OF_ANY:
            return _("None of these words occurs: %(words)s") % {"words": missing}
        case RuleOutcome.SOME_OF_ALL_MISSING:
            return _("These words are missing: %(words)s") % {"words": missing}
        case RuleOutcome.EXCLUDED:
            return _("These words must not occur: %(words)s") % {"words": matched}
        case RuleOutcome.PATTERN_ABSENT:
            return _("The pattern does not occur: %(words)s") % {"words": missing}
        case RuleOutcome.OTHER_LABEL:
            return _("The message does not have the label: %(words)s") % {"words": missing}
        case RuleOutcome.UNUSABLE:
            return _("Its pattern is broken, so it never fires: %(words)s") % {"words": missing}


def _quoted(words: Sequence[str]) -> str:
    """The words in quotation marks; what is too long to be read there ends in dots."""
    if not words:
        return ""
    shown = [Truncator(word).chars(WORD_LENGTH) for word in words[:WORDS_MOST]]
    if len(words) > WORDS_MOST:
        shown.append("…")
    return _("“%(words)s”") % {"words": _("”, “").join(shown)}
