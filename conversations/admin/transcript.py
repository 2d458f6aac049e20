"""A conversation as people read it: bubbles, and behind each answer what it was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Prefetch
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext_lazy, pgettext_lazy
from django.utils.translation import gettext as _

from conversations.admin import tool_evidence
from conversations.enums import Outcome, Role, Tier
from conversations.labels import KEYWORDS, LANGUAGE
from conversations.models import Message, MessageLabel, PassageUse, Provenance, Rating, Replay
from knowledge.label_words import label_words
from knowledge.models import LabelSet, Language

LABEL_NAMES: dict[str, str | Promise] = {
    LANGUAGE: gettext_lazy("Language"),
    KEYWORDS: gettext_lazy("Keywords"),
}

STAGE_LABELS: dict[str, str | Promise] = {
    "guard": pgettext_lazy("stage", "Guard"),
    "rules": pgettext_lazy("stage", "Rules"),
    "tool": pgettext_lazy("stage", "Tool"),
    "retrieval": pgettext_lazy("stage", "Search in the knowledge"),
    "encoder": pgettext_lazy("stage", "Waiting for the meaning of the words"),
    "cache": pgettext_lazy("stage", "Same question before"),
    "direct": pgettext_lazy("stage", "Direct answer"),
    "quoted": pgettext_lazy("stage", "Quote from a document"),
    "clarify": pgettext_lazy("stage", "Question back"),
    "cache_near": pgettext_lazy("stage", "Nearly the same question before"),
    "first_token": pgettext_lazy("stage", "First word of the model"),
    "generated": pgettext_lazy("stage", "Generation"),
    "engine": pgettext_lazy("stage", "Waiting for the model"),
    "own_words": pgettext_lazy("stage", "An entry's own words"),
    "other_language": pgettext_lazy("stage", "Entry in another language"),
    "cannot_confirm": pgettext_lazy("stage", "Saying that it is not known"),
    "fallback_rules": pgettext_lazy("stage", "Fallback rules"),
    "fallback": pgettext_lazy("stage", "Fallback rules"),
    "apology": pgettext_lazy("stage", "Apology"),
    "total": pgettext_lazy("stage", "In all"),
}

SHOWN_MILLISECONDS = 0.5
"""Stages that took less are left out: most steps only look and pass on."""

DETAIL_WORDS: dict[str, str | Promise] = {
    "method": gettext_lazy("Method"),
    "probability": gettext_lazy("Confidence"),
    "hybrid": gettext_lazy("keywords and meaning"),
    "keywords": gettext_lazy("keywords only"),
}

TIER_VARIANTS: dict[str, str] = {
    Tier.DIRECT: "success",
    Tier.GENERATED: "primary",
    Tier.RULES: "info",
    Tier.CACHE: "success",
    Tier.TOOL: "info",
    Tier.FALLBACK: "warning",
    Tier.APOLOGY: "danger",
    Tier.GUARD: "warning",
}


@dataclass(frozen=True, slots=True)
class Timing:
    """A stage and its duration in milliseconds; ``percent`` of the longest, for a bar."""

    label: str | Promise
    milliseconds: float
    percent: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an answer was made from."""

    provenance: Provenance
    passages: Sequence[PassageUse]
    prompt: Sequence[tuple[str, str]]
    timings: Sequence[Timing]
    total_milliseconds: float | None
    rule_words: Sequence[str]
    problems: Sequence[str]
    reasoning: str
    other_details: Sequence[tuple[str, str]]
    tool: tool_evidence.ToolEvidence | None
    reused: Message | None
    cache_question: str
    cache_similarity: float


@dataclass(frozen=True, slots=True)
class LabelShown:
    """What a label set says of a message; ``hint`` tells how sure it is, and by what."""

    name: str
    value: str
    hint: str


@dataclass(frozen=True, slots=True)
class Line:
    """One item of the transcript."""

    message: Message
    side: str
    variant: str
    created_at: datetime
    rating: Rating | None
    evidence: Evidence | None
    labels: Sequence[LabelShown] = ()
    replays: Sequence[Replay] = ()

    @property
    def stars(self) -> Sequence[bool]:
        """Five stars, filled or not."""
        count = (self.rating.stars if self.rating else None) or 0
        return [number < count for number in range(5)] if count else []


