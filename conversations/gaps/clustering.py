"""Groups questions by what they ask about.

E5 gives all questions of a shop similar vectors (cosines of .75 to .95), so the mean of the shop's
questions is taken off first; what is left tells them apart. A new question joins the group whose
centre is nearest, if it is near enough, and else begins a group: groups that people have worked on
never change under their hands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

NEAR: Final = 0.5
"""Cosine to a group's centre from which a question belongs to it.

Measured on intents of public sets (400 messages, of which pairs with one label should meet): see
``manage.py evaluate gaps``.
"""
_CENTRED_LEAST: Final = 12
"""Below so many questions their mean says more of them than of the shop."""


def vectors_centred(vectors: Floats, background: Floats) -> Floats:
    """Unit vectors, shape (n, dimensions), less the mean of ``background`` (all known questions)."""
    if len(background) >= _CENTRED_LEAST:
        vectors = vectors - background.mean(axis=0)
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    unit: Floats = (vectors / lengths).astype(np.float32)
    return unit


def groups_assign(fresh: Floats, groups: Sequence[Floats], *, near: float = NEAR) -> list[int]:
    """For each of ``fresh`` the number of its group; new groups follow those that are given.

    Args:
        fresh: new questions, shape (n, dimensions), centred, in the order they were asked.
        groups: the questions of each group that is there, each of shape (m, dimensions).
    """
    sums = [group.sum(axis=0) for group in groups]
    assigned: list[int] = []
    for vector in fresh:
        number = len(sums)
        if sums:
            centres = np.stack(sums)
            cosines = centres @ vector / np.maximum(np.linalg.norm(centres, axis=1), 1e-9)
            best = int(cosines.argmax())
            if cosines[best] >= near:
                number = best
        if number == len(sums):
            sums.append(vector.astype(np.float32).copy())
        else:
            sums[number] = sums[number] + vector
        assigned.append(number)
    return assigned


def most_central(vectors: Floats) -> int:
    """The row nearest to the centre: the question that speaks for its group."""
    return int((vectors @ vectors.sum(axis=0)).argmax())
