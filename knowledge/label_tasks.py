"""Learning of label sets in the background; may run again after it was broken off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import numpy as np
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext
from django_tasks import task

from inference.backends.assembly import backends_make
from inference.chat import ChatClient, EmbeddingClient
from inference.client import OpenAIEmbeddingClient
from inference.errors import EngineError, InferenceError
from inference.labels.classifier import LabelClassifier
from inference.labels.fitting import FitRows, classifier_fit, examples_check, revision_of
from inference.labels.labelling import Labeller
from inference.labels.learning import Progress, rows_ask
from inference.labels.storage import classifier_dump
from inference.labels.values import LabelSet as LabelSetValue
from inference.labels.views import Vectors
from knowledge.label_sets import label_set_read
from knowledge.models import LabelFit, LabelSet
from knowledge.retrieval.vectors import text_hash, vectors_read, vectors_store

Learning = LabelSet.Learning
_EMBED_SECONDS: Final = 300.0
_EMBED_PART: Final = 64
_START_SECONDS: Final = 180.0
_START_PAUSE: Final = 2.0


# Learning takes long and nobody waits for it: messages are labelled and files imported before.
@task(priority=-10)
def label_set_learning(set_id: int) -> None:
    """Learn one set anew, unless nothing that matters has changed."""
    row = LabelSet.objects.filter(pk=set_id).first()
    if row is None:
        return
    # From here on a change starts another run.
    LabelSet.objects.filter(pk=set_id).update(learning=Learning.RUNNING, progress="")
    value = label_set_read(row).value
    try:
        classifier = _learn(set_id, value)
    except InferenceError as error:
        LabelSet.objects.filter(pk=set_id, learning=Learning.RUNNING).update(
            learning=Learning.FAILED, progress=str(error)[:300]
        )
        return
    with transaction.atomic():
        LabelFit.objects.update_or_create(
            label_set_id=set_id,
            defaults={
                "revision": classifier.revision,
                "asks_model": classifier.wants_model,
                "data": classifier_dump(classifier),
            },
        )
        LabelSet.objects.filter(pk=set_id, learning=Learning.RUNNING).update(
            learning=Learning.DONE, progress=""
        )


def _learn(set_id: int, value: LabelSetValue) -> LabelClassifier:
    """Ask the engines for what the fit needs, then fit; tells the progress on the way.

    Raises:
        LabelsError: there is too little or too much to learn from.
    """

    def told(line: str) -> None:
        LabelSet.objects.filter(pk=set_id).update(progress=line[:300])

    examples_check(value.examples)
    rows = FitRows(value.examples)
    # The database is spoken to between the questions to the engines, never while they run.
    with asyncio.Runner() as runner:
        opened = labeller_open(wait_seconds=_START_SECONDS)
        labeller = runner.run(opened.__aenter__())
        try:
            rows = FitRows(value.examples, _vectors(runner, labeller, value, told))
            told(gettext("asking the model"))
            rows = runner.run(rows_ask(value, labeller, rows))
        finally:
            runner.run(opened.__aexit__(None, None, None))
    told(gettext("fitting"))
    # What it could be learnt from belongs to its name: with an engine away it is another one.
    revision = revision_of(
        value,
        label_model_name() if rows.logprobs is not None else "",
        settings.EMBEDDING_MODEL if rows.vectors is not None else "",
    )
    return classifier_fit(value, rows, revision=revision)


def _vectors(
    runner: asyncio.Runner, labeller: Labeller, value: LabelSetValue, told: Progress
) -> Vectors | None:
    """The examples' vectors: those that are stored, and the others embedded and stored."""
    texts = [example.text for example in value.examples]
    keys = [text_hash(text, "query") for text in texts]
    known = vectors_read(settings.EMBEDDING_MODEL, keys)
    missing = [i for i, key in enumerate(keys) if key not in known]
    for start in range(0, len(missing), _EMBED_PART):
        part = missing[start : start + _EMBED_PART]
        asked = labeller.vectors([texts[i] for i in part], timeout=_EMBED_SECONDS)
        try:
            rows = runner.run(asked)
        except EngineError:
            return None
        if rows is None:
            return None
        fresh = {keys[i]: row for i, row in zip(part, rows, strict=True)}
        vectors_store(settings.EMBEDDING_MODEL, fresh)
        known |= fresh
        told(
            gettext("embedded %(done)d of %(all)d examples")
            % {"done": start + len(part), "all": len(missing)}
        )
    return np.stack([known[key] for key in keys])


@asynccontextmanager
async def engines_open() -> AsyncIterator[tuple[ChatClient, EmbeddingClient | None]]:
    """Clients of the model that labels and, if there is one, of the encoder of the settings."""
    # A model of its own labels, where the settings name one (docs/models.md).
    chat = backends_make(
        settings.ENGINES,
        local_url=settings.LABEL_ENGINE_URL or settings.ENGINE_URL,
        local_model=label_model_name(),
        local_key=settings.ENGINE_API_KEY,
        local_order=settings.LOCAL_ENGINE,
        redis_url=settings.REDIS_URL,
    )
    encoder = (
        OpenAIEmbeddingClient(
            settings.ENCODER_URL, settings.EMBEDDING_MODEL, settings.ENGINE_API_KEY
        )
        if settings.ENCODER_URL
        else None
    )
    try:
        yield chat, encoder
    finally:
        await chat.aclose()
        if encoder is not None:
            await encoder.aclose()


@asynccontextmanager
async def labeller_open(*, wait_seconds: float = 0.0) -> AsyncIterator[Labeller]:
    """A labeller over the engines of the settings; waits so long for a model that is loading."""
    async with engines_open() as (chat, encoder):
        if wait_seconds and (settings.ENGINES or settings.ENGINE_URL):
            await _ready_wait(chat, wait_seconds)
        yield Labeller(chat, encoder)


async def _ready_wait(chat: ChatClient, seconds: float) -> None:
    """What is learnt while the model loads would be learnt without it."""
    for _ in range(round(seconds / _START_PAUSE)):
        if (await chat.health()).state == "ready":
            return
        await asyncio.sleep(_START_PAUSE)


def label_model_name() -> str:
    """The chat model that labels: one of its own, or the one that answers."""
    name = settings.LABEL_MODEL or settings.MODEL
    path = Path(name)
    return path.name if path.is_absolute() or "/" in name else name