def transcript(*, conversation_id: UUID) -> list[Line]:
    """All items of a conversation, oldest first; six queries, however long it is."""
    messages = (
        Message.objects.filter(conversation_id=conversation_id)
        .select_related(
            "rating",
            "provenance__prompt_version__template",
            "provenance__rule",
            "provenance__reused",
            "provenance__recalled_by",
        )
        .prefetch_related(
            Prefetch(
                "provenance__passages",
                queryset=PassageUse.objects.select_related("entry").order_by("position"),
            ),
            "labels",
            "replays",
        )
        .order_by("seq")
    )
    # One key has a set for each language: the reader's own name for it comes last and wins.
    read = get_language()
    names = {
        key: name
        for key, name, _language in sorted(
            LabelSet.objects.values_list("key", "name", "language"), key=lambda row: row[2] == read
        )
    }
    return [_line(message, names) for message in messages]


def _line(message: Message, set_names: Mapping[str, str]) -> Line:
    match message.role:
        case Role.CUSTOMER:
            side = "customer"
        case Role.SYSTEM:
            side = "system"
        case _:
            side = "desk"
    variant = (
        "warning" if message.outcome == Outcome.HANDOFF else TIER_VARIANTS.get(message.tier, "")
    )
    provenance: Provenance | None = _related(message, "provenance")
    return Line(
        message=message,
        side=side,
        variant=variant,
        created_at=message.created_at,
        rating=_related(message, "rating"),
        evidence=_evidence(provenance) if provenance else None,
        labels=[_label(label, set_names) for label in message.labels.all()],
        replays=list(message.replays.all()),
    )


def _label(label: MessageLabel, set_names: Mapping[str, str]) -> LabelShown:
    name = LABEL_NAMES.get(label.label_set) or set_names.get(label.label_set, label.label_set)
    value = label_words(label.label_set, label.label) if label.label else _("unsure")
    if label.label_set == LANGUAGE:
        value = str(dict(Language.choices).get(label.label, label.label))
    if label.label_set in LABEL_NAMES:
        return LabelShown(str(name), value, "")
    hint = _("Likeliest: %(label)s, %(percent)s") % {
        "label": label_words(label.label_set, label.best),
        "percent": f"{100 * label.probability:.0f}%",
    }
    return LabelShown(str(name), value, hint)


def _related(message: Message, name: str) -> Any:
    try:
        return getattr(message, name)
    except ObjectDoesNotExist:
        return None


def _evidence(provenance: Provenance) -> Evidence:
    details = provenance.details if isinstance(provenance.details, Mapping) else {}
    rule = details.get("rule")
    problems = details.get("problems")
    cache = details.get("cache")
    cache = cache if isinstance(cache, Mapping) else {}
    known = {"rule", "problems", "reasoning", "cache", *tool_evidence.DETAILS}
    total = _milliseconds(provenance.timings, "total")
    return Evidence(
        provenance=provenance,
        passages=list(provenance.passages.all()),
        prompt=[
            (str(part.get("role", "")), str(part.get("content", "")))
            for part in provenance.rendered_prompt
            if isinstance(part, Mapping)
        ],
        timings=_timings(provenance.timings),
        total_milliseconds=total,
        rule_words=_rule_words(rule),
        problems=[str(problem) for problem in problems] if isinstance(problems, list) else [],
        reasoning=str(details.get("reasoning", "")),
        reused=provenance.reused,
        cache_question=str(cache.get("question", "")),
        cache_similarity=float(cache.get("similarity", 1.0)),
        tool=tool_evidence.tool_evidence(details),
        other_details=[
            (key, _flat(value)) for key, value in sorted(details.items()) if key not in known
        ],
    )


def _rule_words(rule: object) -> list[str]:
    """What of the customer's sentence made the rule fire."""
    words = rule.get("matched") if isinstance(rule, Mapping) else None
    return [str(word) for word in words] if isinstance(words, list) else []


def _flat(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            _("%(key)s: %(value)s") % {"key": DETAIL_WORDS.get(key, key), "value": _flat(part)}
            for key, part in value.items()
        )
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    return str(DETAIL_WORDS.get(value, value)) if isinstance(value, str) else str(value)


def _milliseconds(timings: object, name: str) -> float | None:
    value = timings.get(name) if isinstance(timings, Mapping) else None
    return float(value) if isinstance(value, int | float) else None


def _timings(timings: object) -> list[Timing]:
    if not isinstance(timings, Mapping):
        return []
    values = {
        str(name): float(value)
        for name, value in timings.items()
        if isinstance(value, int | float) and (value >= SHOWN_MILLISECONDS or name == "total")
    }
    longest = max(values.values(), default=0.0)
    order = list(STAGE_LABELS)
    names = sorted(values, key=lambda name: order.index(name) if name in order else len(order))
    return [
        Timing(
            STAGE_LABELS.get(name, name),
            values[name],
            100 * values[name] / longest if longest else 0.0,
        )
        for name in names
    ]
