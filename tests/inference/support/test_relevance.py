"""A passage covers a question only when it speaks of what is asked about."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inference.support.passages import SupportPassage
from inference.support.relevance import CERTAIN, relevance

from .cases import (
    EN_DELIVERY,
    EN_RETURN,
    EN_SHIP_TO,
    ZH_CONTACT,
    ZH_DELIVERY,
    ZH_PAYMENT,
    ZH_RETURN,
)


@pytest.mark.parametrize(
    ("question", "passage", "language"),
    [
        ("如何办理退货", ZH_RETURN, "zh-hans"),
        ("我买的衣服不合适能退吗", ZH_RETURN, "zh-hans"),
        ("多久能到", ZH_DELIVERY, "zh-hans"),
        ("发货后几天到成都", ZH_DELIVERY, "zh-hans"),
        ("怎么付款", ZH_PAYMENT, "zh-hans"),
        ("客服几点下班", ZH_CONTACT, "zh-hans"),
        ("Can I return shoes I have worn?", EN_RETURN, "en"),
        ("When will my parcel arrive?", EN_DELIVERY, "en"),
        ("Do you ship to Canada?", EN_SHIP_TO, "en"),
    ],
)
def test_covered(question: str, passage: SupportPassage, language: str) -> None:
    found = relevance(question, passage, language)
    assert found.covers, found.missing


@pytest.mark.parametrize(
    ("question", "passage", "language"),
    [
        ("产品保修期多久", ZH_RETURN, "zh-hans"),
        ("运费多少钱", ZH_RETURN, "zh-hans"),
        ("支持分期付款吗?", ZH_PAYMENT, "zh-hans"),
        ("怎么开发票", ZH_RETURN, "zh-hans"),
        ("可以寄到加拿大吗", ZH_DELIVERY, "zh-hans"),
        ("???", ZH_RETURN, "zh-hans"),
        ("How long is the warranty?", EN_RETURN, "en"),
        ("How much is shipping insurance?", EN_RETURN, "en"),
        ("Do you ship to Norway?", EN_SHIP_TO, "en"),
        ("Do you sell Acme kettles?", EN_RETURN, "en"),
    ],
)
def test_not_covered(question: str, passage: SupportPassage, language: str) -> None:
    assert not relevance(question, passage, language).covers


def test_what_is_missing_is_named() -> None:
    assert "warranty" in relevance("产品保修期多久", ZH_RETURN, "zh-hans").missing


def test_a_passage_about_another_year_does_not_cover_the_question() -> None:
    passage = SupportPassage("D1", "", "The 2018 spring sale began on March 3, 2018.")
    assert relevance("When did the 2018 spring sale begin?", passage, "en").covers
    assert not relevance("When did the 2021 spring sale begin?", passage, "en").covers


def likely(passage: SupportPassage, probability: float) -> SupportPassage:
    return replace(passage, probability=probability)


EN_SEATS = SupportPassage("E1", "Do you have chairs for children?", "Yes, from 3 years on.")
ZH_SEATS = SupportPassage("E2", "儿童座椅有吗？", "有，适合三岁以上。")
EN_PAYMENT = SupportPassage("E3", "Which payment methods are there?", "Cards and bank transfer.")


@pytest.mark.parametrize(
    ("question", "passage", "language"),
    [
        ("我不喜欢，想送回去", ZH_RETURN, "zh-hans"),
        ("The colour looks odd on me, may I hand it over again?", EN_RETURN, "en"),
    ],
)
def test_the_surer_retrieval_is_the_fewer_words_must_be_shared(
    question: str, passage: SupportPassage, language: str
) -> None:
    assert not relevance(question, passage, language).covers
    assert not relevance(question, likely(passage, 0.05), language).covers
    assert relevance(question, likely(passage, 0.6), language).covers


@pytest.mark.parametrize(
    ("question", "passage", "language", "missing"),
    [
        ("产品保修期多久", ZH_RETURN, "zh-hans", "warranty"),
        ("可以用比特币付款吗", ZH_PAYMENT, "zh-hans", "比特币"),
        ("Can I pay with bitcoin?", EN_PAYMENT, "en", "bitcoin"),
        ("Do you have chairs for dogs?", EN_SEATS, "en", "dog"),
        ("有宠物座椅吗", ZH_SEATS, "zh-hans", "宠物"),
    ],
)
def test_what_is_asked_for_and_not_there_outweighs_a_sure_retrieval(
    question: str, passage: SupportPassage, language: str, missing: str
) -> None:
    found = relevance(question, likely(passage, 0.95), language)
    assert not found.covers
    assert missing in found.missing


def test_a_question_that_the_shop_wrote_for_the_entry_is_covered() -> None:
    assert relevance("客服电话是多少", likely(ZH_RETURN, CERTAIN), "zh-hans").covers


def test_a_place_is_covered_by_what_is_said_of_all_places_abroad() -> None:
    only_here = SupportPassage("E1", "Do you ship abroad?", "No, we deliver at home only.")
    assert relevance("Can you ship it to Norway?", likely(only_here, 0.3), "en").covers
    assert not relevance("Can you ship it to Norway?", likely(EN_SHIP_TO, 0.3), "en").covers
