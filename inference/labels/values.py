"""Label sets and what comes of them, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

THRESHOLD: Final = 0.5
"""Least probability of a label that has no threshold of its own."""


@dataclass(frozen=True, slots=True)
class Label:
    """One label of a set.

    Attributes:
        name: unique within its set; what is stored and what rules name.
        words: what the chat model might begin its answer with when it means this label, the same
            word in several languages or spellings; the first one stands in the prompt.
        description: what the label means, for people and for the sentence encoder.
        threshold: least probability; a likelier outcome than all others below it is "unsure".
    """

    name: str
    words: tuple[str, ...] = ()
    description: str = ""
    threshold: float = THRESHOLD


@dataclass(frozen=True, slots=True)
class LabelExample:
    """A text that somebody has labelled."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Labels of which a text gets one.

    ``system`` and ``user`` are the prompt: ``user`` has ``{{ text }}`` for the text and both may have
    ``{{ labels }}`` for the first words of the labels. ``system`` is the same for every text, so the
    engine can keep its state.
    """

    name: str
    labels: tuple[Label, ...]
    system: str = ""
    user: str = "{{ text }}"
    examples: tuple[LabelExample, ...] = field(default=(), repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)

    @property
    def candidates(self) -> tuple[str, ...]:
        """Every word of every label, each once."""
        return tuple(dict.fromkeys(word for label in self.labels for word in label.words))

    def label(self, name: str) -> Label:
        """The label of this name.

        Raises:
            KeyError: the set has none.
        """
        for label in self.labels:
            if label.name == name:
                return label
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class NearExample:
    """A labelled example that a text resembles; ``weight`` is how much it spoke for the label."""

    text: str
    label: str
    weight: float


@dataclass(frozen=True, slots=True)
class Labelling:
    """What a set says of one text.

    Attributes:
        probabilities: one for each label, adding up to 1, likeliest first.
        threshold: what the likeliest label needed.
        is_weak: the likeliest label has too few examples to be told for sure.
        views: which views took part ("words", "meaning", "model").
        near: the examples that spoke most for the likeliest label.
    """

    set: str
    probabilities: tuple[tuple[str, float], ...]
    threshold: float
    views: tuple[str, ...]
    near: tuple[NearExample, ...] = ()
    is_weak: bool = False

    @property
    def best(self) -> str:
        """The likeliest label."""
        return self.probabilities[0][0]

    @property
    def probability(self) -> float:
        return self.probabilities[0][1]

    @property
    def label(self) -> str | None:
        """The likeliest label, or ``None``: unsure."""
        sure = self.probability >= self.threshold and not self.is_weak
        return self.best if sure else None


def labelling_make(
    label_set: LabelSet,
    probabilities: Sequence[float],
    views: Sequence[str],
    near: Sequence[NearExample] = (),
    *,
    is_weak: bool = False,
) -> Labelling:
    """A labelling from one probability for each label, in the set's order."""
    rows = sorted(
        ((name, float(p)) for name, p in zip(label_set.names, probabilities, strict=True)),
        key=lambda row: -row[1],
    )
    threshold = label_set.label(rows[0][0]).threshold
    return Labelling(label_set.name, tuple(rows), threshold, tuple(views), tuple(near), is_weak)
