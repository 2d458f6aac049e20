"""Which rule answers a message, and why the others do not.

Pure: no database, no clock. Rules come in as values; patterns run on RE2, whose time is linear in
the text, so that no administrator's pattern can hang the desk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

import re2

from inference.errors import RuleError, gettext_noop
from inference.text.normalisation import text_normalise
from inference.text.segmentation import stem_of, words_of

Trigger = Literal["before", "fallback"]
Action = Literal["reply", "handoff", "tool"]

# RE2 compiles into at most this many bytes; a counted repetition such as (x{999}){999} passes it.
_PATTERN_BYTES = 1 << 20
_HAN_FIRST, _HAN_LAST = "\u3400", "\u9fff"


class LabelFound(NamedTuple):
    """What a message was labelled with by one set, and how probable it is."""

    label: str
    probability: float


NO_LABELS: Final[Mapping[str, LabelFound]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Rule:
    """A fixed reply or action. The conditions that are given must all hold.

    ``language`` "" is any. ``keywords_any`` needs one of them, ``keywords_all`` all of them,
    ``pattern`` (RE2, any case) is searched. Smaller ``priority`` wins, then smaller ``id``.
    ``keywords_none`` lets none of them occur.
    ``label`` of ``label_set`` must be what the message was labelled with, at least so probably.
    ``reply`` is a template, rendered by the caller; ``tool`` the key of the tool that the action
    of that name calls.
    """

    id: int
    name: str
    priority: int = 100
    language: str = ""
    trigger: Trigger = "before"
    keywords_any: tuple[str, ...] = ()
    keywords_all: tuple[str, ...] = ()
    keywords_none: tuple[str, ...] = ()
    pattern: str = ""
    label_set: str = ""
    label: str = ""
    label_probability: float = 0.0
    reply: str = ""
    action: Action = "reply"
    tool: str = ""


class RuleOutcome(StrEnum):
    """What became of one rule for one message."""

    FIRED = "fired"
    OUTRANKED = "outranked"  # it matches, but another rule comes first
    OTHER_TRIGGER = "other_trigger"
    OTHER_LANGUAGE = "other_language"
    NONE_OF_ANY = "none_of_any"
    SOME_OF_ALL_MISSING = "some_of_all_missing"
    EXCLUDED = "excluded"  # one of the words that must not occur does
    PATTERN_ABSENT = "pattern_absent"
    OTHER_LABEL = "other_label"
    UNUSABLE = "unusable"  # its pattern does not compile


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """Why one rule fired or not.

    ``matched``: the keywords and the piece of text that matched. ``missing``: what did not.
    """

    rule: Rule
    outcome: RuleOutcome
    matched: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleDecision:
    """The rule that fired, if any, and one verdict for every rule of the set, in order."""

    rule: Rule | None
    trace: tuple[RuleVerdict, ...]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules in the order in which they are tried."""

    rules: tuple[Rule, ...] = field(default=())

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> RuleSet:
        """Put rules in order of priority, then id."""
        return cls(tuple(sorted(rules, key=lambda rule: (rule.priority, rule.id))))

    def label_sets_asked(self, text: str, language: str) -> tuple[str, ...]:
        """The label sets that decide which rule before the model answers ``text``.

        Only rules count whose other conditions hold, and that no sure rule comes before: labels
        take time, and a customer is waiting.
        """
        asked: dict[str, None] = {}
        for verdict in self.decide(text, language, "before").trace:
            if verdict.outcome is RuleOutcome.FIRED:
                break
            if verdict.outcome is RuleOutcome.OTHER_LABEL:
                asked[verdict.rule.label_set] = None
        return tuple(asked)

    def decide(
        self,
        text: str,
        language: str,
        trigger: Trigger,
        labels: Mapping[str, LabelFound] = NO_LABELS,
    ) -> RuleDecision:
        """Find the first rule that matches ``text``.

        ``labels`` are what the message was labelled with, by label set; a rule that asks for the
        label of a set that is not among them does not fire.

        A rule whose pattern does not compile never fires and never stops the others: it was
        stored by a path that checks nothing, and a customer is waiting.
        """
        message = _Message.of(text)
        fired: Rule | None = None
        trace: list[RuleVerdict] = []
        for rule in self.rules:
            verdict = _judge(rule, message, language, trigger, labels)
            if verdict.outcome is RuleOutcome.FIRED:
                if fired is None:
                    fired = rule
                else:
                    verdict = RuleVerdict(rule, RuleOutcome.OUTRANKED, verdict.matched)
            trace.append(verdict)
        return RuleDecision(fired, tuple(trace))


