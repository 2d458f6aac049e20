"""Administrators keep tools and try them; what cannot work is refused with a sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from knowledge.models import Tool
from knowledge.tools.calls import Caller
from knowledge.tools.values import CallOutcome, CallResult
from supportdesk.staff.roles import StaffRole
from tests.supportdesk.staff.desk_factory import person_make, tool_make

pytestmark = pytest.mark.django_db

PARAMETERS = {
    "type": "object",
    "properties": {"number": {"type": "string", "x-find": ["#([0-9]{6})"]}},
    "required": ["number"],
}


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(person_make(StaffRole.ADMIN))
    client.get("/admin/", headers={"accept-language": "en"})
    return client


def fields(**values: Any) -> dict[str, Any]:
    words = {
        "wordings-TOTAL_FORMS": "1", "wordings-INITIAL_FORMS": "0",
        "wordings-MIN_NUM_FORMS": "0", "wordings-MAX_NUM_FORMS": "2",
        "wordings-0-language": "en", "wordings-0-status": "Looking",
        "wordings-0-reply": "It is {{ result.state }}.", "wordings-0-confirm": "Change it?",
    }  # fmt: skip
    return {
        "key": "order", "title": "Order", "kind": "http", "method": "GET", "is_enabled": "on",
        "needs_identity": "on", "url": "https://shop.example/{number}",
        "parameters": json.dumps(PARAMETERS), "mapping": "", "timeout_seconds": "5",
        "response_bytes": "65536", "confirm_seconds": "600", **words, **values,
    }  # fmt: skip


def test_a_tool_is_made_with_its_words(admin: Client) -> None:
    response = admin.post(reverse("admin:knowledge_tool_add"), fields())
    assert response.status_code == 302, response.content.decode()[:3000]
    tool = Tool.objects.get()
    assert tool.parameters == PARAMETERS
    assert tool.wordings.get().reply == "It is {{ result.state }}."
    page = admin.get(reverse("admin:knowledge_tool_change", args=[tool.pk])).content.decode()
    assert "x-find" in page


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"url": "https://{number}.example/"}, "The host of the address is fixed"),
        ({"headers": "Authorization: Bearer abc"}, "Write no secret into Authorization"),
        ({"parameters": "{"}, "JSON"),
        ({"parameters": '{"properties": {"customer_id": {}}}'}, "comes from the session"),
        ({"changes": "on"}, "A change is no GET"),
        ({"wordings-0-reply": "{{ nonsense }}"}, "nonsense"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(
    admin: Client, values: dict[str, Any], words: str
) -> None:
    response = admin.post(
        reverse("admin:knowledge_tool_add"), fields(**values), headers={"accept-language": "en"}
    )
    assert response.status_code == 200
    assert words in response.content.decode()
    assert not Tool.objects.exists()


class Answers(Caller):
    """Answers every call and notes it."""

    seen: list[Any] = []

    async def call(self, spec: Any, arguments: Any, *, actor: Any, **rest: Any) -> CallResult:
        self.seen.append((spec.key, dict(arguments), actor.id))
        return CallResult(CallOutcome.OK, {"state": "sent"}, status=200, milliseconds=3.0)


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    Answers.seen = []
    monkeypatch.setattr(Caller, "of_settings", classmethod(lambda cls: Answers(secrets={})))
    return Answers.seen


def try_it(client: Client, tool: Tool, **values: str) -> str:
    address = reverse("admin:knowledge_tool_try", args=[tool.pk])
    data = {"sentence": "where is #123456", "customer": "alice-7", "language": "zh-hans", **values}
    return client.post(address, data, headers={"accept-language": "en"}).content.decode()


def test_a_tool_that_reads_is_called_as_the_chosen_customer(
    admin: Client, called: list[Any], settings: Any
) -> None:
    settings.TOOL_SECRETS = {"orders": "s3cret"}
    tool = tool_make(parameters=PARAMETERS, headers="Authorization: Bearer {secret.orders}")
    page = try_it(admin, tool)
    assert called == [("order_status", {"number": "123456"}, "alice-7")]
    assert "It answered" in page
    assert "s3cret" not in page
    assert "Bearer ******" in page
    assert "alice-7" in LogEntry.objects.get().change_message


def test_a_tool_that_changes_is_never_called_from_there(admin: Client, called: list[Any]) -> None:
    tool = tool_make(parameters=PARAMETERS, changes=True, method="PUT")
    page = try_it(admin, tool)
    assert called == []
    assert "PUT https://shop.example/orders/" in page or "This would be sent" in page


def test_nothing_is_called_without_its_arguments_or_a_customer(
    admin: Client, called: list[Any]
) -> None:
    tool = tool_make(parameters=PARAMETERS)
    assert "Missing: number" in try_it(admin, tool, sentence="where is it")
    assert "Nobody is logged in" in try_it(admin, tool, customer="")
    assert "must be a JSON object" in try_it(admin, tool, arguments="[1]")
    assert called == []


def test_a_manager_reads_tools_and_tries_none(client: Client, called: list[Any]) -> None:
    client.force_login(person_make(StaffRole.MANAGER))
    tool = tool_make()
    assert client.get(reverse("admin:knowledge_tool_change", args=[tool.pk])).status_code == 200
    address = reverse("admin:knowledge_tool_try", args=[tool.pk])
    assert client.post(address, {"customer": "alice-7"}).status_code == 403
    assert called == []


def test_a_manager_reads_the_json_of_a_tool_as_it_was_written(client: Client) -> None:
    client.force_login(person_make(StaffRole.MANAGER))
    tool = tool_make()
    tool.parameters = {"properties": {"b": {"title": "订单<号>"}, "a": {}}}
    tool.save()
    page = client.get(reverse("admin:knowledge_tool_change", args=[tool.pk])).content.decode()
    assert "订单&lt;号&gt;" in page
    assert "\\u8ba2" not in page
