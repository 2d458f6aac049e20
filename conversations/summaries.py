"""Sums up a conversation for the person who takes it over, in the background.

The role ``summary`` is a prompt template like any other; without a published one nothing is summed up.
What the model writes is kept only as far as the conversation bears it out
(``inference/support/summaries.py``); where that is too little, staff see no summary and read the
transcript.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.db import transaction
from django_tasks import task

from conversations.enums import Role
from conversations.models import Conversation, ConversationSummary, Message
from inference.chat import ChatMessage, GenerationParameters, Priority
from inference.errors import EngineError, PromptError
from inference.prompts.rendering import SAMPLE_BARE, prompt_render
from inference.support.summaries import summary_checked
from inference.text.language import language_of
from knowledge.label_tasks import engines_open
from knowledge.models import Language
from knowledge.selectors import PublishedPrompt, prompt_published

logger = logging.getLogger(__name__)

SUMMARY: Final = "summary"
QUESTIONS_LEAST: Final = 2
"""Less is read faster than its summary."""
MESSAGES_MOST: Final = 24
TEXT_MOST: Final = 240
"""Characters of one message that the model reads: the prompt must stay short on a CPU."""
_SECONDS: Final = 60.0


def summary_schedule(*, conversation_id: UUID) -> None:
    """Have a conversation summed up once this transaction is through."""
    transaction.on_commit(lambda: conversation_summarising.enqueue(str(conversation_id)))


@task()
def conversation_summarising(conversation_id: str) -> None:
    """Sum up a conversation as it stands now; an older summary that does not hold any more goes."""
    conversation = (
        Conversation.objects.select_related("site", "visitor").filter(pk=conversation_id).first()
    )
    if conversation is None:
        return
    messages = _messages(conversation)
    asked = [message for message in messages if message.role == Role.CUSTOMER]
    if len(asked) < QUESTIONS_LEAST:
        return
    existing = ConversationSummary.objects.filter(conversation=conversation).first()
    if existing is not None and existing.head_seq >= messages[-1].seq:
        return  # by a task that ran before this one
    site = conversation.site
    language = language_of("\n".join(one.text for one in asked), site.language)
    prompt = prompt_published(site_id=site.pk, role=SUMMARY, language=language)
    if prompt is None:
        return
    try:
        rendered = _render(prompt, messages, site.name, language)
        text, model = asyncio.run(_written(rendered, prompt.parameters))
    except (EngineError, PromptError) as error:
        logger.warning("A conversation was not summed up: %s", error)
        return
    said = [(_role(message), message.text) for message in messages]
    kept = summary_checked(text, said, language)
    if not kept:
        ConversationSummary.objects.filter(conversation=conversation).delete()
        return
    ConversationSummary.objects.update_or_create(
        conversation=conversation,
        defaults={
            "text": kept,
            "head_seq": messages[-1].seq,
            "language": language,
            "model": model,
            "prompt_version_id": prompt.version_id,
        },
    )


def conversation_summary(*, conversation_id: UUID) -> ConversationSummary | None:
    """The summary that staff see."""
    return (
        ConversationSummary.objects.select_related("prompt_version__template")
        .filter(conversation_id=conversation_id)
        .first()
    )


def _messages(conversation: Conversation) -> list[Message]:
    """The newest messages of both sides that say something, oldest first."""
    rows = (
        Message.objects.filter(conversation=conversation)
        .exclude(role=Role.SYSTEM)
        .exclude(text="")
        .order_by("-seq")[:MESSAGES_MOST]
    )
    return list(rows)[::-1]


def _render(
    prompt: PublishedPrompt, messages: Sequence[Message], shop_name: str, language: str
) -> list[ChatMessage]:
    history = [
        {
            "role": _role(message),
            "text": " ".join(message.text.split())[:TEXT_MOST],
        }
        for message in messages
    ]
    last = next(one["text"] for one in reversed(history) if one["role"] == "user")
    variables = {
        "history": history,
        "question": last,
        "shop_name": shop_name,
        "language": language if language in Language.values else Language.EN.value,
    }
    return prompt_render(prompt.source, {**SAMPLE_BARE, **variables})


def _role(message: Message) -> str:
    return "user" if message.role == Role.CUSTOMER else "assistant"


async def _written(
    messages: Sequence[ChatMessage], parameters: GenerationParameters
) -> tuple[str, str]:
    """What the model writes, and which model it was; a text that was cut off counts as nothing."""
    text, model, finish = "", "", None
    async with engines_open() as (chat, _encoder):
        async for chunk in chat.stream(
            messages, parameters, timeout=_SECONDS, priority=Priority.BACKGROUND
        ):
            text += chunk.text
            finish = chunk.finish_reason or finish
            model = chunk.engine.model if chunk.engine is not None else model
    return ("" if finish == "length" else text), model
