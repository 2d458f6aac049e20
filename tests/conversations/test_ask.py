"""``manage.py ask`` goes through the services: what it asks is a conversation like any other."""

from __future__ import annotations

import json
import uuid
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from conversations.models import Message, Provenance
from conversations.services.handoff import human_request
from knowledge.models import Rule
from tests.conversations.conftest import Customer
from tests.faults.invariants import violations


def ask(text: str, **options: Any) -> dict[str, Any]:
    output = StringIO()
    call_command("ask", text, json=True, no_model=True, stdout=output, **options)
    answer: dict[str, Any] = json.loads(output.getvalue())
    return answer


def test_it_prints_answer_tier_reason_citations_timings_and_conversation(alice: Customer) -> None:
    answer = ask("产品保修期多久")

    assert answer["answer"]
    assert (answer["tier"], answer["reason"]) == ("fallback", "not_in_knowledge")
    assert answer["citations"] == []
    assert answer["timings"]["total"] >= 0
    assert Message.objects.filter(conversation=answer["conversation"]).count() == 2
    assert Provenance.objects.count() == 1
    assert violations() == []


def test_it_goes_on_with_a_conversation(alice: Customer) -> None:
    first = ask("产品保修期多久")
    second = ask("配送呢?", conversation=first["conversation"])

    assert second["conversation"] == first["conversation"]
    assert Message.objects.count() == 4
    assert violations() == []


def test_a_variable_is_seen_by_the_rules(alice: Customer) -> None:
    Rule.objects.create(
        name="地区", keywords_any="地区", reply="您在{{ user_region }}。", site=alice.site
    )

    assert ask("我的地区", var=["user_region=上海"])["answer"] == "您在上海。"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("退" * 4001, {}),
        ("你好", {"conversation": uuid.uuid4()}),
        ("你好", {"site": "unknown"}),
        ("你好", {"var": ["user_region"]}),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    alice: Customer, text: str, options: dict[str, Any]
) -> None:
    with pytest.raises(CommandError):
        ask(text, **options)


def test_a_conversation_with_a_person_has_no_turn_to_run(alice: Customer) -> None:
    human_request(conversation_id=alice.conversation.pk)

    with pytest.raises(CommandError):
        ask("你好", conversation=alice.conversation.pk)
