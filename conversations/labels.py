"""Labels of customers' messages: in the background after the answer, or first when a rule asks.

Keywords and language are stored like labels: the language is told by code, keywords are named by
the model and kept only where they stand in the message (``inference/labels/keywords.py``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from django.db import transaction
from django_tasks import task

from conversations.enums import Role
from conversations.lanes import READS
from conversations.models import Message, MessageLabel
from inference.chat import ChatClient, Priority
from inference.errors import EngineError, LabelsError, PromptError
from inference.labels.keywords import keywords_name, keywords_of
from inference.labels.labelling import NO_VECTORS, Labeller, text_clip
from inference.labels.values import Labelling
from inference.labels.views import Vectors
from inference.prompts.rendering import SAMPLE_BARE, prompt_render
from inference.rules.matching import LabelFound
from inference.text.language import language_of
from inference.text.names import name_in
from knowledge.label_sets import SiteLabelSet, label_sets_enabled
from knowledge.label_tasks import engines_open
from knowledge.selectors import PublishedPrompt, prompt_published

logger = logging.getLogger(__name__)

LANGUAGE: Final = "language"
KEYWORDS: Final = "keywords"
_SECONDS: Final = 30.0


def labels_schedule(*, message_id: int) -> None:
    """Have a customer's message labelled in the background, once this transaction is through."""
    transaction.on_commit(lambda: message_labelling.enqueue(message_id))


@task()
def message_labelling(message_id: int) -> None:
    """Label one customer message by every enabled set of its site; does nothing twice."""
    message = (
        Message.objects.select_related("conversation__site")
        .filter(pk=message_id, role=Role.CUSTOMER)
        .first()
    )
    if message is None or MessageLabel.objects.filter(message=message).exists():
        return
    site = message.conversation.site
    language = language_of(message.text, site.language)
    sets = label_sets_enabled(site_id=site.pk, language=language)
    prompt = prompt_published(site_id=site.pk, role=KEYWORDS, language=language)
    labellings, keywords = asyncio.run(
        _background(sets, prompt, name_in(site.name, language), message.text)
    )
    message_labels_store(
        message=message, language=language, labellings=labellings, keywords=keywords
    )


@transaction.atomic
def message_labels_store(
    *,
    message: Message,
    language: str,
    labellings: Sequence[Labelling],
    keywords: Sequence[str] = (),
) -> None:
    """Keep what a message was labelled with, in place of what was kept before."""
    MessageLabel.objects.filter(message=message).delete()
    rows = [
        MessageLabel(
            message=message, label_set=LANGUAGE, label=language, best=language, probability=1.0,
            views="code",
        )
    ]  # fmt: skip
    if keywords:
        joined = ", ".join(keywords)[:200]
        rows.append(
            MessageLabel(
                message=message, label_set=KEYWORDS, label=joined, best=joined, probability=1.0,
                views="text",
            )
        )  # fmt: skip
    rows += [
        MessageLabel(
            message=message,
            label_set=labelling.set,
            label=labelling.label or "",
            best=labelling.best,
            probability=labelling.probability,
            views="+".join(labelling.views),
        )
        for labelling in labellings
    ]
    MessageLabel.objects.bulk_create(rows)


def message_labels(*, message_ids: Sequence[int]) -> dict[int, list[MessageLabel]]:
    """The labels of messages, for staff; one query."""
    found: dict[int, list[MessageLabel]] = {}
    for row in MessageLabel.objects.filter(message__in=message_ids):
        found.setdefault(row.message_id, []).append(row)
    return found


class SiteLabels:
    """Labels a message while its customer waits, for the rules that ask for it."""

    def __init__(self, labeller: Labeller) -> None:
        self._labeller = labeller

    async def labels(
        self,
        *,
        site_id: int,
        text: str,
        language: str,
        keys: Sequence[str],
        timeout: float,  # noqa: ASYNC109  what a customer may be kept waiting for it
    ) -> Mapping[str, LabelFound]:
        """What the sets of these keys say, by key; a set that is unsure, or cannot say in time, is
        left out, so that its rules do not fire."""
        try:
            async with asyncio.timeout(timeout):
                sets = await READS.run(
                    label_sets_enabled, site_id=site_id, language=language, keys=tuple(keys)
                )
                said = await _sets_said(self._labeller, sets, text, Priority.ANSWER, timeout)
        except TimeoutError:
            logger.warning("The labels %s were not there in time.", ", ".join(keys))
            return {}
        return {
            labelling.set: LabelFound(labelling.label, labelling.probability)
            for labelling in said
            if labelling.label is not None
        }


async def _background(
    sets: Sequence[SiteLabelSet], prompt: PublishedPrompt | None, shop_name: str, text: str
) -> tuple[list[Labelling], list[str]]:
    """What every set says of a text, and its keywords."""
    async with engines_open() as (chat, encoder):
        labeller = Labeller(chat, encoder)
        said = await _sets_said(labeller, sets, text, Priority.LABEL, _SECONDS)
        keywords = await _keywords(chat, prompt, shop_name, text)
    return said, keywords


async def _keywords(
    chat: ChatClient, prompt: PublishedPrompt | None, shop_name: str, text: str
) -> list[str]:
    if prompt is None:
        return keywords_of(text)
    variables = {"question": text_clip(text), "shop_name": shop_name}
    try:
        messages = prompt_render(prompt.source, {**SAMPLE_BARE, **variables})
    except PromptError as error:
        logger.warning("The prompt for keywords does not render: %s", error)
        return keywords_of(text)
    return await keywords_name(chat, messages, text, parameters=prompt.parameters, timeout=_SECONDS)


async def _sets_said(
    labeller: Labeller,
    sets: Sequence[SiteLabelSet],
    text: str,
    priority: Priority,
    seconds: float,
) -> list[Labelling]:
    """What the sets say that can; the text's vector is made once for all of them."""
    vectors: Vectors | None = None
    if any(one.classifier is not None and one.classifier.meaning is not None for one in sets):
        try:
            known = await labeller.vectors([text], timeout=seconds)
        except EngineError as error:
            logger.warning("The labels do without the encoder: %s", error)
            known = None
        vectors = NO_VECTORS if known is None else known
    said = await asyncio.gather(
        *(_said(labeller, one, text, vectors, priority, seconds) for one in sets)
    )
    return [labelling for labelling in said if labelling is not None]


async def _said(
    labeller: Labeller,
    known: SiteLabelSet,
    text: str,
    vectors: Vectors | None,
    priority: Priority,
    seconds: float,
) -> Labelling | None:
    """One set's labelling; ``None`` where it cannot say, which a log line explains."""
    try:
        [labelling] = await labeller.label(
            known.value,
            [text],
            classifier=known.classifier,
            timeout=seconds,
            priority=priority,
            vectors=vectors,
        )
    except (EngineError, LabelsError, PromptError) as error:
        logger.warning("The label set %s cannot label: %s", known.key, error)
        return None
    return labelling
