"""Of documents the sentences that may answer are found, and a model's word counts as it reads."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator

import pytest

from inference.chat import ChatChunk, ChatMessage, EngineIdentity
from inference.errors import EngineDown
from inference.support.extracts import (
    EXTRACT_MOST,
    passages_extracted,
    quotation_of,
    texts_compared,
)
from inference.support.fallback import own_words
from inference.support.passages import SupportPassage
from inference.support.trimming import passages_prepared
from inference.support.verification import UNMEASURED, ExtractReader, Reading

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


def documents(*extracts: tuple[str, float]) -> list[SupportPassage]:
    return [
        SupportPassage(f"D{number}", "", text, probability, extract=text)
        for number, (text, probability) in enumerate(extracts, start=1)
    ]


def test_two_extracts_that_fit_are_quoted_with_their_marks_likeliest_first() -> None:
    quotation = quotation_of(documents(("One.", 0.3), ("Two.", 0.8)), "en")

    assert quotation is not None
    assert quotation.text == "Two. [1]\n\nOne. [2]"
    assert quotation.passage_ids == ("D2", "D1")


@pytest.mark.parametrize(
    "other",
    [("word " * 60, 0.5), ("Unlikely.", 0.1), ("Two.", 0.5)],
    ids=["long", "unlikely", "same"],
)
def test_an_extract_is_quoted_alone_when_no_other_fits(other: tuple[str, float]) -> None:
    quotation = quotation_of(documents(("Two.", 0.8), other), "en")

    assert quotation is not None
    assert (quotation.text, quotation.passage_ids) == ("Two.", ("D1",))


def test_nothing_is_quoted_when_nothing_is_likely() -> None:
    assert quotation_of(documents(("One.", 0.3), ("Two.", 0.2)), "en") is None


class Reader:
    """A model that names ``answer`` where the text holds it, and else "none"; of the texts of the
    measure it names what stands in them, or invents something for every question."""

    def __init__(self, answer: str, *, reads: bool = True, fails_at: int = 0) -> None:
        self.answer = answer
        self.reads = reads
        self.fails_at = fails_at
        self.failed = asyncio.Event()
        self.looks = 0
        self.model = "small"

    async def stream(
        self, messages: list[ChatMessage], *_: object, **__: object
    ) -> AsyncGenerator[ChatChunk, None]:
        self.looks += 1
        if self.looks == self.fails_at:
            self.failed.set()
            raise EngineDown("away")
        said = messages[-1].content
        named = next((word for question, word in MEASURED.items() if question in said), "none")
        if QUESTION in said:
            named = self.answer
        elif not self.reads:
            named = "the"
        yield ChatChunk(f"{named}.", finish_reason="stop", engine=EngineIdentity(self.model))


MEASURED = {
    "When was the Millbrook": "May 1931", "Who won the women": "Anna Petrova",
    "How much water": "1.7 litres", "How much will": "900 million",
    "How long is the birthday": "Thirty days", "Where did last night": "Riverside Hall",
}  # fmt: skip


async def test_the_extract_that_holds_the_named_answer_gains_and_the_others_lose() -> None:
    client = Reader("40 metres")
    reader = ExtractReader(client, seconds=1.0)
    before = extracted()
    measured = await reader.reading("en")
    looks = client.looks

    after = await reader.verified(QUESTION, before, "en")

    assert measured.found > UNMEASURED.found
    assert after[0].id == "D1"
    assert after[0].probability > before[0].probability
    assert after[1].probability < before[1].probability
    assert client.looks == looks + 1


async def test_until_the_model_is_measured_it_counts_a_little_and_is_measured_meanwhile() -> None:
    client = Reader("40 metres")
    reader = ExtractReader(client, seconds=1.0)
    before = extracted()

    first = await reader.verified(QUESTION, before, "en")
    measured = await reader.reading("en")
    second = await reader.verified(QUESTION, before, "en")

    assert before[0].probability < first[0].probability < second[0].probability
    assert measured != UNMEASURED


async def test_a_measure_that_the_engine_breaks_off_is_taken_up_by_the_next_question() -> None:
    client = Reader("40 metres", fails_at=4)
    reader = ExtractReader(client, seconds=1.0)

    await reader.verified(QUESTION, extracted(), "en")
    await asyncio.wait_for(client.failed.wait(), 5.0)
    measured = await reader.reading("en")

    assert measured.found > UNMEASURED.found
    assert client.looks == 1 + 12 + 1


async def test_a_model_that_takes_the_place_of_another_is_measured_anew() -> None:
    client = Reader("40 metres")
    reader = ExtractReader(client, seconds=1.0)
    before = extracted()
    small = await reader.reading("en")

    client.model, client.reads = "another", False
    unmeasured = await reader.verified(QUESTION, before, "en")
    another = await reader.reading("en")
    measured = await reader.verified(QUESTION, before, "en")

    assert small.found > 0
    assert another == Reading(found=0.0, missed=0.0)
    assert unmeasured[0].probability > before[0].probability
    assert [p.probability for p in measured] == pytest.approx([p.probability for p in before])


@pytest.mark.parametrize("named", ["none", "90 metres", "40 met", "old tower", ""])
async def test_all_extracts_lose_when_the_model_names_nothing_that_stands_in_them(
    named: str,
) -> None:
    before = extracted()

    after = await ExtractReader(Reader(named), seconds=1.0).verified(QUESTION, before, "en")

    assert all(new.probability < old.probability for new, old in zip(after, before, strict=True))


async def test_an_answer_in_the_second_extract_brings_it_to_the_front() -> None:
    before = documents(("The tower is old.", 0.5), ("It is 40 metres high.", 0.4))

    after = await ExtractReader(Reader("40 metres"), seconds=1.0).verified(QUESTION, before, "en")

    assert [passage.id for passage in after] == ["D2", "D1"]


async def test_a_model_that_finds_something_everywhere_moves_nothing() -> None:
    reader = ExtractReader(Reader("40 metres", reads=False), seconds=1.0)

    assert await reader.reading("en") == Reading(found=0.0, missed=0.0)


async def test_what_is_not_asked_for_a_few_words_of_the_text_is_not_read() -> None:
    client = Reader("40 metres")
    before = extracted()

    after = await ExtractReader(client, seconds=1.0).verified(
        "How do I clean the old tower?", before, "en"
    )

    assert (after, client.looks) == (before, 0)


@pytest.mark.parametrize(
    ("answered", "unanswered"), [(6, 1), (6, 4), (5, 0)], ids=["well", "badly", "carefully"]
)
def test_a_reading_counts_the_more_the_better_the_model_tells(
    answered: int, unanswered: int
) -> None:
    said = [[number < count for number in range(6)] for count in (answered, unanswered)]
    reading = Reading.measured(*said)
    right, wrong = (answered + 1) / 8, (unanswered + 1) / 8

    assert reading.found == pytest.approx(0.5 * math.log(right / wrong))
    assert reading.missed == pytest.approx(0.5 * math.log((1 - right) / (1 - wrong)))


def test_a_model_that_finds_more_where_nothing_is_tells_nothing() -> None:
    assert Reading.measured([False] * 6, [True] * 6) == Reading(found=0.0, missed=0.0)
