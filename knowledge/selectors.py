"""Reads of what a site knows and how it speaks.

Rules and prompts are read for every message and change rarely, so they are kept as values by the
site's ``wording_revision``, which the database raises with every change (knowledge/revisions.py).
A hit costs one query for the revision.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from threading import Lock
from typing import Any, Final

from django.db import transaction
from django.db.models import F, Min, Q, QuerySet

from inference.chat import ChatMessage, GenerationParameters
from inference.errors import PromptError
from inference.prompts.rendering import PromptSource, prompt_head
from inference.rules import matching
from inference.rules.matching import RuleSet
from inference.text.names import name_in
from knowledge.models import Audience, Entry, Language, PromptVersion, Rule, Site
from knowledge.tools.stored import tools_read
from knowledge.tools.values import ToolSpec


@dataclass(frozen=True, slots=True)
class PublishedPrompt:
    """A published prompt as a value. ``version_id`` stands in an answer's provenance.

    ``thinking_tokens`` is how much the model may think before it answers; 0 is not at all.
    """

    version_id: int
    name: str
    number: int
    source: PromptSource
    parameters: GenerationParameters
    thinking_tokens: int = 0


def rules_enabled(*, site_id: int) -> RuleSet:
    """The site's enabled rules and those of every site, in order; empty for an unknown site."""
    return _cache.get(site_id, "rules", lambda: _rules_read(site_id)) or RuleSet()


def prompt_published(*, site_id: int, role: str, language: str) -> PublishedPrompt | None:
    """The published prompt of a role in a language: the site's own, else the general one.

    ``None`` when neither is published.
    """
    prompt: PublishedPrompt | None = _cache.get(
        site_id, ("prompt", role, language), lambda: _prompt_read(site_id, role, language)
    )
    return prompt


def tools_enabled(*, site_id: int) -> tuple[ToolSpec, ...]:
    """The site's enabled tools and those of every site; of two with one key, the site's own."""
    return _cache.get(site_id, "tools", lambda: tools_read(site_id)) or ()


def prompt_value(version: PromptVersion) -> PublishedPrompt:
    """A version as a value, published or not; its template is read."""
    return PublishedPrompt(
        version_id=version.pk,
        name=version.template.name,
        number=version.number,
        source=PromptSource(version.system, version.user),
        parameters=GenerationParameters(
            max_tokens=version.max_tokens,
            temperature=version.temperature,
            top_p=version.top_p,
            repetition_penalty=version.repetition_penalty,
        ),
        thinking_tokens=version.thinking_tokens,
    )


def wording_revisions() -> tuple[tuple[int, int], ...]:
    """Site and wording revision of every active site: another value after every change."""
    rows = Site.objects.filter(is_active=True).order_by("pk")
    return tuple(rows.values_list("pk", "wording_revision"))


def prompt_heads(*, role: str) -> list[list[ChatMessage]]:
    """The beginnings that are the same for every question, of the prompts of a role published for
    the active sites; each once. A prompt that cannot be rendered has none.
    """
    heads: dict[ChatMessage, None] = {}
    for site_id, name in Site.objects.filter(is_active=True).values_list("pk", "name"):
        for language in Language.values:
            published = prompt_published(site_id=site_id, role=role, language=language)
            if published is None:
                continue
            variables = {"shop_name": name_in(name, language), "language": language}
            with suppress(PromptError):  # told at the question that needs it
                head = prompt_head(published.source, variables)
                if head is not None:
                    heads[head] = None
    return [[head] for head in heads]


def audiences_of(*, site_id: int, is_known: bool, groups: Collection[str] = ()) -> frozenset[int]:
    """The audiences of a site that a customer belongs to; what they may see hangs on nothing else.

    ``is_known``: a signed identity says who it is; ``groups``: its claim of that name. Nobody else
    belongs to any.
    """
    if not is_known:
        return frozenset()
    mine = frozenset(groups)
    return frozenset(
        audience.pk
        for audience in Audience.objects.filter(site_id=site_id)
        if not audience.group_names or audience.group_names & mine
    )


