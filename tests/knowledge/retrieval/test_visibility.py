"""Nobody is shown an entry before its time, after it, or without belonging to its audience."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import sync_to_async

from knowledge.models import Audience, Entry, Site
from knowledge.retrieval.search import Retriever
from knowledge.selectors import audiences_of, validity_change_next
from tests.knowledge.retrieval.conftest import WordEncoder, aentry_make, entry_make, questions

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Watch:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture(params=["meaning and words", "words alone"])
async def retriever(request: pytest.FixtureRequest, encoder: WordEncoder, watch: Watch):
    retriever = Retriever(encoder if request.param == "meaning and words" else None, now=watch)
    yield retriever
    await retriever.aclose()


async def found(retriever: Retriever, site: Site, text: str, **more: object) -> list[str]:
    return questions(
        await retriever.retrieve(site_id=site.pk, text=text, language="en", limit=9, **more)
    )


async def test_an_entry_is_found_from_its_first_moment_to_before_its_last(
    retriever: Retriever, site: Site, watch: Watch
) -> None:
    await aentry_make(site, "Is there a summer sale?", valid_from=NOON, valid_until=NOON + HOUR)
    seen = []
    for moment in (
        NOON - timedelta(microseconds=1),
        NOON,
        NOON + HOUR - timedelta(microseconds=1),
        NOON + HOUR,
    ):
        watch.now = moment
        seen.append(bool(await found(retriever, site, "Is there a summer sale?")))

    assert seen == [False, True, True, False]


async def test_the_clock_alone_brings_an_entry_no_index_is_built_for_it(
    retriever: Retriever, site: Site, watch: Watch
) -> None:
    await aentry_make(site, "Is there a summer sale?", valid_from=NOON + HOUR)
    assert await found(retriever, site, "summer sale") == []
    index = retriever._sites[site.pk].index

    watch.now = NOON + HOUR

    assert await found(retriever, site, "summer sale") == ["Is there a summer sale?"]
    assert retriever._sites[site.pk].index is index


async def test_an_expired_entry_does_not_compete_with_the_one_that_replaces_it(
    retriever: Retriever, site: Site
) -> None:
    await aentry_make(site, "What does shipping cost?", "5 euros.", valid_until=NOON)
    await aentry_make(site, "What does shipping cost?", "6 euros.", valid_from=NOON)

    retrieval = await retriever.retrieve(
        site_id=site.pk, text="What does shipping cost?", language="en"
    )

    assert [passage.answer for passage in retrieval.passages] == ["6 euros."]
    assert retrieval.probability > 0.9


async def test_a_bulk_change_of_dates_counts_for_the_next_question(
    retriever: Retriever, site: Site
) -> None:
    await aentry_make(site, "Is there a summer sale?")
    assert await found(retriever, site, "summer sale")

    await Entry.objects.aupdate(valid_until=NOON)

    assert await found(retriever, site, "summer sale") == []


async def test_only_who_belongs_to_its_audience_sees_an_entry(
    retriever: Retriever, site: Site
) -> None:
    trade = await Audience.objects.acreate(site=site, name="trade", groups="trade")
    known = await Audience.objects.acreate(site=site, name="known")
    await aentry_make(site, "What is the trade price?", audience=trade)
    await aentry_make(site, "What is the member price?", audience=known)
    await aentry_make(site, "What is the price?")

    async def seen(**customer: object) -> set[str]:
        mine = await sync_to_async(audiences_of)(site_id=site.pk, **customer)
        return set(await found(retriever, site, "What is the price?", audiences=mine))

    everyone = {"What is the price?"}
    assert await seen(is_known=False) == everyone
    # A group that no signature vouches for opens nothing.
    assert await seen(is_known=False, groups=["trade"]) == everyone
    assert await seen(is_known=True) == everyone | {"What is the member price?"}
    assert await seen(is_known=True, groups=["Trade", "press"]) == everyone | {
        "What is the member price?"
    }
    assert len(await seen(is_known=True, groups=["press", "trade"])) == 3


async def test_the_audience_of_another_site_is_not_mine(site: Site) -> None:
    other = await Site.objects.acreate(name="Coffee shop")
    await Audience.objects.acreate(site=other, name="trade", groups="trade")

    assert not await sync_to_async(audiences_of)(site_id=site.pk, is_known=True, groups=["trade"])


@pytest.mark.django_db
def test_the_next_change_of_validity_is_the_first_begin_or_end_to_come(site: Site) -> None:
    def following(after: datetime) -> datetime | None:
        return validity_change_next(site_id=site.pk, after=after)

    assert following(NOON) is None
    entry_make(site, "a", valid_from=NOON + 2 * HOUR, valid_until=NOON + 5 * HOUR)
    entry_make(site, "b", valid_until=NOON + 3 * HOUR)
    entry_make(site, "c", valid_until=NOON + HOUR, status=Entry.Status.DRAFT)

    assert following(NOON) == NOON + 2 * HOUR
    assert following(NOON + 2 * HOUR) == NOON + 3 * HOUR
    assert following(NOON + 3 * HOUR) == NOON + 5 * HOUR
    assert following(NOON + 5 * HOUR) is None
