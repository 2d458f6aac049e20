"""Alice, whom a signed identity names, in front of the demo shop; her order system as a fake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from conversations.models import Conversation, Visitor
from knowledge.services.demo import defaults_ensure, demo_load
from knowledge.tools.values import Actor, CallOutcome, CallResult, ToolSpec
from tests.conversations.conftest import Customer

PAID = {
    "number": "123456", "state": "paid", "item_zh": "水洗棉四件套", "item_en": "Bedding set",
    "quantity": 1, "amount": 459, "ship_by": "2026-05-05", "address": "上海市愚园路 168 号",
    "can_change_address": True,
}  # fmt: skip


@dataclass
class FakeCaller:
    """Answers calls from ``results`` (by tool, then by order number); ``calls`` are those made."""

    results: dict[str, CallResult] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any], Actor | None, str]] = field(default_factory=list)

    async def call(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, Any],
        *,
        actor: Actor | None,
        seconds: float,
        idempotency_key: str = "",
    ) -> CallResult:
        self.calls.append((spec.key, dict(arguments), actor, idempotency_key))
        return self.results.get(spec.key, CallResult(CallOutcome.MISSING))


@pytest.fixture
def caller() -> FakeCaller:
    return FakeCaller({"order_status": CallResult(CallOutcome.OK, dict(PAID))})


def customer_make(external_id: str = "demo-lin", name: str = "林晓") -> Customer:
    """A customer of the demo shop; an empty id: somebody who is not logged in."""
    site = demo_load()
    visitor = Visitor.objects.create(site=site, external_id=external_id, name=name)
    return Customer(
        site=site,
        visitor=visitor,
        conversation=Conversation.objects.create(site=site, visitor=visitor),
    )


@pytest.fixture
def lin(transactional_db: None) -> Customer:
    """Lin Xiao, logged in to the demo shop."""
    defaults_ensure()
    return customer_make()


@pytest.fixture
def stranger(lin: Customer) -> Customer:
    """Somebody at the same shop who is not logged in."""
    return customer_make("", "")