def rule_check(rule: Rule) -> None:
    """Refuse a rule that could not work.

    Raises:
        RuleError: its pattern is no RE2 expression or is too large; or it stands before the model
            and has no condition, so that it would answer every message; or it replies nothing.
    """
    if rule.pattern:
        pattern_compile(rule.pattern)
    if bool(rule.label_set) != bool(rule.label):
        raise RuleError(gettext_noop("A rule needs both a label set and a label, or neither."))
    if rule.label_set and rule.trigger != "before":
        raise RuleError(gettext_noop("A rule that asks for a label stands before the model."))
    if rule.action == "tool" and not rule.tool:
        raise RuleError(gettext_noop("A rule that calls a tool needs the tool."))
    if rule.action == "tool" and rule.trigger != "before":
        raise RuleError(gettext_noop("A rule that calls a tool stands before the model."))
    conditions = (*rule.keywords_any, *rule.keywords_all, rule.pattern, rule.label)
    if rule.trigger == "before" and not any(text_normalise(word) for word in conditions):
        raise RuleError(
            gettext_noop(
                "A rule before the model needs a keyword or a pattern,"
                " or it would answer everything."
            )
        )
    if rule.action == "reply" and not rule.reply.strip():
        raise RuleError(gettext_noop("A rule that replies needs a reply."))


@lru_cache(maxsize=1024)
def pattern_compile(pattern: str) -> Any:
    """Compile an RE2 expression that ignores case.

    Raises:
        RuleError: with RE2's own words for what is wrong.
    """
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = _PATTERN_BYTES
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        detail = error.args[0] if error.args else error
        if isinstance(detail, bytes):
            detail = detail.decode("utf-8", "replace")
        raise RuleError(
            gettext_noop("The pattern is not valid: %(detail)s."), detail=detail
        ) from error


@dataclass(frozen=True, slots=True)
class _Message:
    raw: str
    folded: str
    stems: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> _Message:
        # RE2 works on UTF-8, which lone surrogates do not have.
        raw = text.encode("utf-8", "replace").decode("utf-8")
        return cls(raw, text_normalise(raw), tuple(map(stem_of, words_of(raw))))

    def has(self, keyword: str) -> bool:
        """Chinese keywords occur anywhere; English ones as whole words, endings aside."""
        folded = text_normalise(keyword)
        words = words_of(keyword)
        if not words or any(_HAN_FIRST <= char <= _HAN_LAST for char in folded):
            return bool(folded) and folded in self.folded
        return _occurs(tuple(map(stem_of, words)), self.stems)

    def found(self, pattern: str) -> str | None:
        """The piece of the message that the pattern matches, as typed or else as folded."""
        expression = pattern_compile(pattern)
        for text in (self.raw, self.folded):
            match = expression.search(text)
            if match:
                return str(match.group())
        return None


def _occurs(words: Sequence[str], text: Sequence[str]) -> bool:
    length = len(words)
    return any(text[at : at + length] == words for at in range(len(text) - length + 1))


def _judge(
    rule: Rule,
    message: _Message,
    language: str,
    trigger: Trigger,
    labels: Mapping[str, LabelFound],
) -> RuleVerdict:
    if rule.trigger != trigger:
        return RuleVerdict(rule, RuleOutcome.OTHER_TRIGGER)
    if rule.language and rule.language != language:
        return RuleVerdict(rule, RuleOutcome.OTHER_LANGUAGE)
    matched: list[str] = []
    if rule.keywords_any:
        present = [keyword for keyword in rule.keywords_any if message.has(keyword)]
        if not present:
            return RuleVerdict(rule, RuleOutcome.NONE_OF_ANY, missing=rule.keywords_any)
        matched += present
    if rule.keywords_all:
        missing = tuple(keyword for keyword in rule.keywords_all if not message.has(keyword))
        if missing:
            return RuleVerdict(rule, RuleOutcome.SOME_OF_ALL_MISSING, tuple(matched), missing)
        matched += rule.keywords_all
    if excluded := tuple(keyword for keyword in rule.keywords_none if message.has(keyword)):
        return RuleVerdict(rule, RuleOutcome.EXCLUDED, excluded)
    if rule.pattern:
        try:
            found = message.found(rule.pattern)
        except RuleError as error:
            return RuleVerdict(rule, RuleOutcome.UNUSABLE, tuple(matched), (str(error),))
        if found is None:
            return RuleVerdict(rule, RuleOutcome.PATTERN_ABSENT, tuple(matched), (rule.pattern,))
        matched.append(found)
    if rule.label_set:
        got = labels.get(rule.label_set)
        if got is None or got.label != rule.label or got.probability < rule.label_probability:
            return RuleVerdict(
                rule,
                RuleOutcome.OTHER_LABEL,
                tuple(matched),
                (f"{rule.label_set}: {rule.label} ≥ {rule.label_probability:.2f}",),
            )
        matched.append(f"{rule.label_set}: {got.label} {got.probability:.2f}")
    return RuleVerdict(rule, RuleOutcome.FIRED, tuple(matched))
