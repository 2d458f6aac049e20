"""What a streamed answer says before, while and after it is passed on."""

from __future__ import annotations

import json

import pytest

from inference.errors import (
    ContextExceeded,
    EngineDown,
    EngineError,
    EngineOverloaded,
    EngineStarting,
    EngineTimeout,
    RequestInvalid,
)
from supportdesk.v1_stream import StreamWatch, stream_error


def event(**row: object) -> bytes:
    return f"data: {json.dumps(row)}\n\n".encode()


def delta(**fields: object) -> bytes:
    return event(choices=[{"delta": fields, "finish_reason": None}])


def watched(*pieces: bytes) -> StreamWatch:
    watch = StreamWatch()
    for piece in pieces:
        watch.feed(piece)
    return watch


def test_the_role_and_an_empty_text_are_no_beginning() -> None:
    assert not watched(delta(role="assistant", content=""), event(choices=[])).begun


@pytest.mark.parametrize(
    "fields", [{"content": "你"}, {"reasoning_content": "x"}, {"tool_calls": [{"index": 0}]}]
)
def test_what_a_client_may_show_is_a_beginning(fields: dict[str, object]) -> None:
    assert watched(delta(role="assistant"), delta(**fields)).begun


def test_an_empty_answer_begins_with_its_end() -> None:
    watch = watched(event(choices=[{"delta": {}, "finish_reason": "stop"}]), b"data: [DONE]\n\n")
    assert (watch.begun, watch.ended, watch.error) == (True, True, None)


def test_events_may_be_cut_anywhere() -> None:
    whole = delta(role="assistant") + delta(content="你好") + b"data: [DONE]\r\n\r\n"
    watch = watched(*(bytes([byte]) for byte in whole))
    assert (watch.begun, watch.ended, watch.error) == (True, True, None)


@pytest.mark.parametrize("before", [[], [delta(content="half an")]])
def test_an_error_is_seen_before_and_after_the_beginning(before: list[bytes]) -> None:
    error = event(error={"message": "No memory.", "type": "server_error", "code": "engine_down"})
    watch = watched(*before, error)
    assert isinstance(watch.error, EngineDown)
    assert json.loads(watch.error_body)["error"]["message"] == "No memory."


def test_text_that_looks_like_an_error_is_text() -> None:
    watch = watched(delta(content='{"error": {"code": "engine_down"}}'), delta(content='"error"'))
    assert watch.error is None


def test_what_is_wrong_with_the_request_is_an_answer() -> None:
    error = {"message": "Too long.", "type": "invalid_request_error", "code": None}
    watch = watched(event(error=error))
    assert (watch.begun, watch.error) == (True, None)


def test_what_is_no_json_is_left_to_the_client() -> None:
    assert watched(b": a comment\n\n").begun is False
    assert watched(b"data: hello\n\n").begun


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "engine_overloaded"}, EngineOverloaded),
        ({"code": "engine_starting"}, EngineStarting),
        ({"code": 429, "message": "slow down"}, EngineOverloaded),
        ({"code": 504}, EngineTimeout),
        ({"code": "context_length_exceeded", "type": "invalid_request_error"}, ContextExceeded),
        ({"code": "whatever", "type": "invalid_request_error"}, RequestInvalid),
        ({}, EngineDown),
    ],
)
def test_codes_are_names_or_statuses(error: dict[str, object], kind: type[EngineError]) -> None:
    assert type(stream_error(error)) is kind
