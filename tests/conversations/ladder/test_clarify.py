"""Where several entries fit, the customer is asked which one, once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from conversations.enums import Reason, Tier
from conversations.ladder.clarify import Clarify
from conversations.ladder.values import Climbed
from inference.engines.scripted import ScriptedChatClient
from knowledge.retrieval.passages import Passage
from tests.conversations.ladder.cast import FakeKnowledge, climb, passage, question_make

SHIRTS = ("退货政策（服装）", "服装退货：签收后7天内可以申请退货，吊牌需完好。")
LAMPS = ("退货政策（灯具）", "灯具退货：签收后15天内可以申请退货，包装需完好。")
DESKS = ("退货政策（家具）", "家具退货：签收后30天内可以申请退货，未组装即可。")
TITLES = (SHIRTS[0], LAMPS[0], DESKS[0])
ASKED = "可以退货吗?"
ANSWER = "签收后7天内可以申请退货，吊牌需完好。[E1]"


def found(*probabilities: float) -> tuple[Passage, ...]:
    entries = (SHIRTS, LAMPS, DESKS)
    return tuple(
        passage(number, entries[number - 1], probability)
        for number, probability in enumerate(probabilities, start=1)
    )


async def ask(passages: tuple[Passage, ...], text: str = ASKED, **values: Any) -> Climbed:
    knowledge = FakeKnowledge(passages=passages, method=values.pop("method", "hybrid"))
    client = ScriptedChatClient(ANSWER)
    return await climb(client, knowledge, question_make(text, **values), before_model=[Clarify()])


async def test_entries_that_fit_alike_are_offered_by_number() -> None:
    climbed = await ask(found(0.5, 0.48, 0.45))

    answer = climbed.answer
    assert (answer.tier, answer.reason) == (Tier.FALLBACK, Reason.AMBIGUOUS)
    assert answer.choices == TITLES
    for number, title in enumerate(TITLES, start=1):
        assert f"{number}. {title}" in answer.text.splitlines()
    assert climbed.walk.details["offered"] == ["E1", "E2", "E3"]


async def test_an_entry_that_is_clearly_less_probable_does_not_compete() -> None:
    assert (await ask(found(0.6, 0.33, 0.31))).answer.tier == Tier.GENERATED


async def test_only_those_that_compete_are_offered() -> None:
    assert (await ask(found(0.6, 0.5, 0.31))).answer.choices == TITLES[:2]


async def test_entries_with_the_same_answer_do_not_compete() -> None:
    one, other = found(0.5, 0.48)
    climbed = await ask((one, replace(other, answer=one.answer)))

    assert climbed.answer.tier == Tier.GENERATED


async def test_words_of_the_question_that_stand_in_one_entry_alone_tell_them_apart() -> None:
    assert (await ask(found(0.5, 0.48), "服装可以退货吗?")).answer.tier == Tier.GENERATED


async def test_keywords_alone_are_too_unsure_to_ask_back() -> None:
    climbed = await ask(found(0.5, 0.48), method="keywords")

    assert climbed.answer.reason != Reason.AMBIGUOUS


@pytest.mark.parametrize(
    ("history", "offered"),
    [
        (((ASKED, "…"),), (TITLES,)),
        (((ASKED, "…"), ("你们在哪里?", "上海。")), (TITLES, ())),
    ],
    ids=["just now", "before"],
)
async def test_nobody_is_asked_twice(history: Any, offered: Any) -> None:
    climbed = await ask(found(0.5, 0.48, 0.45), history=history, offered=offered)

    assert climbed.answer.reason != Reason.AMBIGUOUS
    assert climbed.answer.tier == Tier.GENERATED


@pytest.mark.parametrize("text", ["2", "第二个", "选2", LAMPS[0], "灯具", "灯具退货"])
async def test_a_choice_is_read_by_number_title_or_words(text: str) -> None:
    climbed = await ask(found(0.5, 0.48, 0.45), text, history=((ASKED, "…"),), offered=(TITLES,))

    assert climbed.walk.standalone == LAMPS[0]
    assert climbed.walk.details["used_history"] is True


@pytest.mark.parametrize("text", ["灯具要多久送到?", "沙发", "退货", "转人工客服", "9"])
async def test_what_chooses_none_of_them_is_read_as_it_is(text: str) -> None:
    climbed = await ask(found(0.5, 0.48, 0.45), text, history=((ASKED, "…"),), offered=(TITLES,))

    assert climbed.walk.standalone not in TITLES


async def test_when_nothing_can_be_confirmed_what_is_offered_can_be_chosen() -> None:
    near = (replace(found(0.2)[0], question="服装怎么洗", answer="冷水手洗。"),)
    climbed = await ask(near, "你们有没有实体店?")

    assert climbed.answer.reason == Reason.NOT_IN_KNOWLEDGE
    assert climbed.answer.choices == ("服装怎么洗",)
