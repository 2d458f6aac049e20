"""A small shop with the real encoder: paraphrases are found, what it knows nothing of is not."""

from __future__ import annotations

import asyncio

import pytest
from django.conf import settings

from inference.engines.encoder import EncoderEngine
from inference.weights.store import model_verify
from knowledge.retrieval.calibration import DIRECT_PROBABILITY, RELEVANT_PROBABILITY
from knowledge.retrieval.entries import IndexedEntry
from knowledge.retrieval.index import SiteIndex, entries_by_id
from knowledge.retrieval.passages import Passage
from knowledge.retrieval.vectors import QUESTION, VectorTable, question_form

SHOP = [
    ("zh-hans", "可以退货吗？", "签收后7天内可以无理由退货，商品需完好，不影响二次销售。"),
    ("zh-hans", "多久能送到？", "一般地区3至5个工作日送达，偏远地区7至10个工作日。"),
    ("zh-hans", "有哪些支付方式？", "支持微信支付、支付宝和银行卡。"),
    ("zh-hans", "怎么开发票？", "下单时勾选需要发票并填写抬头，电子发票会发到您的邮箱。"),
    ("zh-hans", "运费怎么算？", "满99元包邮，不满收取10元运费。"),
    ("zh-hans", "如何修改收货地址？", "发货前可在订单详情里修改地址。"),
    ("en", "How do I reset my password?", "Choose 'Forgot password' and follow the mail we send."),
    ("en", "Do you ship abroad?", "We ship to the EU, Norway and Switzerland."),
    ("en", "Can I cancel my order?", "You can cancel an order until it has left our warehouse."),
    ("en", "Is there a discount for students?", "Students get 10% with a valid card."),
]


@pytest.fixture(scope="module")
def encoder():
    path = settings.CACHE_DIR / "models" / settings.EMBEDDING_MODEL
    engine = EncoderEngine.load(path, model_verify(path), threads=1)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def shop(encoder: EncoderEngine) -> tuple[SiteIndex, VectorTable]:
    index = SiteIndex.built(
        entries_by_id(
            IndexedEntry(number, 1, question, (), answer, "", language)
            for number, (language, question, answer) in enumerate(SHOP)
        )
    )
    table = VectorTable()
    for key, text in index.texts().items():
        table.add({key: asyncio.run(encoder.embed([text.text], text.kind))[0]})
    return index, table


def first(
    shop: tuple[SiteIndex, VectorTable], encoder: EncoderEngine, text: str, language: str
) -> Passage:
    index, table = shop
    vector = asyncio.run(encoder.embed([question_form(text)], QUESTION))[0]
    return index.search(text, language=language, vector=vector, table=table)[0]


@pytest.mark.weights
@pytest.mark.parametrize(
    ("text", "language", "question"),
    [
        ("东西不满意能退吗", "zh-hans", "可以退货吗？"),
        ("下单后几天可以收到", "zh-hans", "多久能送到？"),
        ("能用微信付钱吗", "zh-hans", "有哪些支付方式？"),
        ("我需要一张发票", "zh-hans", "怎么开发票？"),
        ("邮费是多少钱", "zh-hans", "运费怎么算？"),
        ("地址填错了怎么改", "zh-hans", "如何修改收货地址？"),
        ("I forgot my password", "en", "How do I reset my password?"),
        ("Can you deliver to Switzerland?", "en", "Do you ship abroad?"),
        ("I want to call off my order", "en", "Can I cancel my order?"),
        ("Do students pay less?", "en", "Is there a discount for students?"),
    ],
)
def test_a_paraphrase_finds_its_entry(shop, encoder, text, language, question) -> None:
    passage = first(shop, encoder, text, language)

    assert passage.question == question
    assert passage.probability >= RELEVANT_PROBABILITY


@pytest.mark.weights
@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("今天天气怎么样", "zh-hans"),
        ("世界杯谁赢了", "zh-hans"),
        ("给我写一首诗", "zh-hans"),
        ("What is the weather like today?", "en"),
        ("Who won the world cup?", "en"),
        ("Write me a poem about the sea", "en"),
    ],
)
def test_a_question_of_no_concern_is_not_relevant(shop, encoder, text, language) -> None:
    assert first(shop, encoder, text, language).probability < RELEVANT_PROBABILITY


@pytest.mark.weights
@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("产品保修期多久", "zh-hans"),
        ("你们招人吗", "zh-hans"),
        ("实体店在哪里", "zh-hans"),
        ("How long is the warranty?", "en"),
        ("Do you have a shop in Berlin?", "en"),
    ],
)
def test_a_shop_question_that_no_entry_answers_gets_no_direct_answer(
    shop, encoder, text, language
) -> None:
    assert first(shop, encoder, text, language).probability < DIRECT_PROBABILITY
