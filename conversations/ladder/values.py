"""What the steps of the ladder take and give."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from conversations.answers.basis import AnswerBasis
from conversations.answers.values import AnswerKept
from conversations.enums import Mode, Outcome, Reason, Tier
from inference.chat import ChatMessage, Usage
from inference.rules.matching import Rule
from inference.support.check import SupportPassage
from knowledge.retrieval.passages import Passage, Retrieval
from knowledge.tools.values import Actor


@dataclass(frozen=True, slots=True)
class Question:
    """What a turn asks.

    ``texts`` are the customer's messages that are answered together, oldest first; ``history`` are
    earlier pairs (question, answer), oldest first, ``offered`` the titles that each of these answers
    let choose from (empty for what is not known). ``attempts`` counts the claims of the turn with
    this one. ``now`` is the shop's local time. ``use_model`` is ``False`` to try the rules alone.
    ``conversation`` is a key by which an engine may let conversations take turns. ``audiences`` are
    the customer's: entries of no other are seen. ``actor`` is the customer whom a signed identity
    names, for tools; ``form`` what the answer before asked for on behalf of a tool
    (``ladder.tool``).
    """

    site_id: int
    shop_name: str
    texts: tuple[str, ...]
    language: str
    now: datetime
    region: str = ""
    region_is_signed: bool = False
    mode: str = Mode.BOT
    history: tuple[tuple[str, str], ...] = ()
    offered: tuple[tuple[str, ...], ...] = ()
    attempts: int = 1
    use_model: bool = True
    conversation: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    audiences: frozenset[int] = frozenset()
    actor: Actor | None = None
    form: Mapping[str, object] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All texts, a line each."""
        return "\n".join(self.texts)

    def template_variables(self) -> dict[str, object]:
        """What the templates of rules may name."""
        return {
            "shop_name": self.shop_name,
            "user_region": self.region,
            "current_time": self.now.strftime("%Y-%m-%d %H:%M"),
            "question": self.text,
            "language": self.language,
            **self.variables,
        }


def dialogue_of(history: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs (question, answer) as (role, text) in the order in which they were said."""
    return [
        said for question, answer in history for said in (("user", question), ("assistant", answer))
    ]


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment by a clock that only grows, in seconds."""

    at: float
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> Deadline:
        return cls(at=clock() + seconds, clock=clock)

    @property
    def left(self) -> float:
        """Seconds until then; never negative."""
        return max(0.0, self.at - self.clock())


class Live(Protocol):
    """Shows the customer what is going on; everything may be lost."""

    def status(
        self,
        state: str,
        *,
        position: int | None = None,
        eta_ms: int | None = None,
        label: str = "",
    ) -> None: ...

    def delta(self, text: str) -> None: ...

    def reset(self) -> None: ...


class Unseen:
    """A ``Live`` for a question that nobody watches."""

    def status(
        self,
        state: str,
        *,
        position: int | None = None,
        eta_ms: int | None = None,
        label: str = "",
    ) -> None:
        """Nobody is told."""

    def delta(self, text: str) -> None:
        """Nobody is shown."""

    def reset(self) -> None:
        """Nothing was shown."""


@dataclass(frozen=True, slots=True)
class ActionProposal:
    """A change that the customer has to confirm: exactly this call, for exactly this customer.

    ``rows`` are the labels and values that the customer is shown; ``revision`` is that of the tool
    (``ToolSpec.revision``); ``seconds`` how long it may be confirmed.
    """

    tool_id: int
    tool_key: str
    revision: str
    actor_id: str
    arguments: Mapping[str, object]
    rows: tuple[tuple[str, str], ...]
    seconds: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a step decided. ``cited`` are passage ids, in the order of their marks in the text;
    ``choices`` are titles that the text offers, by number; ``action`` is a change that the text asks
    the customer to confirm."""

    text: str
    tier: Tier
    language: str
    outcome: Outcome = Outcome.ANSWER
    reason: Reason | None = None
    cited: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    action: ActionProposal | None = None


@dataclass(slots=True)
class Walk:
    """One question's way up the ladder; the steps note here what they found and used.

    ``rejected`` is text of the model that was not let through, ``reasoning`` what it thought before
    it wrote; customers see neither. ``spoken`` is the customer's language where that is neither
    Chinese nor English (``ladder.foreign``). ``tool_rule`` is a rule that calls a tool.
    """

    question: Question
    deadline: Deadline
    live: Live
    standalone: str
    other_reading: str = ""
    is_open: bool = False
    spoken: str = ""
    reason: Reason | None = None
    retrieval: Retrieval | None = None
    relevant: tuple[SupportPassage, ...] = ()
    basis: AnswerBasis | None = None
    reused: AnswerKept | None = None
    rule_id: int | None = None
    tool_rule: Rule | None = None
    model: str = ""
    model_hash: str = ""
    prompt_version_id: int | None = None
    prompt: tuple[ChatMessage, ...] = ()
    rejected: str = ""
    reasoning: str = ""
    usage: Usage = field(default_factory=lambda: Usage(0, 0))
    details: dict[str, object] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def language(self) -> str:
        return self.question.language

    @property
    def passages(self) -> tuple[Passage, ...]:
        """What retrieval found, best first."""
        return self.retrieval.passages if self.retrieval is not None else ()


@dataclass(frozen=True, slots=True)
class Climbed:
    """The answer with the way to it."""

    answer: Answer
    walk: Walk
