"""What customers ask in vain becomes work: found, grouped, filled, and asked again."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone

from conversations.enums import Outcome, Reason, Role, Tier
from conversations.gaps.clustering import groups_assign, most_central, vectors_centred
from conversations.gaps.collecting import gaps_collect
from conversations.gaps.filling import (
    GapStateWrong,
    gap_check,
    gap_dismiss,
    gap_draft,
    gap_fill,
    gap_question_remove,
    gap_reopen,
)
from conversations.gaps.selectors import gaps_listed, passages_cited
from conversations.gaps.tasks import is_better
from conversations.models import (
    Conversation,
    Gap,
    GapQuestion,
    Message,
    PassageUse,
    Provenance,
    Rating,
)
from inference.errors import EngineDown
from tests.conversations.conftest import Customer

pytestmark = pytest.mark.django_db(transaction=True)


class Encoder:
    """Texts that begin with the same word have nearly the same vector."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away

    async def embed(self, texts: Sequence[str], *, kind: str, timeout: float) -> Any:  # noqa: ASYNC109
        if self.away:
            raise EngineDown("away")
        rows = []
        for text in texts:
            seed = int.from_bytes(hashlib.sha256(text.split()[0].encode()).digest()[:4], "big")
            noise = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
            vector = np.random.default_rng(seed).normal(size=32)
            rows.append(vector + 0.1 * np.random.default_rng(noise).normal(size=32))
        array = np.array(rows, dtype=np.float32)
        return array / np.linalg.norm(array, axis=1, keepdims=True)

    async def aclose(self) -> None: ...


def said(conversation: Conversation, role: str, text: str, **values: Any) -> Message:
    seq = conversation.messages.count() + 1
    return Message.objects.create(
        conversation=conversation, seq=seq, role=role, text=text, language="en", **values
    )


def asked(
    customer: Customer,
    text: str,
    *,
    tier: str = Tier.FALLBACK,
    reason: str = Reason.NOT_IN_KNOWLEDGE,
    outcome: str = Outcome.ANSWER,
    understood: str = "",
) -> tuple[Message, Message]:
    """A question and its outcome, in the customer's conversation."""
    question = said(customer.conversation, Role.CUSTOMER, text, client_message_id=uuid.uuid4())
    reply = said(
        customer.conversation,
        Role.ASSISTANT,
        "I cannot confirm that.",
        reply_to=question,
        tier=tier,
        reason=reason,
        outcome=outcome,
    )
    Provenance.objects.create(message=reply, standalone_question=understood or text)
    return question, reply


def collect(customer: Customer, encoder: Encoder | None = None) -> int:
    return async_to_sync(gaps_collect)(site_id=customer.site.pk, encoder=encoder or Encoder())


def texts_of(gap: Gap) -> set[str]:
    return set(gap.questions.values_list("text", flat=True))


def test_questions_of_one_subject_become_one_gap_and_each_is_taken_once(alice: Customer) -> None:
    for text in ("warranty of lamps?", "warranty for a kettle?", "giftcards in shops?"):
        asked(alice, text)
    assert collect(alice) == 3
    assert sorted(map(len, map(texts_of, Gap.objects.all()))) == [1, 2]
    assert collect(alice) == 0
    asked(alice, "warranty again?")
    assert collect(alice) == 1
    assert sorted(map(len, map(texts_of, Gap.objects.all()))) == [1, 3]


def test_what_was_answered_well_is_no_gap(alice: Customer) -> None:
    asked(alice, "good answer please?", tier=Tier.DIRECT, reason="")
    asked(alice, "late model today?", reason=Reason.FIRST_TOKEN)
    asked(alice, "ok")
    assert collect(alice) == 0


def test_a_badly_rated_answer_is_a_gap_also_when_it_is_rated_later(alice: Customer) -> None:
    _, reply = asked(alice, "sizes run small?", tier=Tier.GENERATED, reason="")
    assert collect(alice) == 0
    Rating.objects.create(message=reply, thumb=False)
    assert collect(alice) == 1
    assert GapQuestion.objects.get().why == GapQuestion.Why.DISLIKED


