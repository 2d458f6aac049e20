"""Turns texts into vectors with a sentence encoder of the E5 kind on CTranslate2."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inference.chat import EmbeddingKind
from inference.engines.tokenizer_file import tokenizer_load
from inference.errors import EngineDown, WeightsError, gettext_noop

if TYPE_CHECKING:
    from ctranslate2 import Encoder
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

    from inference.weights.manifest import Manifest


class EncoderEngine:
    """An ``EmbeddingEngine`` over a CTranslate2 ``Encoder``.

    A text gets its prefix ("query: " or "passage: "), the vectors of its tokens are averaged (or
    the first one is taken, as the manifest says) and the result is scaled to length 1. A "question"
    is a query of whose tokens only its own are averaged: the prefix and the marks around a text
    are the same in all, and make short ones alike (``docs/evaluation.md``). Texts longer than the
    model's context are cut. Every text is encoded alone: in a batch, int8 arithmetic would give it
    a slightly different vector with other neighbours.
    """

    def __init__(self, encoder: Encoder, tokenizer: Tokenizer, manifest: Manifest) -> None:
        self._encoder = encoder
        self._tokenizer = tokenizer
        self._pooling = manifest.pooling
        self._prefixes: dict[EmbeddingKind, str] = {
            "query": manifest.query_prefix,
            "passage": manifest.passage_prefix,
            "question": manifest.query_prefix,
        }
        self._dimensions = manifest.dimensions
        # One thread, one text a job: a single query waits for at most one passage of an import.
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encoder")

    @classmethod
    def load(cls, path: Path, manifest: Manifest, *, threads: int) -> EncoderEngine:
        """Load a verified model directory; blocks for a second.

        Raises:
            WeightsError: the engine cannot use what is there.
        """
        import ctranslate2

        if manifest.pooling not in ("mean", "cls"):
            raise WeightsError(
                gettext_noop("The model in %(path)s wants the pooling %(pooling)r."),
                path=path,
                pooling=manifest.pooling,
            )
        try:
            encoder = ctranslate2.Encoder(
                str(path), device="cpu", compute_type="int8",
                inter_threads=1, intra_threads=threads,
            )  # fmt: skip
        except (RuntimeError, ValueError) as error:
            raise WeightsError(
                gettext_noop("The model in %(path)s cannot be loaded: %(reason)s."),
                path=path,
                reason=error,
            ) from error
        tokenizer = tokenizer_load(path)
        tokenizer.enable_truncation(max_length=manifest.context_length)
        tokenizer.no_padding()
        return cls(encoder, tokenizer, manifest)

    @property
    def dimensions(self) -> int:
        return self._dimensions

    def tokens_count(self, texts: Sequence[str], kind: EmbeddingKind) -> int:
        prefix = self._prefixes[kind]
        return sum(len(self._tokenizer.encode(prefix + text).ids) for text in texts)

    async def embed(self, texts: Sequence[str], kind: EmbeddingKind) -> NDArray[np.float32]:
        loop = asyncio.get_running_loop()
        vectors = np.empty((len(texts), self._dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = await loop.run_in_executor(self._worker, self._vector, text, kind)
        return vectors

    def _vector(self, text: str, kind: EmbeddingKind) -> NDArray[np.float32]:
        prefix = self._prefixes[kind]
        encoded = self._tokenizer.encode(prefix + text)
        try:
            states = np.array(self._encoder.forward_batch([encoded.tokens]).last_hidden_state)[0]
        except RuntimeError as error:
            raise EngineDown(f"The encoder failed: {error}.") from error
        if kind == "question" and self._pooling == "mean":
            # A token ends after the prefix if it is the text's own; the marks around it end at 0.
            own = np.array([end > len(prefix) for _, end in encoded.offsets])
            states = states[own] if own.any() else states
        pooled = states.mean(axis=0) if self._pooling == "mean" else states[0]
        unit: NDArray[np.float32] = pooled / np.linalg.norm(pooled)
        return unit

    def close(self) -> None:
        self._encoder.unload_model()
        self._worker.shutdown(wait=False, cancel_futures=True)
