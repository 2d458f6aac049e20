"""Labels texts with the engines at hand: asks the encoder and the chat model what is needed."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from inference.chat import ChatMessage, EmbeddingClient, Priority
from inference.errors import EngineDown, EngineError, LabelsError, RequestInvalid, gettext_noop
from inference.labels.classifier import LabelClassifier
from inference.labels.probes import CANDIDATES_MOST, PROBES
from inference.labels.values import Labelling, LabelSet
from inference.labels.views import Vectors
from inference.labels.zero_shot import CONTENT_FREE, description_label, zero_shot_label
from inference.prompts.rendering import template_names, text_render

TEXT_MOST: Final = 400
"""Characters of a text that the model reads: its beginning and its end."""
_TEXT_END = 120
NO_VECTORS: Final[Vectors] = np.empty((0, 0), np.float32)
"""Vectors of texts of which it is known that there are none, so that nobody asks for them again."""
_AT_ONCE = 8
_BASELINES_MOST = 64


class TokenScorer(Protocol):
    """The part of a ``ChatClient`` that labels need."""

    async def next_logprobs(
        self,
        messages: Sequence[ChatMessage],
        candidates: Sequence[str],
        *,
        timeout: float,  # noqa: ASYNC109
        priority: Priority = Priority.LABEL,
    ) -> dict[str, float]:
        """See ``ChatClient.next_logprobs``."""
        ...


class Labeller:
    """Labels texts; keeps what the chat model says of texts without content.

    ``chat`` and ``encoder`` may be missing or away: a fitted set is then labelled by the views that
    are left.
    """

    def __init__(self, chat: TokenScorer | None, encoder: EmbeddingClient | None) -> None:
        self._chat = chat
        self._encoder = encoder
        self._baselines: dict[bytes, Vectors] = {}

    async def label(
        self,
        label_set: LabelSet,
        texts: Sequence[str],
        *,
        classifier: LabelClassifier | None,
        timeout: float,  # noqa: ASYNC109  each request carries what is left of it
        priority: Priority = Priority.LABEL,
        vectors: Vectors | None = None,
    ) -> list[Labelling]:
        """One labelling for each text. ``vectors`` are the texts' query vectors, if known, or
        ``NO_VECTORS``.

        Raises:
            EngineError: the set has no classifier and the engine that it needs does not answer.
            LabelsError: the set has no classifier, and no engine that could do without.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        if classifier is None:
            return await self._zero_shot(label_set, texts, deadline, priority)
        if classifier.meaning is not None and vectors is None:
            vectors = await self._vectors_try(texts, deadline)
        # Iterating over none, or over no rows, leaves every text without a vector.
        rows = iter(() if vectors is None else vectors)
        looks = [classifier.look(text, next(rows, None)) for text in texts]
        unsure = [look for look in looks if not look.is_enough]
        said: Vectors | None = None
        if unsure and self._chat is not None:
            said = await self._logprobs_try(
                label_set, classifier.candidates, [look.text for look in unsure], deadline, priority
            )
        answers = iter(()) if said is None else iter(said)
        return [
            classifier.look_label(label_set, look, None if look.is_enough else next(answers, None))
            for look in looks
        ]

    async def vectors(self, texts: Sequence[str], *, timeout: float) -> Vectors | None:  # noqa: ASYNC109
        """Query vectors of the texts, shape (texts, dimensions); ``None`` without an encoder.

        Raises:
            EngineError: the encoder does not answer.
        """
        if self._encoder is None:
            return None
        return await self._encoder.embed(texts, kind="query", timeout=timeout)

    async def candidates_choose(
        self,
        label_set: LabelSet,
        *,
        timeout: float,  # noqa: ASYNC109
    ) -> tuple[str, ...]:
        """The words whose log-probabilities describe a text: the set's own and the general ones.

        Where the engine cannot tell them apart, because two begin with the same token, the set's
        own words alone.

        Raises:
            EngineError: the chat model does not answer, or cannot tell the set's words apart.
        """
        own = label_set.candidates
        both = tuple(dict.fromkeys((*own, *PROBES)))[:CANDIDATES_MOST]
        loop = asyncio.get_running_loop()
        for candidates in (both, own):
            try:
                await self._logprobs(
                    label_set, candidates, CONTENT_FREE[:1], loop.time() + timeout,
                    Priority.BACKGROUND,
                )  # fmt: skip
            except RequestInvalid:
                if candidates == own or not own:
                    raise
            else:
                return candidates
        return own

    async def logprobs(
        self,
        label_set: LabelSet,
        candidates: Sequence[str],
        texts: Sequence[str],
        *,
        timeout: float,  # noqa: ASYNC109
        priority: Priority = Priority.BACKGROUND,
    ) -> Vectors:
        """What the chat model says of each text; shape (texts, candidates).

        Raises:
            EngineError: it does not answer.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        return await self._logprobs(label_set, candidates, texts, deadline, priority)

    async def _zero_shot(
        self, label_set: LabelSet, texts: Sequence[str], deadline: float, priority: Priority
    ) -> list[Labelling]:
        if self._chat is None or not all(label.words for label in label_set.labels):
            return await self._by_description(label_set, texts, deadline)
        candidates = label_set.candidates
        key = prompt_hash(label_set, candidates)
        baseline = self._baselines.get(key)
        if baseline is None:
            empty = await self._logprobs(label_set, candidates, CONTENT_FREE, deadline, priority)
            baseline = self._keep(key, empty.mean(axis=0))
        said = await self._logprobs(label_set, candidates, texts, deadline, priority)
        return [zero_shot_label(label_set, row, baseline) for row in said]

    async def _by_description(
        self, label_set: LabelSet, texts: Sequence[str], deadline: float
    ) -> list[Labelling]:
        described = [label.description or label.name for label in label_set.labels]
        key = hashlib.sha256("\0".join(described).encode("utf-8", "surrogatepass")).digest()
        if (known := self._baselines.get(key)) is None:
            vectors = await self.vectors(described, timeout=_left(deadline))
            if vectors is None:
                raise LabelsError(
                    gettext_noop(
                        "Without examples, labels need a word each and a chat model, or an encoder."
                    )
                )
            known = self._keep(key, vectors)
        rows = await self.vectors(texts, timeout=_left(deadline))
        assert rows is not None  # noqa: S101  the encoder has just answered
        return [description_label(label_set, row, known) for row in rows]

    def _keep(self, key: bytes, value: Vectors) -> Vectors:
        if len(self._baselines) >= _BASELINES_MOST:
            self._baselines.clear()
        self._baselines[key] = value
        return value

    async def _vectors_try(self, texts: Sequence[str], deadline: float) -> Vectors | None:
        try:
            return await self.vectors(texts, timeout=_left(deadline))
        except EngineError:
            return None  # the other views decide

    async def _logprobs_try(
        self,
        label_set: LabelSet,
        candidates: Sequence[str],
        texts: Sequence[str],
        deadline: float,
        priority: Priority,
    ) -> Vectors | None:
        try:
            return await self._logprobs(label_set, candidates, texts, deadline, priority)
        except EngineError:
            return None  # the other views decide

    async def _logprobs(
        self,
        label_set: LabelSet,
        candidates: Sequence[str],
        texts: Sequence[str],
        deadline: float,
        priority: Priority,
    ) -> Vectors:
        chat = self._chat
        if chat is None:
            raise EngineDown("There is no chat model.")
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(text: str) -> Vectors:
            messages = label_prompt(label_set, text)
            async with places:
                said = await chat.next_logprobs(
                    messages, candidates, timeout=_left(deadline), priority=priority
                )
            return logprobs_row(candidates, said)

        rows = await asyncio.gather(*map(one, texts))
        return np.stack(rows) if rows else np.empty((0, len(candidates)), np.float32)


def label_prompt(label_set: LabelSet, text: str) -> list[ChatMessage]:
    """The messages that ask for a text's label.

    Raises:
        PromptError: the set's templates do not render.
    """
    variables = {"text": text_clip(text), "labels": _labels_named(label_set)}
    system = text_render(label_set.system, variables).strip()
    messages = [ChatMessage("system", system)] if system else []
    return [*messages, ChatMessage("user", text_render(label_set.user, variables))]


def label_head(label_set: LabelSet) -> ChatMessage | None:
    """The instructions of a set's prompt if they are the same for every text, else ``None``.

    Raises:
        PromptError: they do not render.
    """
    if template_names(label_set.system) - {"labels"}:
        return None
    system = text_render(label_set.system, {"labels": _labels_named(label_set)}).strip()
    return ChatMessage("system", system) if system else None


def _labels_named(label_set: LabelSet) -> str:
    """The first words of the labels, for the prompt."""
    separator = "、" if any("\u4e00" <= c <= "\u9fff" for c in label_set.system) else ", "
    return separator.join(label.words[0] for label in label_set.labels if label.words)


def text_clip(text: str) -> str:
    """The text without blank ends; of a long one the beginning and the end."""
    text = text.strip()
    if len(text) <= TEXT_MOST:
        return text
    return f"{text[: TEXT_MOST - _TEXT_END]} … {text[-_TEXT_END:]}"


def logprobs_row(candidates: Sequence[str], said: dict[str, float]) -> Vectors:
    """Log-probabilities in the candidates' order; what a server left out is just below the rest."""
    floor = min(said.values(), default=-20.0) - 1.0
    return np.array([said.get(word, floor) for word in candidates], dtype=np.float32)


def prompt_hash(label_set: LabelSet, candidates: Sequence[str]) -> bytes:
    """Names a set's prompt and candidates."""
    parts = "\0".join((label_set.system, label_set.user, *label_set.names, "", *candidates))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).digest()


def _left(deadline: float) -> float:
    return max(deadline - asyncio.get_running_loop().time(), 0.001)
