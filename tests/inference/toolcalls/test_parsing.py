"""Calls are found in an answer however it is cut into pieces, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.toolcalls.parsing import CallParser, FoundCall, Part

CALL = '{"name": "order_status", "arguments": {"order_id": "123456"}}'
NESTED = (
    '{"name": "store_hours", "arguments": {"city": {"name": "上海 {\\"x\\"} </tool_call> 😀", '
    '"parts": [[1], {"a": "}]"}]}}}'
)
FOUND, FOUND_NESTED = FoundCall(CALL), FoundCall(NESTED)


def parsed(text: str, sizes: list[int], *, cut: bool = False) -> list[Part]:
    """The parts of a text that arrives in pieces of these sizes, with pieces of text joined."""
    parser = CallParser(["order_status", "store_hours"])
    parts: list[Part] = []
    position = 0
    for size in [*sizes, len(text)]:
        parts += parser.feed(text[position : position + size])
        position += size
    parts += parser.finish(cut=cut)
    joined: list[Part] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return joined


CASES: list[tuple[str, list[Part]]] = [
    # Qwen's own form, one and several
    (f"<tool_call>\n{CALL}\n</tool_call>", [FOUND]),
    (f"<tool_call>{NESTED}</tool_call>", [FOUND_NESTED]),
    (f"<tool_call>\n{CALL}\n</tool_call>\n<tool_call>\n{NESTED}\n</tool_call>", [FOUND, FOUND_NESTED]),
    (f"我来查一下。\n<tool_call>\n{CALL}\n</tool_call>", ["我来查一下。\n", FOUND]),
    (f"<tool_call>{CALL}</tool_call> Done.", [FOUND, "Done."]),
    # what models trained on code write instead
    (CALL, [FOUND]),
    (f"\n {CALL}", [FOUND]),
    (f"{CALL}\n{NESTED}", [FOUND, FOUND_NESTED]),
    (f"[{CALL}, {NESTED}]", [FoundCall(f"[{CALL}, {NESTED}]")]),
    (f"```json\n{CALL}\n```", [FOUND]),
    (f"```\n{CALL}\n```", [FOUND]),
    (f"<tools>\n{CALL}\n</tools>", [FOUND]),
    (f"<tool_call>```json\n{CALL}\n```</tool_call>", [FOUND]),
    # brackets too many, tags left out
    (f"<tool_call>{CALL}}}}}</tool_call>", [FOUND]),
    (f"<tool_call>{CALL}", [FOUND]),
    # malformed: passed on whole, for repair
    (
        '<tool_call>{"name": "order_status", "arguments": {"order_id": "1"}</tool_call>x',
        [FoundCall('{"name": "order_status", "arguments": {"order_id": "1"}'), "x"],
    ),
    (
        '<tool_call>{"name": "order_status", "arguments": {"order_id": "1</tool_call>',
        [FoundCall('{"name": "order_status", "arguments": {"order_id": "1')],
    ),
    # text that only mentions things
    ("Qwen writes <tool_call> before a call.", ["Qwen writes <tool_call> before a call."]),
    ("<tool_call> opens a call.", ["<tool_call> opens a call."]),
    ("the tags <tool_call>{...}</tool_call>", ["the tags <tool_call>{...}</tool_call>"]),
    ("Use <tool_call>", ["Use <tool_call>"]),
    ("a < b, x <tool, y <too_call>", ["a < b, x <tool, y <too_call>"]),
    ('{"name": "Ann", "age": 5}', ['{"name": "Ann", "age": 5}']),
    ('{"answer": 5}', ['{"answer": 5}']),
    ("```python\nprint(1)\n```", ["```python\nprint(1)\n```"]),
    ("```json\n[1, 2]\n```", ["```json\n[1, 2]\n```"]),
    (f"Send `{CALL}` to it.", [f"Send `{CALL}` to it."]),
    ("<tools>{}</tools>", ["<tools>{}</tools>"]),
    ("", []),
    ("  hello", ["  hello"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), CASES, ids=[text[:40] for text, _ in CASES])
def test_calls_and_text_are_told_apart(text: str, wanted: list[Part]) -> None:
    assert parsed(text, []) == wanted
    assert parsed(text, [1] * len(text)) == wanted


@given(
    st.lists(st.sampled_from(CASES), min_size=1, max_size=1),
    st.lists(st.integers(1, 9), max_size=60),
)
def test_pieces_do_not_matter(cases: list[tuple[str, list[Part]]], sizes: list[int]) -> None:
    [(text, wanted)] = cases
    assert parsed(text, sizes) == wanted


PIECES = [
    *"<>{}[]\"'` \nan:",
    "<tool_call>",
    "</tool_call>",
    "<tools>",
    "```json",
    CALL[:24],
    CALL,
    "名",
]


@given(
    st.lists(st.sampled_from(PIECES), max_size=30).map("".join),
    st.lists(st.integers(1, 5), max_size=40),
    st.booleans(),
)
def test_any_text_is_parsed_alike_in_pieces(text: str, sizes: list[int], cut: bool) -> None:
    assert parsed(text, sizes, cut=cut) == parsed(text, [], cut=cut)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Wait. <tool_ca", ["Wait. "]),
        ("Wait. <tool_call>", ["Wait. "]),
        ("a <", ["a <"]),
        (f"<tool_call>{CALL[:30]}", [FoundCall(CALL[:30], whole=False)]),
        ('{"name": "order', [FoundCall('{"name": "order', whole=False)]),
        (f"<tool_call>{CALL}</tool_c", [FOUND]),
        (f"<tool_call>{CALL}</tool_call><tool_call>{{", [FOUND, FoundCall("{", whole=False)]),
    ],
)
def test_an_answer_that_is_cut_shows_no_half_tag(text: str, wanted: list[Part]) -> None:
    assert parsed(text, [1] * len(text), cut=True) == wanted


def test_text_is_not_held_back_longer_than_needed() -> None:
    parser = CallParser(["order_status"])
    assert parser.feed("Your") == ["Your"]
    assert parser.feed(" order <") == [" order "]
    assert parser.feed("3") == ["<3"]
    parser = CallParser(["order_status"])
    assert parser.feed('{"na') == []
    assert parser.feed("tion") == ['{"nation']
