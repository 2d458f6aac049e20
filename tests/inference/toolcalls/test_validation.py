"""Tools are checked when they are defined, and the arguments of calls against them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inference.chat import Tool
from inference.toolcalls.validation import CallInvalid, calls_check, tool_check

ORDER = Tool(
    "order_status",
    parameters={
        "type": "object",
        "properties": {
            "order_id": {"type": "string", "pattern": "^[0-9]{5,}$"},
            "limit": {"type": "integer"},
            "exact": {"type": "boolean"},
            "place": {"$ref": "#/$defs/place"},
        },
        "required": ["order_id"],
        "additionalProperties": False,
        "$defs": {"place": {"type": "object", "required": ["city"]}},
    },
)
TOOLS = [ORDER, Tool("ping")]


def arguments(**values: Any) -> str:
    return json.dumps({"name": "order_status", "arguments": values})


def test_a_valid_call_gives_its_name_and_arguments() -> None:
    [(name, text)] = calls_check(arguments(order_id="123456", place={"city": "上海"}), TOOLS)
    assert name == "order_status"
    assert json.loads(text) == {"order_id": "123456", "place": {"city": "上海"}}
    assert calls_check('{"name": "ping"}', TOOLS) == [("ping", "{}")]


def test_a_list_gives_several() -> None:
    text = f'[{arguments(order_id="12345")}, {{"name": "ping", "arguments": {{}}}}]'
    assert [name for name, _ in calls_check(text, TOOLS)] == ["order_status", "ping"]


def test_types_are_mended_where_the_schema_says_so() -> None:
    [(_, text)] = calls_check(arguments(order_id=123456, limit="5", exact="true"), TOOLS)
    assert json.loads(text) == {"order_id": "123456", "limit": 5, "exact": True}


def test_arguments_may_be_json_within_json() -> None:
    text = json.dumps({"name": "order_status", "arguments": '{"order_id": "123456"}'})
    assert calls_check(text, TOOLS) == [("order_status", '{"order_id": "123456"}')]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nonsense", "not valid JSON"),
        ("5", "JSON object"),
        ('{"name": "drop_table", "arguments": {}}', "no function 'drop_table'"),
        ('{"arguments": {}}', "no function None"),
        ('{"name": "order_status", "arguments": [1]}', "must be a JSON object"),
        ('{"name": "order_status", "arguments": "{"}', "do not fit"),
        (arguments(), "order_id"),
        (arguments(order_id="12"), "does not match"),
        (arguments(order_id="123456", limit=1.5), "limit"),
        (arguments(order_id="123456", place={}), "city"),
        (arguments(order_id="123456", more=1), "more"),
        ('{"name": "order_status", "arguments": {"order_id": "\\ud800"}}', "do not fit"),
    ],
)
def test_an_invalid_call_tells_why(text: str, reason: str) -> None:
    with pytest.raises(CallInvalid, match=reason):
        calls_check(text, TOOLS)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "object", "properties": 5},
        {"type": "object", "required": "order_id"},
        {"properties": {"a": {"$ref": "https://example.com/schema"}}},
        {"properties": {"a": {"$ref": "#/$defs/missing"}}},
        {"properties": {"a": {"$ref": "#"}}},
        {"properties": {"a": {"pattern": "(?=x)"}}},
        {"patternProperties": {"(a+)+$": {}}},
    ],
)
def test_a_bad_schema_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        tool_check(Tool("t", parameters=schema))


def test_a_good_schema_is_taken() -> None:
    for tool in TOOLS:
        tool_check(tool)


def test_schemas_without_end_and_slow_patterns_do_no_harm() -> None:
    loop = {"$defs": {"a": {"$ref": "#/$defs/a"}}, "properties": {"x": {"$ref": "#/$defs/a"}}}
    tool = Tool("order_status", parameters=loop)
    tool_check(tool)
    with pytest.raises(CallInvalid):
        calls_check(arguments(x=1), [tool])
    slow = Tool("order_status", parameters={"properties": {"x": {"pattern": "^(a+)+$"}}})
    with pytest.raises(CallInvalid):
        calls_check(arguments(x="a" * 5000 + "!"), [slow])
