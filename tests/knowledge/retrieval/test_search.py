"""What is published is found by the next question; what is not, is not."""

from __future__ import annotations

import asyncio
import logging

import pytest

from knowledge.models import Document, Entry, Phrasing, Site, TextVector
from knowledge.retrieval import search
from knowledge.retrieval.calibration import DIRECT_PROBABILITY, RELEVANT_PROBABILITY
from knowledge.retrieval.index import SiteIndex
from knowledge.retrieval.search import Retriever
from tests.knowledge.retrieval.conftest import Ask, WordEncoder, aentry_make, questions


async def test_a_site_without_entries_finds_nothing(ask: Ask) -> None:
    retrieval = await ask("How long does shipping take?")

    assert retrieval.passages == ()
    assert retrieval.probability == 0.0


async def test_a_question_of_punctuation_only_is_answered_without_an_error(
    ask: Ask, site: Site
) -> None:
    await aentry_make(site, "How long does shipping take?")

    assert (await ask("？！…")).probability < RELEVANT_PROBABILITY
    assert (await ask("   ")).probability < RELEVANT_PROBABILITY


async def test_an_entry_is_found_by_the_next_question_after_it_is_saved(
    ask: Ask, site: Site
) -> None:
    await aentry_make(site, "How long does shipping take?")
    await ask("shipping")
    entry = await aentry_make(site, "Which teas are organic?", "The green ones.")

    retrieval = await ask("organic teas")

    first = retrieval.passages[0]
    assert (first.id, first.entry_id) == (f"E{entry.pk}", entry.pk)
    assert (first.question, first.answer) == ("Which teas are organic?", "The green ones.")
    assert retrieval.method == "hybrid"
    assert first.vector_score is not None


async def test_a_question_is_compared_with_questions_as_one_and_with_sentences_as_a_query(
    ask: Ask, site: Site, encoder: WordEncoder
) -> None:
    document = await Document.objects.acreate(site=site, name="teas.txt")
    text = "The green teas are organic. The black ones are not."
    await aentry_make(site, "Which teas are organic?", text, document=document)

    retrieval = await ask("Organic teas")

    assert retrieval.passages[0].is_document
    assert encoder.kinds["organic teas?"] == {"question"}
    assert encoder.kinds["Organic teas"] == {"query"}
    assert encoder.kinds["which teas are organic?"] == {"question"}


async def test_a_changed_answer_is_what_the_next_question_gets(ask: Ask, site: Site) -> None:
    entry = await aentry_make(site, "Which teas are organic?", "The green ones.")
    await ask("organic teas")
    entry.answer = "All of them."
    await entry.asave()

    assert (await ask("organic teas")).passages[0].answer == "All of them."


async def test_a_text_that_a_bulk_update_rewrites_in_place_is_noticed(ask: Ask, site: Site) -> None:
    entry = await aentry_make(site, "Which teas are organic?", "The green ones.")
    await ask("organic teas")
    await Entry.objects.filter(pk=entry.pk).aupdate(answer="All of them.")

    assert (await ask("organic teas")).passages[0].answer == "All of them."


async def test_drafts_are_not_found_until_a_bulk_update_publishes_them(
    ask: Ask, site: Site
) -> None:
    await aentry_make(site, "Which teas are organic?", status=Entry.Status.DRAFT)
    assert questions(await ask("organic teas")) == []

    await Entry.objects.filter(site=site).aupdate(status=Entry.Status.PUBLISHED)
    assert questions(await ask("organic teas")) == ["Which teas are organic?"]

    await Entry.objects.filter(site=site).aupdate(status=Entry.Status.DRAFT)
    assert questions(await ask("organic teas")) == []


async def test_an_entry_that_a_queryset_deletes_is_not_found(ask: Ask, site: Site) -> None:
    gone = await aentry_make(site, "Which teas are organic?")
    await aentry_make(site, "Which teas are cheap?")
    assert len(questions(await ask("which teas"))) == 2
    await Entry.objects.filter(pk=gone.pk).adelete()

    assert questions(await ask("organic teas")) == ["Which teas are cheap?"]


async def test_a_phrasing_finds_its_entry_and_no_more_when_it_is_deleted(
    ask: Ask, site: Site
) -> None:
    entry = await aentry_make(site, "Which teas are organic?", phrasings=["pesticide residue"])
    await aentry_make(site, "How long does shipping take?")
    with_phrasing = await ask("pesticide residue")
    await Phrasing.objects.all().adelete()
    without = await ask("pesticide residue")

    assert with_phrasing.passages[0].entry_id == entry.pk
    assert with_phrasing.probability > DIRECT_PROBABILITY > without.probability


async def test_keywords_find_their_entry(ask: Ask, site: Site) -> None:
    entry = await aentry_make(site, "How do I brew it?", keywords="kettle, temperature")
    await aentry_make(site, "How long does shipping take?")

    assert (await ask("kettle temperature")).passages[0].entry_id == entry.pk


async def test_entries_of_another_site_are_never_returned(ask: Ask, site: Site) -> None:
    other = await Site.objects.acreate(name="Coffee shop")
    await aentry_make(other, "Which beans are organic?")
    await aentry_make(site, "Which teas are organic?")

    assert questions(await ask("Which beans are organic?", limit=10)) == ["Which teas are organic?"]


