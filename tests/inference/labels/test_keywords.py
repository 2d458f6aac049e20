"""Keywords are named by the model and kept only where they stand in the message."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from inference.chat import ChatChunk, ChatMessage, GenerationParameters
from inference.errors import EngineDown
from inference.labels.keywords import KEYWORDS_MOST, keywords_name, keywords_of, keywords_validate


class Saying:
    def __init__(self, answer: str | None) -> None:
        self.answer = answer

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[ChatChunk, None]:
        if self.answer is None:
            raise EngineDown("away")
        yield ChatChunk(self.answer, "stop")


def test_a_keyword_that_the_message_lacks_is_dropped() -> None:
    assert keywords_validate("refund, lawyer, Shoes", "My shoes: where is the refund?") == [
        "shoes", "refund",
    ]  # fmt: skip


def test_an_english_keyword_is_a_whole_word() -> None:
    assert keywords_validate("fund", "Where is my refund?") == []


def test_chinese_lists_are_read() -> None:
    assert keywords_validate("1. 退款\n2. 运费、鞋子", "这双鞋子的退款和运费呢") == [
        "鞋子", "退款", "运费",
    ]  # fmt: skip


def test_a_whole_sentence_is_no_keyword() -> None:
    text = "I would like to know where the parcel that I ordered last week is right now"
    assert keywords_validate(text, text) == []


def test_there_are_never_more_than_a_few() -> None:
    text = "one two three four five six seven eight"
    assert len(keywords_validate(text.replace(" ", ", "), text)) <= KEYWORDS_MOST


async def test_while_the_model_is_away_the_texts_own_words_are_taken() -> None:
    text = "The blue kettle leaks, can the kettle be replaced?"
    prompt = [ChatMessage("user", text)]
    parameters = GenerationParameters()
    for answer in (None, "nothing of that kind", ""):
        named = await keywords_name(Saying(answer), prompt, text, parameters=parameters, timeout=1)
        assert named == keywords_of(text)
    assert "kettle" in keywords_of(text)


async def test_what_the_model_names_comes_first() -> None:
    named = await keywords_name(
        Saying("kettle"), [], "The blue kettle leaks", parameters=GenerationParameters(), timeout=1
    )
    assert named == ["kettle"]