def validity_change_next(*, site_id: int, after: datetime) -> datetime | None:
    """The first moment after this one at which a published entry of the site begins or ceases to
    be valid, for whomever; ``None`` when none does. Until then, and while the knowledge revision
    and the audiences are the same, the same question finds the same.
    """
    published = Entry.objects.filter(site_id=site_id, status=Entry.Status.PUBLISHED).order_by()
    moments = (
        published.filter(**{f"{name}__gt": after}).aggregate(first=Min(name))["first"]
        for name in ("valid_from", "valid_until")
    )
    return min((moment for moment in moments if moment is not None), default=None)


def entries_due(entries: QuerySet[Entry], *, on: date) -> QuerySet[Entry]:
    """Those that their owner should look at again by this day."""
    return entries.filter(review_by__isnull=False, review_by__lte=on)


def rule_value(rule: Rule) -> matching.Rule:
    """A stored rule as the matcher takes it; keywords stand a line each."""
    return matching.Rule(
        id=rule.pk or 0,
        name=rule.name,
        priority=rule.priority,
        language=rule.language,
        trigger="before" if rule.trigger == Rule.Trigger.BEFORE else "fallback",
        keywords_any=_lines(rule.keywords_any),
        keywords_all=_lines(rule.keywords_all),
        keywords_none=_lines(rule.keywords_none),
        pattern=rule.pattern,
        label_set=rule.label_set,
        label=rule.label,
        label_probability=rule.label_probability,
        reply=rule.reply,
        action=_ACTIONS[rule.action],
        tool=rule.tool.key if rule.tool is not None else "",
    )


_ACTIONS: Final[dict[str, matching.Action]] = {
    Rule.Action.REPLY: "reply",
    Rule.Action.HANDOFF: "handoff",
    Rule.Action.TOOL: "tool",
}


def _rules_read(site_id: int) -> RuleSet:
    rules = Rule.objects.filter(
        Q(site=None) | Q(site=site_id), Q(tool=None) | Q(tool__is_enabled=True), is_enabled=True
    ).select_related("tool")
    return RuleSet.of(map(rule_value, rules))


def _prompt_read(site_id: int, role: str, language: str) -> PublishedPrompt | None:
    version = (
        PromptVersion.objects.filter(
            Q(template__site=None) | Q(template__site=site_id),
            template__role=role,
            template__language=language,
            status=PromptVersion.Status.PUBLISHED,
        )
        .select_related("template")
        .order_by(F("template__site").asc(nulls_last=True))
        .first()
    )
    if version is None:
        return None
    return prompt_value(version)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


_VALUES_MOST: Final = 512


class _RevisionCache:
    """Values of sites, each good for one wording revision."""

    def __init__(self) -> None:
        self._values: dict[tuple[int, object], tuple[object, Any]] = {}
        self._lock = Lock()

    def get(self, site_id: int, name: object, read: Callable[[], Any]) -> Any:
        """The value of ``name`` at the site's revision of now; ``None`` for an unknown site.

        Inside a transaction nothing is kept: what it wrote may be rolled back, and the same
        revision given out again.
        """
        # The creation time tells a site apart from one that had its id before.
        revision = (
            Site.objects.filter(pk=site_id).values_list("created_at", "wording_revision").first()
        )
        if revision is None:
            return None
        if transaction.get_connection().in_atomic_block:
            return read()
        with self._lock:
            kept = self._values.get((site_id, name))
        if kept is not None and kept[0] == revision:
            return kept[1]
        # Read after the revision: at worst a newer value is kept under an older revision, and
        # the next look reads it once more.
        value = read()
        with self._lock:
            if len(self._values) >= _VALUES_MOST:
                self._values.clear()
            self._values[(site_id, name)] = (revision, value)
        return value


_cache = _RevisionCache()
