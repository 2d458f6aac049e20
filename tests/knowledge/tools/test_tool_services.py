"""A tool that could not work or would be unsafe is refused with a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from knowledge.models import Rule, Site, Tool
from knowledge.selectors import rules_enabled, tools_enabled
from knowledge.services.demo import demo_load, demo_remove
from knowledge.services.rules import rule_create
from knowledge.services.tools import tool_create, tool_delete, tool_update

pytestmark = pytest.mark.django_db

SCHEMA = {
    "type": "object",
    "properties": {"number": {"type": "string", "x-find": ["([0-9]+)"]}},
    "required": ["number"],
}
WORDS = {"en": {"reply": "It is {{ result.state }}.", "confirm": "Change it?"}}


def make(**values: Any) -> Tool:
    defaults: dict[str, Any] = {
        "key": "order",
        "title": "Order",
        "url": "https://shop.example/orders/{number}",
        "parameters": SCHEMA,
        "words": WORDS,
    }
    return tool_create(**{**defaults, **values})


def test_a_tool_reaches_its_site_at_once(site: Site) -> None:
    assert tools_enabled(site_id=site.pk) == ()
    tool = make(site=site)
    [spec] = tools_enabled(site_id=site.pk)
    assert (spec.key, spec.url) == ("order", tool.url)
    assert spec.words_in("en").reply == "It is {{ result.state }}."
    tool_update(tool=tool, is_enabled=False)
    assert tools_enabled(site_id=site.pk) == ()


def test_a_sites_own_tool_stands_before_the_general_one(site: Site) -> None:
    make(url="https://general.example/{number}")
    make(site=site, url="https://own.example/{number}")
    [spec] = tools_enabled(site_id=site.pk)
    assert spec.url == "https://own.example/{number}"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"url": "ftp://shop.example/"}, "url"),
        ({"url": "https://{number}.example/"}, "url"),
        ({"url": "https://shop.example:{number}/"}, "url"),
        ({"url": "https://{number}@shop.example/"}, "url"),
        ({"url": "https://user:pass@shop.example/"}, "url"),
        ({"url": "https://shop.example/{other}"}, "url"),
        ({"url": "https://shop.example/{number"}, "url"),
        ({"url": "https://shop.example/#{number}"}, "url"),
        ({"url": "https://shop.example:99999/"}, "url"),
        ({"url": ""}, "url"),
        ({"headers": "Authorization: Bearer abcdef"}, "headers"),
        ({"headers": "X-Api-Key: abcdef"}, "headers"),
        ({"headers": "Authorization: Bearer {secret.nowhere}"}, "headers"),
        ({"headers": "Host: evil.example"}, "headers"),
        ({"headers": "no colon"}, "headers"),
        ({"headers": "X-Number: {number}"}, "headers"),
        ({"parameters": {"type": "array"}}, "parameters"),
        ({"parameters": {"properties": {"a": {"type": "wrong"}}}}, "parameters"),
        ({"parameters": {"properties": {"number": {"x-find": ["("]}}}}, "parameters"),
        ({"parameters": {"properties": {"number": {"x-find": "a"}}}}, "parameters"),
        ({"parameters": {"properties": {"number": {}, "customer_id": {}}}}, "parameters"),
        ({"parameters": {"properties": {"number": {}, "Actor": {}}}}, "parameters"),
        ({"mapping": {"a": "no/pointer"}}, "mapping"),
        ({"mapping": {"a": 1}}, "mapping"),
        ({"changes": True}, "method"),
        ({"changes": True, "method": "PUT", "needs_identity": False}, "needs_identity"),
        ({"kind": "python", "function": "os.system"}, "function"),
        ({"key": "Order Status"}, "key"),
        ({"check_flag": "ok"}, "check_flag"),
        ({"timeout_seconds": 60}, "timeout_seconds"),
    ],
)
def test_what_is_refused_names_its_field(values: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        make(**values)
    assert field in refused.value.message_dict
    assert not Tool.objects.exists()


def test_words_must_be_templates_of_what_there_is() -> None:
    for reply in ("{{ result.state", "{{ secret }}", "{% for x in result %}"):
        with pytest.raises(ValidationError):
            make(words={"en": {"reply": reply}})
    with pytest.raises(ValidationError):
        make(changes=True, method="PUT", words={"en": {"reply": "Done."}})
    assert not Tool.objects.exists()


def test_a_tool_that_is_broken_can_be_switched_off() -> None:
    tool = make()
    Tool.objects.filter(pk=tool.pk).update(url="nonsense")
    tool_update(tool=tool, is_enabled=False)
    assert not Tool.objects.get().is_enabled


def test_the_rules_of_a_tool_go_with_it(site: Site) -> None:
    tool = make(site=site)
    rule_create(site=site, name="find it", keywords_any="order", action="tool", tool=tool)
    assert rules_enabled(site_id=site.pk).decide("my order", "en", "before").rule is not None
    tool_update(tool=tool, is_enabled=False)
    assert rules_enabled(site_id=site.pk).decide("my order", "en", "before").rule is None
    tool_delete(tool=tool)
    assert not Rule.objects.exists()


def test_the_demos_tools_go_with_the_demo() -> None:
    demo_load()
    assert {tool.key for tool in Tool.objects.all()} == {
        "order_status", "delivery_status", "update_delivery_address",
    }  # fmt: skip
    demo_remove()
    assert not Tool.objects.exists()
    assert not Rule.objects.filter(action="tool").exists()


def test_only_the_demos_own_tools_may_call_the_demo_shop(site: Site) -> None:
    demo = demo_load()
    make(site=site, url="http://127.0.0.1:8001/orders/{number}")
    assert all(spec.private_hosts for spec in tools_enabled(site_id=demo.pk))
    assert [spec.private_hosts for spec in tools_enabled(site_id=site.pk)] == [()]


def test_the_demos_tools_follow_the_demo_shop_to_another_port(settings: Any) -> None:
    from knowledge.services.demo import defaults_ensure

    demo_load()
    settings.DEMOSHOP_PORT = 9876
    defaults_ensure()
    assert all(":9876/" in tool.url for tool in Tool.objects.all())
