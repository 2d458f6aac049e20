"""Labels without examples: by the chat model alone, or by what labels are described as.

A model likes some words better than others whatever the text is. What it says of texts without
content is taken off (contextual calibration: Zhao et al., Calibrate Before Use, ICML 2021), and the
words of one label are averaged, so that no single spelling decides.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from inference.labels.ridge import softmax
from inference.labels.values import Labelling, LabelSet, labelling_make
from inference.labels.views import MEANING, MODEL, Vectors

CONTENT_FREE: Final = ("。", "N/A", "...", "顾客留言", "a message")
"""Texts that say nothing."""
TEMPERATURE: Final = 1.5
"""Log-odds are divided by it: small models are surer than they are right."""


def zero_shot_label(label_set: LabelSet, logprobs: Vectors, baseline: Vectors) -> Labelling:
    """Label one text.

    ``logprobs`` and ``baseline`` (the mean over ``CONTENT_FREE``) have one value for each of the
    set's candidates.
    """
    lift = dict(zip(label_set.candidates, logprobs - baseline, strict=True))
    logits = np.array([np.mean([lift[word] for word in label.words]) for label in label_set.labels])
    return labelling_make(label_set, list(softmax(logits / TEMPERATURE)), [MODEL])


_COSINE_SCALE: Final = 50.0


def description_label(label_set: LabelSet, vector: Vectors, described: Vectors) -> Labelling:
    """Label one text by the likeness of its vector to those of the labels' descriptions.

    For sets with so many labels that no single word tells them apart. The scale makes
    probabilities of E5's cosines, which lie close together; they are a guess, not calibrated.
    """
    logits = (described @ vector).astype(np.float64) * _COSINE_SCALE
    return labelling_make(label_set, list(softmax(logits)), [MEANING])
