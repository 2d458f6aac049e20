"""Which heads of prompts an engine keeps in the state of having read them.

CTranslate2 keeps the state of every ``static_prompt`` it has seen and forgets none until the model
is unloaded. So only registered prefixes may become one, their tokens are bounded, and when some are
not wanted any more the model has to be loaded anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from inference.engines.protocol import PrefixReport

COUNT_MOST = 64
TOKENS_MOST = 4096
"""A token's state takes 25 KB with a 0.5B model, 57 KB with 1.5B."""

Prefix = tuple[int, ...]


class PrefixTable:
    """The registered prefixes, and those whose state the engine really holds."""

    def __init__(self, *, count_most: int = COUNT_MOST, tokens_most: int = TOKENS_MOST) -> None:
        self._count_most = count_most
        self._tokens_most = tokens_most
        self._registered: dict[Prefix, None] = {}
        self._held: set[Prefix] = set()

    def replace(self, prefixes: Sequence[Prefix]) -> PrefixReport:
        """Register these instead of the present ones, in this order, while there is room."""
        self._registered, tokens, refused = {}, 0, 0
        for prefix in prefixes:
            if not prefix or prefix in self._registered:
                continue
            fits = tokens + len(prefix) <= self._tokens_most
            if not fits or len(self._registered) >= self._count_most:
                refused += 1
                continue
            self._registered[prefix] = None
            tokens += len(prefix)
        return PrefixReport(len(self._registered), tokens, refused)

    def match(self, token_ids: Sequence[int], most: int) -> Prefix:
        """The longest usable prefix of at most ``most`` tokens that ``token_ids`` begin with."""
        fitting = [
            prefix
            for prefix in self._registered
            if len(prefix) <= most
            and tuple(token_ids[: len(prefix)]) == prefix
            and (prefix in self._held or self._room_for(prefix))
        ]
        return max(fitting, key=len, default=())

    def hold(self, prefix: Prefix) -> None:
        """The engine has read this one and will not forget it."""
        self._held.add(prefix)

    def forget(self) -> None:
        """The model was loaded anew: it holds nothing any more."""
        self._held.clear()

    @property
    def stale(self) -> bool:
        """Whether the engine holds what is not registered any more."""
        return not self._held <= self._registered.keys()

    def cold(self) -> Prefix:
        """A registered prefix that the engine has not read yet; empty if there is none."""
        for prefix in self._registered:
            if prefix not in self._held and self._room_for(prefix):
                return prefix
        return ()

    def _room_for(self, prefix: Prefix) -> bool:
        """What is not wanted any more takes room until the model is loaded anew."""
        return sum(map(len, self._held)) + len(prefix) <= 2 * self._tokens_most
