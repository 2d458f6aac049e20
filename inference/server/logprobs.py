"""Answers of one token, with the probabilities of what it might have been."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.chat import GenerationParameters
from inference.engines.protocol import ChatEngine
from inference.server.errors import ApiError


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """A token that the answer may begin with, and the natural logarithm of its probability."""

    text: str
    logprob: float
    encoded: bytes
    hidden: bool = False

    def row(self) -> dict[str, object]:
        """The token in OpenAI's form; half a character shows as U+FFFD, its bytes are exact."""
        return {"token": self.text, "logprob": self.logprob, "bytes": list(self.encoded)}


@dataclass(frozen=True, slots=True)
class FirstToken:
    """The first token of an answer, and those that are listed beside it, likeliest first."""

    chosen: ScoredToken
    listed: tuple[ScoredToken, ...]

    @property
    def text(self) -> str:
        return "" if self.chosen.hidden else self.chosen.text

    @property
    def finish_reason(self) -> str:
        """An answer that ends at once is whole; any other was cut after its first token."""
        return "stop" if self.chosen.hidden else "length"

    def body(self) -> dict[str, object]:
        """``choices[0].logprobs``."""
        content = {**self.chosen.row(), "top_logprobs": [token.row() for token in self.listed]}
        return {"content": [content], "refusal": None}


async def candidates_encode(engine: ChatEngine, candidates: Sequence[str]) -> list[int]:
    """The first token of each candidate.

    Raises:
        ApiError: two candidates begin with the same token, so their probabilities are one.
    """
    encoded = await asyncio.to_thread(
        lambda: [engine.text_encode(candidate)[0] for candidate in candidates]
    )
    owner: dict[int, str] = {}
    for token_id, candidate in zip(encoded, candidates, strict=True):
        if token_id in owner:
            raise ApiError(
                400,
                f"{owner[token_id]!r} and {candidate!r} begin with the same token.",
                "invalid_value",
                "logprob_candidates",
            )
        owner[token_id] = candidate
    return encoded


def first_token(
    engine: ChatEngine,
    scores: NDArray[np.float32],
    token_ids: Sequence[int] | None,
    *,
    parameters: GenerationParameters,
    top: int,
    seed: int | None,
) -> FirstToken:
    """Choose the first token from log-probabilities of shape (tokens,).

    ``token_ids`` are the ids that the scores belong to, all of which are listed; None means that
    there is one score for each token of the vocabulary, and the ``top`` likeliest are listed.
    """

    def scored(index: int) -> ScoredToken:
        token_id = index if token_ids is None else token_ids[index]
        encoded = engine.token_bytes(token_id)
        text = encoded.decode("utf-8", errors="replace")
        return ScoredToken(text, float(scores[index]), encoded, engine.token_hidden(token_id))

    count = top if token_ids is None else len(token_ids)
    likeliest = np.argsort(-scores, kind="stable")[:count]
    chosen = token_sample(
        scores, parameters, np.random.default_rng(None if seed is None else abs(seed))
    )
    return FirstToken(scored(chosen), tuple(scored(int(index)) for index in likeliest))


def token_sample(
    scores: NDArray[np.float32], parameters: GenerationParameters, random: np.random.Generator
) -> int:
    """The index of a token drawn by temperature, ``top_k`` and ``top_p``; 0 degrees is greedy."""
    if parameters.temperature == 0:
        return int(np.argmax(scores))
    order = np.argsort(-scores, kind="stable")
    if parameters.top_k:
        order = order[: parameters.top_k]
    scaled = scores[order].astype(np.float64) / parameters.temperature
    weights = np.exp(scaled - scaled.max())
    weights /= weights.sum()
    # The smallest set of the likeliest tokens that has at least top_p of the probability.
    kept = int(np.searchsorted(np.cumsum(weights), parameters.top_p)) + 1
    weights = weights[:kept] / weights[:kept].sum()
    return int(random.choice(order[:kept], p=weights))
