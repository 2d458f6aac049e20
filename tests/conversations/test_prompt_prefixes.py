"""The fixed heads of every prompt are kept by the engine, bounded, and gone when withdrawn."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from django.conf import settings

from conversations.engine_watch import EngineWatch
from conversations.ladder.budget import PromptBudget, tokens_estimate
from conversations.prompt_prefixes import (
    HEADS_MOST,
    TOKENS_MOST,
    heads_bounded,
    prefixes_of_answers,
    prefixes_of_labels,
)
from inference.chat import ChatMessage
from inference.client import OpenAIChatClient
from inference.engines.prefixes import COUNT_MOST
from inference.engines.prefixes import TOKENS_MOST as ENGINE_TOKENS_MOST
from inference.engines.scripted import ScriptedChatClient
from inference.labels.labelling import label_prompt
from knowledge.label_sets import label_heads, label_set_read
from knowledge.models import LabelFit, LabelSet, PromptTemplate, Site
from knowledge.selectors import wording_revisions
from knowledge.services.prompts import (
    prompt_draft_save,
    prompt_publish,
    prompt_template_create,
    prompt_withdraw,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def site(db) -> Site:
    PromptTemplate.objects.all().delete()
    LabelSet.objects.all().delete()
    return Site.objects.create(name="Bob's shop", language="en")


def published(role: str, system: str) -> PromptTemplate:
    template = prompt_template_create(site=None, role=role, language="en", name=role)
    prompt_publish(
        version=prompt_draft_save(template=template, system=system, user="{{ question }}")
    )
    return template


def mood(system: str = "Answer only {{ labels }}.", *, words: bool = True) -> LabelSet:
    label_set = LabelSet.objects.create(key="mood", name="Mood", system=system, user="{{ text }}")
    for position, name in enumerate(("good", "bad")):
        label_set.labels.create(name=name, words=name if words else "", position=position)
    return label_set


def texts(heads: list[list[ChatMessage]]) -> list[str]:
    return [message.content for head in heads for message in head]


def test_answers_come_first_then_labels_then_the_other_roles(site) -> None:
    published("keywords", "Pick keywords.")
    published("answer", "Be brief.")
    mood()
    assert texts(prefixes_of_answers(with_labels=True)) == [
        "Be brief.",
        "Answer only good, bad.",
        "Pick keywords.",
    ]
    assert texts(prefixes_of_answers(with_labels=False)) == ["Be brief."]
    assert texts(prefixes_of_labels()) == ["Answer only good, bad.", "Pick keywords."]


def test_a_head_is_the_beginning_of_the_prompt_that_labels_a_message(site) -> None:
    label_set = mood()
    [[head]] = label_heads()
    assert label_prompt(label_set_read(label_set).value, "anything")[0] == head


@pytest.mark.parametrize(
    "system",
    [
        "Judge “{{ text }}”.",
        "{% if text|length > 9 %}Long.{% endif %}Judge.",
        "{% set t = text %}{{ t }}",
        "{{ 1 // 0 }}",
        "  ",
    ],
)
def test_what_hangs_on_the_message_or_does_not_render_is_never_kept(site, system) -> None:
    mood(system)
    assert label_heads() == []


def test_a_set_that_the_model_is_not_asked_for_keeps_nothing(site) -> None:
    label_set = mood()
    fit = LabelFit.objects.create(label_set=label_set, revision="r", data=b"", asks_model=False)
    assert label_heads() == []
    fit.asks_model = True
    fit.save()
    assert len(label_heads()) == 1
    LabelSet.objects.all().delete()
    mood(words=False)
    assert label_heads() == [], "without words there is nothing to ask"


def test_a_disabled_set_and_a_withdrawn_prompt_drop_out_and_the_revision_tells(site) -> None:
    label_set = mood()
    template = published("answer", "Be brief.")
    before = wording_revisions()
    LabelSet.objects.filter(pk=label_set.pk).update(is_enabled=False)
    after = wording_revisions()
    assert after != before
    prompt_withdraw(template=template)
    assert wording_revisions() != after
    assert prefixes_of_answers(with_labels=True) == []


def test_learning_does_not_pass_for_a_change_of_the_wording(site) -> None:
    label_set = mood()
    before = wording_revisions()
    LabelSet.objects.filter(pk=label_set.pk).update(learning="running", progress="1 of 2")
    assert wording_revisions() == before
    label_set.labels.filter(name="good").update(words="fine")
    assert wording_revisions() != before


def test_heads_are_bounded_in_number_and_tokens() -> None:
    many = [[ChatMessage("system", f"Rule {number}.")] for number in range(300)]
    assert len(heads_bounded([*many, *many])) == HEADS_MOST <= COUNT_MOST
    long = [ChatMessage("system", "很长的规则。" * 500)]
    short = [ChatMessage("system", "Short.")]
    kept = heads_bounded([long, [ChatMessage("system", "又一个。" * 800)], short])
    assert kept == [long, short], "a shorter one may still fit in"
    assert sum(map(tokens_estimate, kept)) <= TOKENS_MOST <= ENGINE_TOKENS_MOST


async def test_another_engine_that_labels_gets_the_heads_of_labels() -> None:
    put: dict[str, list[list[list[ChatMessage]]]] = {"chat": [], "labels": []}

    class Keeper(ScriptedChatClient):
        def __init__(self, name: str) -> None:
            super().__init__("x")
            self.name = name

        async def prefixes_put(self, prefixes: list[list[ChatMessage]]) -> None:
            put[self.name].append(prefixes)

    async def value(given):
        return given

    head, label = [ChatMessage("system", "A")], [ChatMessage("system", "L")]
    watch = EngineWatch(
        chat=Keeper("chat"),
        budget=PromptBudget(),
        revision=lambda: value(1),
        heads=lambda: value([head]),
        clock=lambda: 0.0,
        others=[(Keeper("labels"), lambda: value([label]))],
    )
    await watch.look()
    assert put == {"chat": [[head]], "labels": [[label]]}


@pytest.fixture
def engine_url(socket_enabled: None) -> Iterator[str]:
    """A server process with the real model."""
    model = settings.CACHE_DIR / "models" / Path(settings.MODEL).name
    if not model.is_dir():
        pytest.skip("The weights are not in the cache; run: make test")
    process = subprocess.Popen(
        [sys.executable, "-m", "inference.server", "--port", "0", "--chat-model", str(model)],
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield process.stdout.readline().split()[-1]
    process.kill()
    process.wait()
    process.stdout.close()


def state_of(url: str) -> str:
    return str(httpx2.get(f"{url}/health", timeout=5).json()["state"])


@pytest.mark.weights
def test_the_engine_takes_everything_that_is_sent_and_drops_what_was_withdrawn(
    site, engine_url: str
) -> None:
    published("keywords", "Pick keywords.")
    template = published("answer", "Be brief.")
    mood()
    end = time.monotonic() + 90
    while state_of(engine_url) != "ready":
        assert time.monotonic() < end

    def sent(heads: list[list[ChatMessage]]) -> dict[str, int]:
        async def put() -> None:
            client = OpenAIChatClient(engine_url)
            try:
                await client.prefixes_put(heads)
            finally:
                await client.aclose()

        asyncio.run(put())
        rows = [[{"role": m.role, "content": m.content} for m in head] for head in heads]
        told: dict[str, int] = httpx2.put(f"{engine_url}/prefixes", json={"prefixes": rows}).json()
        return told

    told = sent(prefixes_of_answers(with_labels=True))
    assert (told["kept"], told["refused"]) == (3, 0)
    estimate = sum(map(tokens_estimate, prefixes_of_answers(with_labels=True)))
    assert told["tokens"] <= estimate, "the bound that the desk keeps is on the safe side"
    prompt_withdraw(template=template)
    assert sent(prefixes_of_answers(with_labels=True))["kept"] == 2
