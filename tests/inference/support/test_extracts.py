"""Of documents the sentences that may answer are found, and a model's word counts as it reads."""

from __future__ import annotations

import pytest

from inference.chat import ChatMessage
from inference.support.extracts import EXTRACT_MOST, passages_extracted, texts_compared
from inference.support.fallback import own_words
from inference.support.passages import SupportPassage
from inference.support.trimming import passages_prepared
from inference.support.verification import ExtractReader, Reading

QUESTION = "How high is the old tower?"
TOWER = "The tower stands by the river. The old tower is 40 metres high. It is closed in winter."
MILL = "The mill was built by a monk. Flour is still ground there on Sundays."


def cosines(near: str) -> dict[str, float]:
    documents = [SupportPassage("D1", "", TOWER), SupportPassage("D2", "", MILL)]
    return {text: 0.9 if near in text else 0.78 for text in texts_compared(documents)}


def extracted(near: str = "40 metres") -> tuple[SupportPassage, ...]:
    documents = [SupportPassage("D2", "", MILL), SupportPassage("D1", "", TOWER)]
    return passages_extracted(QUESTION, documents, "en", cosines(near))


def test_the_document_with_the_nearest_sentence_comes_first_with_that_sentence() -> None:
    first, second = extracted()

    assert (first.id, second.id) == ("D1", "D2")
    assert "40 metres" in first.extract
    assert first.probability > second.probability


def test_nothing_that_stands_out_is_less_probable_than_something_that_does() -> None:
    [best, *_] = extracted()
    [level, *_] = passages_extracted(
        QUESTION,
        [SupportPassage("D1", "", TOWER), SupportPassage("D2", "", MILL)],
        "en",
        dict.fromkeys(cosines("x"), 0.85),
    )

    assert level.probability < best.probability


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_an_extract_is_never_longer_than_an_answer_may_be(language: str) -> None:
    text = "word " * 200 if language == "en" else "塔" * 300
    [passage] = passages_extracted(
        QUESTION, [SupportPassage("D1", "", text)], language, {text.strip(): 0.9}
    )
    length = len(passage.extract.split()) if language == "en" else len(passage.extract)

    assert 0 < length <= EXTRACT_MOST[language]


@pytest.mark.parametrize(
    ("text", "end"),
    [("塔" * 90 + "，" + "高" * 60, "塔"), ("塔" * 118 + "1840.42万元", "塔")],
)
def test_an_extract_is_cut_at_a_mark_and_never_within_a_number(text: str, end: str) -> None:
    [passage] = passages_extracted(QUESTION, [SupportPassage("D1", "", text)], "zh-hans", {})

    assert passage.extract.endswith(end)
    assert text.startswith(passage.extract)


def test_an_extract_of_two_sentences_stands_so_in_the_document() -> None:
    text = "2022年6月6日。 2013年的塔高四十米。"
    [passage] = passages_extracted("塔多高", [SupportPassage("D1", "", text)], "zh-hans", {})

    assert passage.extract == text


def test_sentences_that_were_not_compared_count_as_far_away() -> None:
    [first, *_] = passages_extracted(QUESTION, [SupportPassage("D1", "", TOWER)], "en", {})

    assert first.probability == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("probability", "sent"), [(0.6, True), (0.2, False)])
def test_an_extract_is_sent_word_for_word_from_a_probability_on(
    probability: float, sent: bool
) -> None:
    passage = SupportPassage(
        "D1", "", TOWER, probability, extract="The old tower is 40 metres high."
    )

    words = own_words(QUESTION, [passage], "en")

    assert (words is not None and words.text == passage.extract) is sent


def test_a_prompt_gets_the_extract_and_not_the_document() -> None:
    passage = SupportPassage("D1", "", TOWER, 0.6, extract="The old tower is 40 metres high.")

    [prepared] = passages_prepared(QUESTION, [passage], "en")

    assert prepared.answer == "The old tower is 40 metres high."


class Reader:
    """A model that says yes where ``word`` stands in the text and the question asks for a height
    or for what the text of the measure answers."""

    def __init__(self, *, reads: bool) -> None:
        self.reads = reads
        self.looks = 0

    async def next_logprobs(
        self, messages: list[ChatMessage], candidates: tuple[str, str], **_: object
    ) -> dict[str, float]:
        self.looks += 1
        said = messages[-1].content
        right = any(mark in said for mark in ("metres", *ANSWERED)) if self.reads else True
        return dict(zip(candidates, (-0.1, -3.0) if right else (-3.0, -0.1), strict=True))


ANSWERED = (
    "When was the Millbrook", "Who won the women", "How much water", "How much will",
    "How long is the birthday", "Where did last night",
)  # fmt: skip


async def test_a_model_that_reads_moves_the_probability_and_is_measured_once() -> None:
    client = Reader(reads=True)
    reader = ExtractReader(client, seconds=1.0)
    before = extracted()

    after = await reader.verified(QUESTION, before, "en")
    looks = client.looks
    await reader.verified(QUESTION, before, "en")

    assert after[0].id == "D1"
    assert after[0].probability > before[0].probability
    assert after[1].probability < before[1].probability
    assert client.looks == looks + 2


async def test_a_model_that_says_yes_to_everything_moves_nothing() -> None:
    reader = ExtractReader(Reader(reads=False), seconds=1.0)
    before = extracted()

    assert await reader.verified(QUESTION, before, "en") == before


def test_a_reading_is_steep_for_a_model_that_tells_and_flat_for_one_that_does_not() -> None:
    good = Reading.fitted([2.0, 2.5, 3.0], [-1.0, 0.0, 0.5])
    poor = Reading.fitted([0.2, -0.1, 0.1], [0.1, 0.0, 0.1])

    assert good.slope > 10 * poor.slope
    assert good.neutral == pytest.approx((2.5 - 1 / 6) / 2)