async def test_the_customers_language_comes_first_and_the_other_is_still_found(
    ask: Ask, site: Site
) -> None:
    await aentry_make(site, "VIP 12 plan", "en")
    await aentry_make(site, "VIP 12 plan", "zh", language="zh-hans")

    english = await ask("vip plan", language="en")
    chinese = await ask("vip plan", language="zh-hans")

    assert [passage.answer for passage in english.passages] == ["en", "zh"]
    assert [passage.answer for passage in chinese.passages] == ["zh", "en"]


@pytest.mark.parametrize("text", ["７天内可以退貨嗎？", "7天内可以退货吗", "7天内可以退货吗?!"])
async def test_an_entrys_own_question_is_surer_than_a_direct_answer_needs(
    ask: Ask, site: Site, text: str
) -> None:
    await aentry_make(site, "7天内可以退货吗？", language="zh-hans")
    await aentry_make(site, "7天内可以换货吗？", "可以", language="zh-hans")

    retrieval = await ask(text, language="zh-hans")

    assert retrieval.passages[0].question == "7天内可以退货吗？"
    assert retrieval.probability > DIRECT_PROBABILITY


async def test_at_most_the_limit_is_returned_best_first(ask: Ask, site: Site) -> None:
    for number in range(12):
        await aentry_make(site, f"Is tea number {number} organic?", f"Answer {number}")

    passages = (await ask("Is tea number 7 organic?", limit=3)).passages

    assert len(passages) == 3
    assert passages[0].answer == "Answer 7"
    assert [p.score for p in passages] == sorted((p.score for p in passages), reverse=True)
    assert all(0.0 <= p.score <= 1.0 and 0.0 <= p.probability <= 1.0 for p in passages)


async def test_keywords_stand_in_while_the_encoder_is_away(
    ask: Ask, site: Site, encoder: WordEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    encoder.is_away = True
    await aentry_make(site, "Which teas are organic?")
    await aentry_make(site, "How long does shipping take?")

    retrieval = await ask("organic teas")

    assert retrieval.method == "keywords"
    assert retrieval.passages[0].question == "Which teas are organic?"
    assert retrieval.passages[0].vector_score is None
    assert "keywords stand in" in caplog.text


async def test_an_encoder_that_failed_is_asked_again_after_a_pause(
    site: Site, encoder: WordEncoder
) -> None:
    now = 100.0
    retriever = Retriever(encoder, clock=lambda: now)
    await aentry_make(site, "Which teas are organic?")
    encoder.is_away = True
    await retriever.retrieve(site_id=site.pk, text="tea", language="en")
    requests = encoder.requests
    encoder.is_away = False

    during = await retriever.retrieve(site_id=site.pk, text="tea", language="en")
    assert (during.method, encoder.requests) == ("keywords", requests)

    now += search.ENCODER_PAUSE + 0.1
    after = await retriever.retrieve(site_id=site.pk, text="tea", language="en")
    assert after.method == "hybrid"
    assert after.passages[0].vector_score is not None
    await retriever.aclose()


async def test_without_an_encoder_keywords_decide(site: Site) -> None:
    retriever = Retriever(None)
    await aentry_make(site, "Which teas are organic?")

    retrieval = await retriever.retrieve(site_id=site.pk, text="organic teas", language="en")

    assert retrieval.method == "keywords"
    assert questions(retrieval) == ["Which teas are organic?"]
    await retriever.aclose()


async def test_questions_are_answered_while_an_import_is_embedded(
    ask: Ask, site: Site, encoder: WordEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "CATCH_UP_TEXTS", 4)
    for number in range(5):
        await aentry_make(site, f"Is tea number {number} organic?")
    encoder.gate.clear()

    asked = asyncio.create_task(ask("tea number 3"))
    async with asyncio.timeout(5):
        await encoder.asked.acquire()  # for the question's own vector
        await encoder.asked.acquire()  # for the import's first batch
    encoder.gate.set()

    assert questions(await asked)[0] == "Is tea number 3 organic?"


async def test_concurrent_questions_build_the_index_once(
    ask: Ask, site: Site, encoder: WordEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await aentry_make(site, "Which teas are organic?")
    built = []
    original = SiteIndex.built

    def counted(*arguments: object, **named: object) -> SiteIndex:
        built.append(arguments)
        return original(*arguments, **named)

    monkeypatch.setattr(SiteIndex, "built", counted)
    retrievals = await asyncio.gather(*(ask(f"organic teas {n}") for n in range(10)))

    assert len(built) == 1
    assert all(questions(one) == ["Which teas are organic?"] for one in retrievals)
    assert encoder.texts.count("which teas are organic?") == 1


async def test_only_changed_texts_are_embedded_again(
    ask: Ask, site: Site, encoder: WordEncoder
) -> None:
    entry = await aentry_make(site, "Which teas are organic?", "The green ones.")
    await aentry_make(site, "How long does shipping take?", "Two days.")
    await ask("teas")
    encoder.texts.clear()
    entry.answer = "All."
    await entry.asave()

    await ask("shipping")

    assert sorted(encoder.texts) == ["Which teas are organic? All.", "shipping?"]


async def test_a_restart_takes_vectors_from_the_database(
    ask: Ask, site: Site, encoder: WordEncoder
) -> None:
    await aentry_make(site, "Which teas are organic?", "The green ones.")
    await ask("teas")
    assert await TextVector.objects.acount() == 2

    second = WordEncoder()
    retriever = Retriever(second)
    retrieval = await retriever.retrieve(site_id=site.pk, text="organic", language="en")

    assert second.texts == ["organic?"]
    assert retrieval.passages[0].vector_score is not None
    await retriever.aclose()