def test_a_handoff_points_to_the_question_before_it(alice: Customer) -> None:
    asked(alice, "engraving on rings possible?", tier=Tier.GENERATED, reason="")
    asked(
        alice,
        "a human please now",
        tier=Tier.RULES,
        reason=Reason.HUMAN_REQUESTED,
        outcome=Outcome.HANDOFF,
    )
    collect(alice)
    assert texts_of(Gap.objects.get()) == {"engraving on rings possible?"}


@pytest.mark.parametrize(
    ("tier", "reason", "probability", "is_gap"),
    [
        (Tier.GENERATED, "", 0.49, True),
        (Tier.GENERATED, "", 0.51, False),
        (Tier.FALLBACK, Reason.ENGINE_DOWN, 0.1, True),
        (Tier.FALLBACK, Reason.ENGINE_DOWN, 0.9, False),
        (Tier.FALLBACK, Reason.AMBIGUOUS, 0.4, False),
        (Tier.DIRECT, "", 0.4, False),
    ],
)
def test_an_answer_that_no_entry_fitted_well_is_a_gap(
    alice: Customer, tier: str, reason: str, probability: float, is_gap: bool
) -> None:
    _, reply = asked(alice, "engraving on rings possible?", tier=tier, reason=reason)
    Provenance.objects.filter(message=reply).update(
        details={"retrieval": {"method": "hybrid", "probability": probability}}
    )
    assert collect(alice) == int(is_gap)
    if is_gap:
        assert GapQuestion.objects.get().why == GapQuestion.Why.UNSURE


def test_what_was_answered_before_the_entry_came_is_not_its_merit(alice: Customer) -> None:
    asked(alice, "warranty of lamps?")
    asked(alice, "warranty for a kettle?")
    collect(alice)
    gap = Gap.objects.get()
    gap_check(gap=gap, is_answered=lambda question: "kettle" in question.text)
    gap.refresh_from_db()
    assert gap.state == Gap.State.OPEN
    gap_fill(gap=gap, question="Warranty?", answer="One year.")
    assert set(gap.questions.values_list("covered", flat=True)) == {None}
    gap.refresh_from_db()
    gap_check(gap=gap, is_answered=lambda question: True)
    before = gap.questions.filter(covered_before=True).values_list("text", flat=True)
    assert list(before) == ["warranty for a kettle?"]


def test_the_same_text_again_is_no_better_answer_than_the_disliked_one(alice: Customer) -> None:
    _, reply = asked(alice, "sizes run small?", tier=Tier.DIRECT, reason="")
    entry = alice.site.entries.create(question="Sizes?", answer="Small.", status="published")
    PassageUse.objects.create(
        provenance=reply.provenance,
        entry=entry,
        entry_revision=3,
        position=1,
        score=0.9,
        cited=True,
        text="Small.",
    )
    Rating.objects.create(message=reply, thumb=False)
    collect(alice)
    disliked = passages_cited(question=GapQuestion.objects.get())
    assert disliked == {(entry.pk, 3)}
    assert not is_better(frozenset({(entry.pk, 3)}), disliked)
    assert is_better(frozenset({(entry.pk, 4)}), disliked)
    assert is_better(frozenset({(entry.pk, 3)}), None)
    assert not is_better(None, None)


def test_the_question_is_kept_as_it_was_understood(alice: Customer) -> None:
    asked(alice, "and for lamps?", understood="warranty for lamps?")
    collect(alice)
    assert texts_of(Gap.objects.get()) == {"warranty for lamps?"}


def test_while_the_encoder_is_away_nothing_is_lost(alice: Customer) -> None:
    asked(alice, "warranty of lamps?")
    with pytest.raises(EngineDown):
        collect(alice, Encoder(away=True))
    assert not Gap.objects.exists()
    assert collect(alice) == 1


def test_sites_do_not_see_each_others_gaps(alice: Customer, charlie: Customer) -> None:
    asked(alice, "warranty of lamps?")
    assert collect(charlie) == 0
    assert collect(alice) == 1
    assert Gap.objects.get().site == alice.site


def test_what_was_put_aside_swallows_what_is_like_it(alice: Customer) -> None:
    asked(alice, "weather in shanghai?")
    collect(alice)
    gap_dismiss(gap=Gap.objects.get())
    asked(alice, "weather tomorrow there?")
    collect(alice)
    gap = Gap.objects.get()
    assert (gap.state, gap.questions.count()) == (Gap.State.DISMISSED, 2)


