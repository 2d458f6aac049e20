"""What the ladder needs from outside; composed in ``conversations.engines``, faked in tests."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from conversations.ladder.values import Answer, Walk
from inference.rules.matching import LabelFound, RuleSet
from knowledge.retrieval.passages import Retrieval
from knowledge.tools.calls import ToolCaller
from knowledge.tools.values import ToolSpec

if TYPE_CHECKING:
    from knowledge.selectors import PublishedPrompt


class Step(Protocol):
    """A rung: answers, or lets the next one try."""

    name: str

    async def answer(self, walk: Walk) -> Answer | None: ...


class Knowledge(Protocol):
    """What a site knows and how it speaks."""

    async def rules(self, *, site_id: int) -> RuleSet:
        """The enabled rules."""
        ...

    async def prompt(self, *, site_id: int, language: str) -> PublishedPrompt | None:
        """The published prompt for answers."""
        ...

    async def retrieve(
        self, *, site_id: int, text: str, language: str, audiences: Collection[int] = ()
    ) -> Retrieval:
        """Entries that may answer and that these audiences may see now, best first; never raises
        because an encoder is away."""
        ...


class Tools(ToolCaller, Protocol):
    """The tools of a site, and what calls them."""

    async def tools(self, *, site_id: int) -> Sequence[ToolSpec]:
        """The enabled tools."""
        ...


class Labels(Protocol):
    """What a message is labelled with, for the rules that ask for it."""

    async def labels(
        self,
        *,
        site_id: int,
        text: str,
        language: str,
        keys: Sequence[str],
        timeout: float,  # noqa: ASYNC109
    ) -> Mapping[str, LabelFound]:
        """The labels by the keys of their sets, within ``timeout`` seconds; never raises because
        an engine is away."""
        ...
