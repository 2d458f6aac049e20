"""``manage.py ask``: one question through the whole ladder, by the same services as the sockets."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from argparse import ArgumentParser
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from conversations.customer_text import customer_text_clean
from conversations.engine_lease import EngineUnavailable, engines_leased
from conversations.engines import Engines
from conversations.errors import ConversationError, NotFound
from conversations.ladder.values import Deadline, Unseen
from conversations.lanes import READS, WRITES
from conversations.models import Conversation, Message, Visitor
from conversations.outcomes import reply_make
from conversations.runner import lease_kept, question_of
from conversations.selectors import items_after, turn_facts
from conversations.services.messages import message_receive
from conversations.services.turns import ClaimedTurn, turn_claim, turn_finish
from conversations.tools.demo_lease import demo_orders_leased
from inference.text.language import language_told
from knowledge.models import Site

_MARGIN = 0.5
_GRACE = 2.0
_POLL = 0.1


class Command(BaseCommand):
    help = "Ask one question and print the answer with its tier, citations and timings."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("text")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--no-model", action="store_true", help="answer without the model")
        parser.add_argument("--conversation", type=UUID, help="go on with this conversation")
        parser.add_argument(
            "--customer",
            default="",
            metavar="ID",
            help="ask as this customer of the shop, as if a signed identity named them",
        )
        parser.add_argument("--site", metavar="KEY", help="the site's key (default: the first)")
        parser.add_argument(
            "--var",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a variable of the templates, for example user_region=上海",
        )

    def handle(self, *args: object, **options: Any) -> None:
        try:
            answer = asyncio.run(_ask(options))
        except NotFound as error:
            raise CommandError(_("There is no such site or conversation.")) from error
        except ConversationError as error:
            raise CommandError(_("The question was refused: %s.") % error.code) from error
        except EngineUnavailable as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(answer, ensure_ascii=False))
            return
        self.stdout.write(str(answer["answer"]))
        self.stdout.write(f"[{answer['tier']} {answer['reason'] or ''}]")
        for number, citation in enumerate(answer["citations"], start=1):
            self.stdout.write(f"[{number}] {citation['title']}")


async def _ask(options: dict[str, Any]) -> dict[str, Any]:
    text = customer_text_clean(str(options["text"]))
    variables = _variables(options["var"])
    conversation_id, site_id = await WRITES.run(
        _conversation_find, options["conversation"], options["site"], options["customer"]
    )
    began = time.monotonic()
    async with AsyncExitStack() as leases:
        if options["customer"]:
            await leases.enter_async_context(demo_orders_leased())
        engines = await leases.enter_async_context(
            engines_leased(use_model=not options["no_model"])
        )
        if engines.encoder is not None and engines.knowledge is not None:
            # Before the message: its deadline is for the answer.
            await engines.knowledge.settle(site_id=site_id)
            await engines.warm()
        ready = time.monotonic()
        answer = await _answered(
            engines, conversation_id, text, variables, use_model=not options["no_model"]
        )
    answer["timings"]["engine_ready"] = round(1000 * (ready - began), 1)
    return answer


async def _answered(
    engines: Engines,
    conversation_id: UUID,
    text: str,
    variables: dict[str, str],
    *,
    use_model: bool,
) -> dict[str, Any]:
    turn_id, claimed = await WRITES.run(_message_ask, conversation_id, text)
    if turn_id is None:
        raise CommandError(_("A person answers in this conversation; there is no turn to run."))
    if claimed is None:  # a running desk was quicker: it answers
        return await _answer_await(conversation_id, turn_id)
    facts = await READS.run(turn_facts, turn_id=claimed.id)
    question = replace(
        question_of(facts, attempts=1, now=timezone.localtime()),
        use_model=use_model,
        variables=variables,
        region=variables.get("user_region", facts.region),
    )
    async with lease_kept(claimed, seconds=settings.LEASE_SECONDS):
        climbed = await engines.ladder.climb(
            question, live=Unseen(), deadline=Deadline.after(claimed.seconds_left - _MARGIN)
        )
        await WRITES.run(
            turn_finish, turn_id=claimed.id, fence=claimed.fence, reply=reply_make(climbed)
        )
    return await _answer_await(conversation_id, turn_id)


async def _answer_await(conversation_id: UUID, turn_id: int) -> dict[str, Any]:
    async with asyncio.timeout(settings.DEADLINE_SECONDS + _GRACE):
        while True:
            answer = await READS.run(_answer_read, conversation_id, turn_id)
            if answer is not None:
                return answer
            await asyncio.sleep(_POLL)


def _message_ask(conversation_id: UUID, text: str) -> tuple[int | None, ClaimedTurn | None]:
    """Store the question and claim its turn before a running desk polls for it."""
    receipt = message_receive(
        conversation_id=conversation_id,
        client_message_id=uuid.uuid4(),
        text=text,
        language=language_told(text) or "",
    )
    if receipt.turn_id is None:
        return None, None
    return receipt.turn_id, turn_claim(turn_id=receipt.turn_id)


def _conversation_find(
    conversation_id: UUID | None, key: str | None, customer: str
) -> tuple[UUID, int]:
    """The conversation to go on with or a new one, and its site.

    ``customer``: whoever may run this command may ask as any customer.
    """
    if conversation_id is not None:
        found = Conversation.objects.filter(pk=conversation_id).first()
        if found is None or (customer and found.visitor.external_id != customer):
            raise NotFound
        return found.pk, found.site_id
    sites = Site.objects.filter(is_active=True).order_by("pk")
    site = sites.filter(key=key).first() if key else sites.first()
    if site is None:
        raise NotFound
    if customer:
        visitor, _created = Visitor.objects.get_or_create(site=site, external_id=customer)
    else:
        visitor = Visitor.objects.create(site=site)
    return Conversation.objects.create(site=site, visitor=visitor).pk, site.pk


def _answer_read(conversation_id: UUID, turn_id: int) -> dict[str, Any] | None:
    """The outcome as it is stored; ``None`` when there is none yet."""
    item = Message.objects.filter(reply_to__turn=turn_id).select_related("provenance").first()
    if item is None:
        return None
    [frame] = items_after(conversation_id=conversation_id, after=item.seq - 1, limit=1)
    return {
        "answer": item.text,
        "tier": frame["tier"],
        "reason": frame["reason"],
        "citations": frame["citations"],
        "timings": dict(item.provenance.timings) if hasattr(item, "provenance") else {},
        "conversation": str(conversation_id),
        "outcome": frame["outcome"],
    }


def _variables(pairs: list[str]) -> dict[str, str]:
    result = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name.isidentifier():
            raise CommandError(_("--var takes NAME=VALUE, not %r.") % pair)
        result[name] = value
    return result
