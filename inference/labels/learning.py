"""From labelled examples to a classifier: asks the engines, then fits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import numpy as np

from inference.errors import EngineError
from inference.labels.classifier import LabelClassifier
from inference.labels.fitting import FitRows, asked_choose, classifier_fit, examples_check
from inference.labels.labelling import Labeller
from inference.labels.values import LabelSet
from inference.labels.views import Vectors

Progress = Callable[[str], None]

# Texts between two lines of progress, and seconds that one such part may take.
_PART: Final = 64
_PART_SECONDS: Final = 300.0


async def classifier_learn(
    label_set: LabelSet,
    labeller: Labeller,
    *,
    revision: str,
    vectors: Vectors | None = None,
    use_model: bool = True,
    progress: Progress = lambda _line: None,
) -> LabelClassifier:
    """Fit a classifier on the set's examples.

    ``vectors`` are the examples' query vectors where they are known. An engine that is away is left
    out, and with it its view; ``revision`` should then be another one.

    Raises:
        LabelsError: there are too few or too many examples.
    """
    examples = label_set.examples
    examples_check(examples)
    if vectors is None:
        vectors = await _vectors(label_set, labeller, progress)
    rows = FitRows(examples, vectors)
    if use_model:
        rows = await rows_ask(label_set, labeller, rows, progress)
    progress(f"fitting on {len(examples)} examples")
    return await asyncio.to_thread(classifier_fit, label_set, rows, revision=revision)


async def _vectors(label_set: LabelSet, labeller: Labeller, progress: Progress) -> Vectors | None:
    texts = [example.text for example in label_set.examples]
    parts: list[Vectors] = []
    for start in range(0, len(texts), _PART):
        try:
            part = await labeller.vectors(texts[start : start + _PART], timeout=_PART_SECONDS)
        except EngineError:
            return None
        if part is None:
            return None
        parts.append(part)
        progress(f"embedded {min(start + _PART, len(texts))} of {len(texts)} examples")
    return np.concatenate(parts)


async def rows_ask(
    label_set: LabelSet,
    labeller: Labeller,
    rows: FitRows,
    progress: Progress = lambda _line: None,
) -> FitRows:
    """The rows with what the chat model says of a part of them; as they are if it is away."""
    asked = asked_choose(rows.examples, label_set.names)
    texts = [rows.examples[int(number)].text for number in asked]
    parts: list[Vectors] = []
    try:
        candidates = await labeller.candidates_choose(label_set, timeout=_PART_SECONDS)
        for start in range(0, len(texts), _PART):
            parts.append(
                await labeller.logprobs(
                    label_set, candidates, texts[start : start + _PART], timeout=_PART_SECONDS
                )
            )
            progress(
                f"asked the model of {min(start + _PART, len(texts))} of {len(texts)} examples"
            )
    except EngineError:
        return rows
    return FitRows(rows.examples, rows.vectors, np.concatenate(parts), candidates, asked)
