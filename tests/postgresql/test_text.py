"""No text makes PostgreSQL fail in the middle of a transaction."""

from __future__ import annotations

import pytest
from django.test import Client

from conversations.enums import Role
from conversations.models import Message, Provenance
from knowledge.models import Entry, Site, Tool
from tests.conversations.conftest import customer_make

pytestmark = pytest.mark.django_db


def test_nul_is_stored_as_a_sign_that_could_not_be_read() -> None:
    site = Site.objects.create(name="Shop", language="en")
    Entry.objects.create(site=site, question="A\x00B?", answer="C\x00\x00D", language="en")
    stored = Entry.objects.get()
    assert (stored.question, stored.answer) == ("A\ufffdB?", "C\ufffd\ufffdD")


def test_nul_in_json_neither_fails_nor_changes_what_stands_beside_it() -> None:
    alice = customer_make(name="Bob's shop")
    message = Message.objects.create(
        conversation=alice.conversation, seq=1, role=Role.ASSISTANT, text="x"
    )
    said = {"a\x00": ["\x00", "\\u0000", "\\\x00", '"\n退']}
    Provenance.objects.create(message=message, details=said)
    assert Provenance.objects.get().details == {
        "a\ufffd": ["\ufffd", "\\u0000", "\\\ufffd", '"\n退']
    }


def test_the_order_of_a_tools_parameters_is_kept() -> None:
    site = Site.objects.create(name="Shop", language="en")
    properties = {"order_number": {"type": "string"}, "zip": {"type": "string"}, "a": {}}
    Tool.objects.create(site=site, key="t", parameters={"properties": properties})
    assert list(Tool.objects.get().parameters["properties"]) == list(properties)


def test_a_cookie_with_nul_is_no_error(client: Client) -> None:
    client.cookies.load({"sessionid": "abcdefgh\x00ijkl"})
    assert client.get("/admin/login/").status_code == 200