def test_the_list_begins_with_what_is_asked_most_and_lately(alice: Customer) -> None:
    for text in ("warranty a b", "warranty c d", "giftcards here now", "old news today"):
        asked(alice, text)
    collect(alice)
    old = GapQuestion.objects.filter(text="old news today")
    old.update(asked_at=timezone.now() - timedelta(days=90))
    assert [gap.title.split()[0] for gap in gaps_listed()] == ["warranty", "giftcards", "old"]
    gap_dismiss(gap=Gap.objects.get(title__startswith="warranty"))
    assert [gap.title.split()[0] for gap in gaps_listed()] == ["giftcards", "old", "warranty"]


def test_a_draft_has_the_other_phrasings_and_an_operators_own_words(alice: Customer) -> None:
    asked(alice, "warranty of lamps?")
    asked(alice, "warranty for a kettle?")
    said(alice.conversation, Role.OPERATOR, "Kettles have one year.")
    collect(alice)
    gap = Gap.objects.get()
    draft = gap_draft(gap=gap)
    assert draft.question == gap.title
    assert {draft.question, *draft.phrasings} == {"warranty of lamps?", "warranty for a kettle?"}
    assert draft.answer == "Kettles have one year."


def test_nobody_makes_up_an_answer_where_no_person_gave_one(alice: Customer) -> None:
    asked(alice, "warranty of lamps?")
    collect(alice)
    assert gap_draft(gap=Gap.objects.get()).answer == ""


def test_filling_publishes_an_entry_once_and_asking_again_tells_the_coverage(
    alice: Customer,
) -> None:
    asked(alice, "warranty of lamps?")
    asked(alice, "warranty for a kettle?")
    collect(alice)
    gap = Gap.objects.get()
    entry = gap_fill(gap=gap, question="Warranty?", answer="One year.", phrasings=["warranty?"])
    assert (entry.status, entry.site, entry.language) == ("published", alice.site, "en")
    with pytest.raises(GapStateWrong):
        gap_fill(gap=gap, question="Warranty?", answer="Two years.")
    gap.refresh_from_db()
    assert gap.state == Gap.State.CHECKING
    assert gap_check(gap=gap, is_answered=lambda question: "kettle" in question.text) == (1, 2)
    gap.refresh_from_db()
    assert gap.state == Gap.State.FILLED
    gap_reopen(gap=gap)
    gap.refresh_from_db()
    assert gap.state == Gap.State.OPEN


def test_a_question_that_asks_something_else_is_taken_out(alice: Customer) -> None:
    asked(alice, "warranty of lamps?")
    asked(alice, "warranty fraud report?")
    collect(alice)
    gap = Gap.objects.get()
    new = gap_question_remove(question=gap.questions.get(text="warranty fraud report?"))
    assert texts_of(gap) == {"warranty of lamps?"}
    assert new.title == "warranty fraud report?"
    gap_question_remove(question=gap.questions.get())
    assert not Gap.objects.filter(pk=gap.pk).exists()


def test_a_vector_joins_the_nearest_group_or_begins_one() -> None:
    east, north = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    fresh = np.array([[0.9, 0.1], [0.1, 0.9], [-1.0, 0.0]], dtype=np.float32)
    assert groups_assign(fresh, [np.array([east]), np.array([north])]) == [0, 1, 2]
    assert groups_assign(np.array([[1.0, 0.0], [0.9, 0.1]], dtype=np.float32), []) == [0, 0]
    assert most_central(np.array([[1, 0], [0.8, 0.6], [0, 1]], dtype=np.float32)) == 1


def test_what_all_questions_share_does_not_make_them_alike() -> None:
    rng = np.random.default_rng(3)
    vectors = (rng.normal(size=(40, 64)) + 6.0).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert (vectors @ vectors.T).min() > 0.9
    centred = vectors_centred(vectors, vectors)
    assert np.median(centred @ centred.T) < 0.2
    few = vectors_centred(vectors[:3], vectors[:3])
    assert np.allclose(few, vectors[:3], atol=1e-6)
