"""Labels through the engines: what is asked, and what happens while one is away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from inference.chat import ChatMessage, EmbeddingKind, Priority
from inference.errors import EngineDown, EngineError, LabelsError, RequestInvalid
from inference.labels.labelling import Labeller, label_prompt, text_clip
from inference.labels.learning import classifier_learn
from inference.labels.probes import CANDIDATES_MOST, PROBES
from inference.labels.values import Label, LabelExample, LabelSet

MOOD = LabelSet(
    "mood",
    (Label("good", ("good", "fine")), Label("bad", ("bad",))),
    system="Answer {{ labels }}.",
    user="Message: {{ text }}",
)
TEXTS = [(f"so glad {i}", "good") for i in range(15)] + [(f"so sad {i}", "bad") for i in range(15)]
LEARNT = LabelSet(
    "mood", MOOD.labels, MOOD.system, MOOD.user,
    examples=tuple(LabelExample(text, label) for text, label in TEXTS),
)  # fmt: skip


class Model:
    """Says "bad" of texts with "sad" in them, and always likes "good" by 3 more than it should."""

    def __init__(self, *, down: bool = False, few: bool = False) -> None:
        self.down, self.few = down, few
        self.asked: list[str] = []
        self.priorities: list[Priority] = []

    async def next_logprobs(
        self,
        messages: Sequence[ChatMessage],
        candidates: Sequence[str],
        *,
        timeout: float,  # noqa: ASYNC109
        priority: Priority = Priority.LABEL,
    ) -> dict[str, float]:
        if self.down:
            raise EngineDown("away")
        if self.few and len(candidates) > 3:
            raise RequestInvalid("two begin with the same token")
        text = messages[-1].content
        self.asked.append(text)
        self.priorities.append(priority)
        mood = 2.0 if "glad" in text else -2.0 if "sad" in text else 0.0
        own = {"good": 3 + mood, "fine": 3 + mood, "bad": -mood}
        return {word: own.get(word, -5.0) for word in candidates}


class Encoder:
    def __init__(self, *, down: bool = False) -> None:
        self.down = down

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: EmbeddingKind,
        timeout: float,  # noqa: ASYNC109
    ) -> np.ndarray:
        if self.down:
            raise EngineDown("away")
        rows = [[1.0, 0.3] if "glad" in text else [0.3, 1.0] for text in texts]
        array = np.array(rows, dtype=np.float32)
        return array / np.linalg.norm(array, axis=1, keepdims=True)

    async def aclose(self) -> None: ...


async def test_without_examples_the_model_decides_against_its_own_leaning() -> None:
    labeller = Labeller(Model(), None)
    said = await labeller.label(MOOD, ["sad", "glad"], classifier=None, timeout=5)
    assert [one.label for one in said] == ["bad", "good"]
    assert said[0].views == ("model",)


async def test_texts_without_content_are_asked_once_a_prompt() -> None:
    model = Model()
    labeller = Labeller(model, None)
    await labeller.label(MOOD, ["sad"], classifier=None, timeout=5)
    before = len(model.asked)
    await labeller.label(MOOD, ["glad"], classifier=None, timeout=5)
    assert len(model.asked) == before + 1


async def test_a_text_gets_the_same_label_alone_and_among_others() -> None:
    labeller = Labeller(Model(), None)
    among = await labeller.label(MOOD, ["x", "sad", "glad"], classifier=None, timeout=5)
    alone = await labeller.label(MOOD, ["sad"], classifier=None, timeout=5)
    assert among[1] == alone[0]


async def test_without_words_the_descriptions_decide() -> None:
    labels = (Label("a", description="glad"), Label("b", description="other"))
    labeller = Labeller(Model(), Encoder())
    [said] = await labeller.label(
        LabelSet("described", labels), ["glad me"], classifier=None, timeout=5
    )
    assert said.best == "a"
    assert said.views == ("meaning",)


async def test_without_any_engine_a_set_without_examples_says_so() -> None:
    with pytest.raises(LabelsError):
        await Labeller(None, None).label(MOOD, ["x"], classifier=None, timeout=5)
    with pytest.raises(EngineError):
        await Labeller(Model(down=True), None).label(MOOD, ["x"], classifier=None, timeout=5)


async def test_what_was_learnt_still_labels_while_both_engines_are_away() -> None:
    classifier = await classifier_learn(LEARNT, Labeller(Model(), Encoder()), revision="1")
    away = Labeller(Model(down=True), Encoder(down=True))
    [said] = await away.label(LEARNT, ["so sad 99"], classifier=classifier, timeout=5)
    assert said.best == "bad"
    assert said.views == ("words",)


async def test_learning_asks_for_the_sets_own_words_and_general_ones() -> None:
    classifier = await classifier_learn(LEARNT, Labeller(Model(), Encoder()), revision="1")
    assert classifier.candidates[:3] == ("good", "fine", "bad")
    assert len(classifier.candidates) <= CANDIDATES_MOST
    assert set(classifier.candidates[3:]) < set(PROBES)


async def test_an_engine_that_cannot_tell_the_general_words_apart_is_asked_for_the_own() -> None:
    classifier = await classifier_learn(LEARNT, Labeller(Model(few=True), None), revision="1")
    assert classifier.candidates == ("good", "fine", "bad")


async def test_learning_without_engines_leaves_their_views_out() -> None:
    labeller = Labeller(Model(down=True), Encoder(down=True))
    classifier = await classifier_learn(LEARNT, labeller, revision="1")
    assert classifier.meaning is None
    assert classifier.model is None
    assert not classifier.wants_model


async def test_a_model_that_adds_nothing_is_not_asked() -> None:
    model = Model()
    labeller = Labeller(model, Encoder())
    classifier = await classifier_learn(LEARNT, labeller, revision="1")
    before = len(model.asked)
    await labeller.label(LEARNT, ["so sad"], classifier=classifier, timeout=5)
    assert (len(model.asked) > before) == classifier.fit.model_adds


async def test_learning_waits_for_answers_and_labels() -> None:
    model = Model()
    await classifier_learn(LEARNT, Labeller(model, None), revision="1")
    assert set(model.priorities) == {Priority.BACKGROUND}


def test_the_prompt_keeps_its_fixed_part_first_and_has_the_words() -> None:
    system, user = label_prompt(MOOD, "  hello  ")
    assert system == ChatMessage("system", "Answer good, bad.")
    assert user == ChatMessage("user", "Message: hello")


def test_of_a_long_text_the_beginning_and_the_end_are_read() -> None:
    clipped = text_clip("a" * 1000 + "z" * 10)
    assert clipped.startswith("aaa")
    assert clipped.endswith("zzz")
    assert len(clipped) < 420
