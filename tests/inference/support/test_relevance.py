"""A passage covers a question only when it speaks of what is asked about."""

from __future__ import annotations

import pytest

from inference.support.passages import SupportPassage
from inference.support.relevance import relevance

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
