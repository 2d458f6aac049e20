"""Follows a streamed answer of an OpenAI-compatible server while it is passed on."""

from __future__ import annotations

import json
from typing import Any, Final

from inference.connection import error_kind
from inference.errors import EngineError, RequestInvalid

_END: Final = b"[DONE]"
# Where an event begins so, it is looked into even after the answer has begun.
_ERROR: Final = b'{"error"'
_TELLING: Final = ("content", "reasoning_content", "reasoning", "tool_calls", "function_call")


class StreamWatch:
    """What the events that were read say of the answer.

    Attributes:
        begun: something that the client may show was among them. Servers name the role before
            they have anything to say, and may still fail then.
        ended: the stream has come to its end as it should.
        error: why there is no answer, or no more of it.
        error_body: the event that said so.
    """

    def __init__(self) -> None:
        self.begun = False
        self.ended = False
        self.error: EngineError | None = None
        self.error_body = b""
        self._rest = b""

    def feed(self, piece: bytes) -> None:
        """Take the next bytes, which need not end where a line does."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            name, _, data = line.partition(b":")
            if name == b"data":
                self._event(data.strip())

    def _event(self, data: bytes) -> None:
        if data == _END:
            self.ended = True
            return
        if self.begun and not data.startswith(_ERROR):
            return
        try:
            row = json.loads(data)
            error = row.get("error")
            telling = any(map(_tells, row.get("choices") or ()))
        except (ValueError, AttributeError):  # of a server of another kind: for the client to judge
            self.begun = True
            return
        if isinstance(error, dict):
            found = stream_error(error)
            if isinstance(found, RequestInvalid):  # an answer, too
                self.begun = True
            else:
                self.error, self.error_body = found, data
        elif telling:
            self.begun = True


def stream_error(error: dict[str, Any]) -> EngineError:
    """What an error object means; servers put a name or a status into its code."""
    code = error.get("code")
    status = code if isinstance(code, int) else 0
    if error.get("type") == "invalid_request_error":
        status = status or 400
    kind = error_kind(status, code if isinstance(code, str) else "")
    return kind(str(error.get("message") or "The engine failed."))


def _tells(choice: dict[str, Any]) -> bool:
    delta = choice.get("delta") or {}
    return bool(choice.get("finish_reason")) or any(delta.get(name) for name in _TELLING)
