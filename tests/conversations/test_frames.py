"""Every malformed frame is a typed error, never a traceback."""

from __future__ import annotations

import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.errors import BadFrame, BadJson, ConversationError, UnknownType
from conversations.frames import Hello, Rate, Send, frame_decode, frame_encode, json_object_decode

ID = "8f14e45f-ceea-467f-a0e6-1f2d6f1b3c55"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "}",
        "[" * 60_000,
        '{"a":' * 60_000,
        '{"type":"ping","n":NaN}',
        '{"type":"ping","n":-Infinity}',
        '{"type":"ping","n":1e999}',
        '{"type":"ping","n":' + "9" * 5000 + "}",
        '{"type":"ping","type":"hello"}',
        '{"type":"ping","n":1} x',
        '{"a":[[[[[1]]]]]}',
        "\ufeff{}",
        "<xml/>",
    ],
)
def test_what_is_not_allowed_json_is_bad_json(text: str) -> None:
    with pytest.raises(BadJson):
        frame_decode(text)


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        "null",
        "1",
        '"ping"',
        "{}",
        '{"type":null}',
        '{"type":["ping"]}',
        '{"__proto__":{"type":"ping"}}',
        '{"type":"ping"}',
        '{"type":"ping","n":true}',
        '{"type":"ping","n":"7"}',
        '{"type":"ping","n":1.5}',
        '{"type":"seen","seq":-1}',
        '{"type":"hello","v":1,"token":1}',
        '{"type":"hello","v":1,"token":"x","last_seq":-1}',
        f'{{"type":"hello","v":1,"token":"x","last_seq":{2**63}}}',
        '{"type":"send","text":"x"}',
        '{"type":"send","client_message_id":"1","text":"x"}',
        f'{{"type":"send","client_message_id":"{ID}"}}',
        f'{{"type":"send","client_message_id":"{ID}","text":["x"]}}',
        '{"type":"cancel"}',
        '{"type":"rate","reply_seq":1}',
        '{"type":"rate","reply_seq":1,"score":6}',
        '{"type":"rate","reply_seq":1,"score":0}',
        '{"type":"rate","reply_seq":1,"kind":"thumb","score":2}',
        '{"type":"rate","reply_seq":1,"kind":"soul","score":1}',
        '{"type":"rate","reply_seq":1,"score":1,"reasons":"wrong"}',
        '{"type":"rate","reply_seq":1,"score":1,"reasons":["<b>"]}',
        '{"type":"rate","reply_seq":1,"score":1,"comment":"a\\u0000"}',
        '{"type":"rate","reply_seq":1,"score":1,"comment":"\\ud800"}',
    ],
)
def test_json_of_another_shape_is_a_bad_frame(text: str) -> None:
    with pytest.raises(BadFrame):
        frame_decode(text)


def test_a_type_that_nobody_knows_is_named_so() -> None:
    with pytest.raises(UnknownType):
        frame_decode('{"type":"item","role":"operator","seq":1}')


def test_unknown_fields_are_ignored_and_forged_ones_have_no_effect() -> None:
    text = json.dumps(
        {
            "type": "send",
            "client_message_id": ID,
            "text": "你好",
            "role": "operator",
            "fence": 99,
            "__proto__": {"admin": True},
        }
    )

    assert frame_decode(text) == Send(uuid.UUID(ID), "你好")


def test_a_hello_without_last_seq_starts_at_the_beginning() -> None:
    assert frame_decode('{"type":"hello","v":1,"token":"t"}') == Hello(1, "t", 0)


def test_a_rating_is_of_stars_unless_it_says_thumb() -> None:
    assert frame_decode('{"type":"rate","reply_seq":2,"score":5}') == Rate(2, "stars", 5, (), "")
    thumb = frame_decode('{"type":"rate","reply_seq":2,"kind":"thumb","score":0}')
    assert thumb == Rate(2, "thumb", 0, (), "")


def test_four_thousand_escaped_characters_fit_into_a_frame() -> None:
    text = json.dumps({"type": "send", "client_message_id": ID, "text": "退" * 4000})

    assert len(text.encode()) < 64 * 1024
    assert frame_decode(text) == Send(uuid.UUID(ID), "退" * 4000)


def test_bytes_that_are_not_utf8_are_bad_json() -> None:
    with pytest.raises(BadJson):
        json_object_decode(b'{"text":"\xff"}')


def test_brackets_within_strings_are_not_nesting() -> None:
    assert json_object_decode('{"text":"[[[[[[[[\\"]]{{{"}') == {"text": '[[[[[[[["]]{{{'}


def test_a_frame_to_the_client_names_the_version_and_keeps_chinese() -> None:
    assert frame_encode({"type": "pong", "n": 7}) == '{"v":1,"type":"pong","n":7}'
    assert "退货" in frame_encode({"type": "delta", "text": "退货"})


@given(st.text(max_size=300))
def test_any_text_is_a_frame_or_a_typed_error(text: str) -> None:
    assert refusal_of(text) in {None, "bad_json", "bad_frame", "unknown_type"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    ),
    st.sampled_from(["hello", "send", "cancel", "rate", "seen", "ping", "typing"]),
)
def test_any_json_under_a_known_type_is_a_frame_or_a_typed_error(value: object, kind: str) -> None:
    names = ["token", "last_seq", "client_message_id", "text", "reply_seq", "score", "reasons"]
    text = json.dumps({"type": kind, **dict.fromkeys([*names, "n", "seq", "comment"], value)})
    assert refusal_of(text) in {None, "bad_json", "bad_frame"}


def refusal_of(text: str) -> str | None:
    """The code of the typed error; ``None`` when the frame is well formed."""
    try:
        frame_decode(text)
    except ConversationError as error:
        return error.code
    return None
