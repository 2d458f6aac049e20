"""Notices an answer that says the same thing over and over."""

from __future__ import annotations

_PERIOD_MOST = 64
_REPEATS_LEAST = 4
_TOKENS_LEAST = 48


class RepetitionWatch:
    """Looks at an answer token by token.

    A small model can fall into a loop from which greedy decoding never comes out. It counts as one
    when the last tokens are one piece of at most 64 tokens, at least four times and for at least
    48 tokens: a list of similar lines, a row of dashes or a long number is not that regular for
    that long.
    """

    def __init__(self) -> None:
        self._tokens: list[int] = []
        # For each period, how many of the last tokens equal the one a period before.
        self._runs = [0] * (_PERIOD_MOST + 1)

    def feed(self, token_id: int) -> bool:
        """Take the next token; returns whether the answer has fallen into a loop."""
        self._tokens.append(token_id)
        looped = False
        for period in range(1, min(_PERIOD_MOST, len(self._tokens) - 1) + 1):
            if self._tokens[-1 - period] != token_id:
                self._runs[period] = 0
                continue
            self._runs[period] += 1
            length = self._runs[period] + period
            looped |= length >= _TOKENS_LEAST and length >= _REPEATS_LEAST * period
        return looped
