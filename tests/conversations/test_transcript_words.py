"""The transcript speaks of stages and labels in words, and in the reader's language."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest
from django.utils import translation

from conversations import ladder
from conversations.admin.transcript import STAGE_LABELS, transcript
from conversations.models import MessageLabel, Provenance
from knowledge.label_words import LABEL_WORDS
from knowledge.models import LabelSet
from knowledge.services.label_defaults import label_tables
from tests.supportdesk.staff.desk_factory import answer_make, site_make

pytestmark = pytest.mark.django_db


def steps_named() -> set[str]:
    """The names of all rungs of the ladder, as they stand in the timings of an answer."""
    names = set()
    for found in pkgutil.iter_modules(ladder.__path__, f"{ladder.__name__}."):
        for _name, made in inspect.getmembers(importlib.import_module(found.name), inspect.isclass):
            if hasattr(made, "answer") and isinstance(getattr(made, "name", None), str):
                names.add(made.name)
    return names


def test_every_rung_of_the_ladder_has_a_name_that_people_read() -> None:
    assert {"guard", "retrieval", "quoted", "own_words", "fallback_rules"} <= steps_named()
    assert steps_named() <= set(STAGE_LABELS)


def test_stages_that_took_no_time_are_left_out() -> None:
    answer = answer_make(site_make())
    timings = {"guard": 0.0, "retrieval": 21.4, "encoder": 0.4, "generated": 900.0, "total": 921.8}
    Provenance.objects.create(message=answer, timings=timings)
    with translation.override("en"):
        evidence = transcript(conversation_id=answer.conversation_id)[-1].evidence
        assert evidence is not None
        shown = [str(timing.label) for timing in evidence.timings]
    assert shown == ["Search in the knowledge", "Generation", "In all"]


@pytest.mark.parametrize(("language", "name"), [("en", "Mood"), ("zh-hans", "情绪")])
def test_a_label_set_is_called_as_in_the_readers_language(language: str, name: str) -> None:
    for each, title in (("zh-hans", "情绪"), ("en", "Mood"), ("", "mood?")):
        LabelSet.objects.create(key="mood", name=title, language=each)
    answer = answer_make(site_make())
    MessageLabel.objects.create(
        message=answer.reply_to, label_set="mood", label="good", best="good", probability=0.9
    )
    with translation.override(language):
        [label] = transcript(conversation_id=answer.conversation_id)[0].labels
    assert label.name == name


@pytest.mark.parametrize(
    ("language", "value"), [("en", "return and refund"), ("zh-hans", "退货退款")]
)
def test_the_products_own_labels_are_words_and_others_as_they_are_called(
    language: str, value: str
) -> None:
    answer = answer_make(site_make())
    for key, label in (("intent", "return_refund"), ("colour", "blue")):
        MessageLabel.objects.create(
            message=answer.reply_to, label_set=key, label=label, best=label, probability=0.9
        )
    with translation.override(language):
        shown = transcript(conversation_id=answer.conversation_id)[0].labels
    assert {label.value for label in shown} == {value, "blue"}


def test_every_label_that_comes_with_the_product_has_words() -> None:
    made = {(each["key"], label["name"]) for each in label_tables() for label in each["labels"]}
    assert made
    assert made == {(key, name) for key, names in LABEL_WORDS.items() for name in names}
