"""The playground tells what both sides do, as it happens, and writes nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from conversations.models import Conversation, Message
from conversations.trials.playing import Play, PlaySide, play_events, prompt_turned, speed_of
from inference.chat import Priority
from inference.engines.scripted import ScriptedReply
from knowledge.models import Language
from knowledge.selectors import prompt_value
from tests.conversations.trials.conftest import USER, Shop

HISTORY = "{% for turn in history %}{{ turn.text }}\n{% endfor %}"

pytestmark = pytest.mark.django_db(transaction=True)


def play_of(shop: Shop, text: str = "退货政策是什么？", **values: Any) -> Play:
    return Play(
        site=shop.site,
        role=values.pop("role", "answer"),
        language="zh-hans",
        text=text,
        sides=[
            PlaySide("left", prompt_value(shop.published)),
            PlaySide("right", prompt_value(shop.draft)),
        ],
        **values,
    )


def events_of(shop: Shop, play: Play) -> list[dict[str, Any]]:
    async def collect() -> list[dict[str, Any]]:
        return [event async for event in play_events(play, opened=shop.rehearse()())]

    return asyncio.run(collect())


def done(events: list[dict[str, Any]], side: str) -> dict[str, Any]:
    [found] = [e for e in events if e.get("event") == "done" and e["side"] == side]
    return found


def test_labels_come_before_both_answers_and_passages_with_them(shop: Shop) -> None:
    events = events_of(shop, play_of(shop))
    assert events[0]["type"] == "labels"
    assert str(Language.ZH_HANS.label) in {label["label"] for label in events[0]["labels"]}
    assert events[-1] == {"type": "end"}
    left, right = done(events, "left"), done(events, "right")
    assert left["text"] == "签收后7天内可以退货。"
    assert right["text"] == "退货需要商品完好。"
    assert left["passages"][0]["entry"] == shop.returns.pk
    assert left["passages"][0]["cited"]
    assert left["completion_tokens"] > 0
    assert left["first_token_ms"] is not None
    deltas = [e["text"] for e in events if e.get("event") == "delta" and e["side"] == "left"]
    assert "".join(deltas).strip() == left["text"]


def test_nothing_is_stored_and_customers_go_first(shop: Shop) -> None:
    events_of(shop, play_of(shop))
    assert not Conversation.objects.exists()
    assert not Message.objects.exists()
    assert {request.priority for request in shop.chat.requests} == {Priority.BACKGROUND}


def test_the_sliders_reach_the_model_on_one_side_only(shop: Shop) -> None:
    play = play_of(shop)
    left, right = play.sides
    turned = prompt_turned(
        right.prompt, temperature=0.7, top_p=0.8, repetition_penalty=1.1, max_tokens=33
    )
    events_of(shop, replace(play, sides=[left, replace(right, prompt=turned)]))
    first, second = [request.parameters for request in shop.chat.requests]
    assert (first.temperature, first.max_tokens) == (0.0, 160)
    assert (second.temperature, second.top_p) == (0.7, 0.8)
    assert (second.repetition_penalty, second.max_tokens) == (1.1, 33)


def test_each_side_remembers_its_own_dialogue(shop: Shop) -> None:
    shop.chat.script.replies.insert(0, ScriptedReply("24小时内发货。", match="24小时"))
    play = play_of(shop, "那多久发货？")
    left, right = play.sides
    prompt = replace(left.prompt, source=replace(left.prompt.source, user=HISTORY + USER))
    said = (("退货政策是什么？", "左边说过的话。"),)
    sides = [PlaySide("left", prompt, said), PlaySide("right", prompt)]
    events_of(shop, replace(play, sides=sides))
    first, second = ["".join(m.content for m in r.messages) for r in shop.chat.requests]
    assert "左边说过的话。" in first
    assert "左边说过的话。" not in second
    assert right.history == ()


def test_without_an_engine_one_sentence_says_so(shop: Shop) -> None:
    shop.chat.state = "stopped"
    events = events_of(shop, play_of(shop))
    assert [event["type"] for event in events] == ["error", "end"]
    assert events[0]["text"]


def test_what_the_check_refused_is_shown(shop: Shop) -> None:
    shop.chat.script.replies.insert(
        0, ScriptedReply("签收后30天内可以退货。", match="改写", where="prompt")
    )
    right = done(events_of(shop, play_of(shop)), "right")
    assert right["rejected"] == "签收后30天内可以退货。"
    assert "30天" not in right["text"]


def test_a_draft_that_cannot_be_rendered_says_so_beside_what_customers_would_get(
    shop: Shop,
) -> None:
    shop.draft.user = "{{ question }} {{ nothing"
    right = done(events_of(shop, play_of(shop)), "right")
    assert right["reason"] == "invalid_output"
    assert "end of print statement" in right["failure"]
    assert not done(events_of(shop, play_of(shop)), "left")["failure"]


def test_other_roles_show_what_the_model_writes_as_it_is(shop: Shop) -> None:
    events = events_of(shop, play_of(shop, role="keywords"))
    assert done(events, "left")["text"] == "签收后7天内可以退货。"
    assert "tier" not in done(events, "left")


def test_speed_counts_the_tokens_after_the_first() -> None:
    assert speed_of(11, 500.0, 1500.0) == 10.0
    assert speed_of(1, 500.0, 500.0) is None
    assert speed_of(5, None, 100.0) is None
