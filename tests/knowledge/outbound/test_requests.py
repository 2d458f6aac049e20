"""The connection goes to the very address that was judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpcore2
import pytest

from knowledge.outbound.addresses import AddressRefused
from knowledge.outbound.requests import OutboundPolicy, _PinnedBackend

PUBLIC, PRIVATE = "93.184.215.14", "127.0.0.1"


class Wire(httpcore2.AsyncNetworkBackend):
    """Notes where connections would go; those in ``dead`` find nobody there."""

    def __init__(self, dead: Sequence[str] = ()) -> None:
        self.dead = dead
        self.called: list[str] = []

    async def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        self.called.append(host)
        if host in self.dead:
            raise httpcore2.ConnectError("nobody there")
        return object()


def backend(wire: Wire, answers: list[list[str]]) -> _PinnedBackend:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    policy = OutboundPolicy(hosts=["shop.example"], resolve=resolve)
    return _PinnedBackend(policy, inner=wire)


async def test_a_name_is_resolved_once_and_its_address_connected_to() -> None:
    wire = Wire()
    answers = [[PUBLIC], [PRIVATE]]  # DNS rebinding: another answer a moment later
    await backend(wire, answers).connect_tcp("shop.example", 443)
    assert wire.called == [PUBLIC]
    assert answers == [[PRIVATE]]


async def test_the_rebound_name_is_refused_when_it_is_asked_for_again() -> None:
    wire = Wire()
    pinned = backend(wire, [[PUBLIC], [PRIVATE]])
    await pinned.connect_tcp("shop.example", 443)
    with pytest.raises(AddressRefused):
        await pinned.connect_tcp("shop.example", 443)
    assert wire.called == [PUBLIC]


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    wire = Wire(dead=[PUBLIC])
    await backend(wire, [[PUBLIC, "1.1.1.1"]]).connect_tcp("shop.example", 443)
    assert wire.called == [PUBLIC, "1.1.1.1"]
