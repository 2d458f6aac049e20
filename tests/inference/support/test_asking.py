"""What a message asks is told from the circumstances around it."""

from __future__ import annotations

import pytest

from inference.support.asking import asking_of, narrowing_words
from inference.support.questions import Wanted, question_of, wanted_of


@pytest.mark.parametrize(
    ("text", "language", "asked"),
    [
        ("My coat is too long, can I send it back?", "en", ("can I send it back?",)),
        ("Can I send it back if the colour is wrong?", "en", ("Can I send it back",)),
        ("外套太长了，能退吗？", "zh-hans", ("能退吗？",)),
        ("What does it cost and how long does it take?", "en",
         ("What does it cost", "and how long does it take?")),
        ("The plate is cracked.", "en", ("The plate is cracked.",)),
    ],
)  # fmt: skip
def test_the_part_that_asks(text: str, language: str, asked: tuple[str, ...]) -> None:
    assert asking_of(text, language).asked == asked


def test_circumstances_weigh_little_and_set_no_topic() -> None:
    question = question_of("The size of my coat is wrong, can I send it back?", "en")
    weights = {term.key: term.weight for term in question.terms}

    assert question.topics == {"return"}
    assert 0 < weights["coat"] < weights["send"]


def test_where_no_part_names_what_it_asks_all_parts_together_do() -> None:
    question = question_of("I returned the coat a month ago. How long does that take?", "en")

    assert question.wanted is Wanted.DURATION
    assert question.topics == {"return"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("能分几个月付吗", Wanted.YES_NO),
        ("Do I have to pay when I rent?", Wanted.YES_NO),
        ("Can you tell me when it comes?", Wanted.DATE),
        ("你知道要几天吗", Wanted.DURATION),
    ],
)
def test_whether_is_told_from_when_and_how_long(text: str, wanted: Wanted) -> None:
    assert wanted_of(text) is wanted


def test_the_word_that_narrows_the_shared_one() -> None:
    assert narrowing_words("Are there chairs for the dogs?", "en", {"chair"}) >= {"dog"}
    assert narrowing_words("有宠物座椅吗", "zh-hans", {"座椅"}) == {"宠物"}
    assert narrowing_words("能先骑吗", "zh-hans", {"骑"}) == frozenset()
