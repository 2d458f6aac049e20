"""The bodies of answers, whole and streamed, in the form of the OpenAI API."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from inference.chat import ChatChunk, ToolCall, Usage
from inference.wire import call_row


@dataclass(frozen=True, slots=True)
class AnswerBodies:
    """Makes the bodies of one answer; what all of them have in common is kept here."""

    completion_id: str
    created: int
    model: str
    fingerprint: str

    @classmethod
    def start(cls, model: str, fingerprint: str) -> AnswerBodies:
        """``model`` as the client calls it; ``fingerprint`` tells what it really is."""
        return cls(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), model, fingerprint)

    def chunk(
        self,
        text: str = "",
        finish_reason: str | None = None,
        *,
        logprobs: object = None,
        **delta: object,
    ) -> dict[str, object]:
        """A streamed part; ``content`` is always a string, because plain clients rely on it."""
        choice = {
            "index": 0,
            "delta": {**delta, "content": text},
            "logprobs": logprobs,
            "finish_reason": finish_reason,
        }
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def usage_chunk(self, usage: Usage) -> dict[str, object]:
        return {
            **self._head("chat.completion.chunk"), "choices": [], "usage": usage_body(usage)
        }  # fmt: skip

    def whole(
        self,
        text: str | None,
        finish_reason: str,
        usage: Usage,
        *,
        logprobs: object = None,
        **message: object,
    ) -> dict[str, object]:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text, **message},
            "logprobs": logprobs,
            "finish_reason": finish_reason,
        }
        return {
            **self._head("chat.completion"), "choices": [choice], "usage": usage_body(usage)
        }  # fmt: skip

    def _head(self, kind: str) -> dict[str, object]:
        return {
            "id": self.completion_id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
        }


def usage_body(usage: Usage) -> dict[str, object]:
    """Token counts under OpenAI's names."""
    body: dict[str, object] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
    if usage.reasoning_tokens:
        body["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return body


@dataclass(slots=True)
class AnswerParts:
    """Turns the chunks of one answer into events, or puts them together into a whole answer.

    ``older_calls`` gives a call in the older form: ``function_call`` instead of ``tool_calls``.
    """

    bodies: AnswerBodies
    older_calls: bool = False
    _text: list[str] = field(default_factory=list)
    _reasoning: list[str] = field(default_factory=list)
    _calls: list[ToolCall] = field(default_factory=list)
    _last: ChatChunk | None = None

    def events(self, chunk: ChatChunk) -> Iterator[dict[str, object]]:
        """The events of a chunk; calls come whole, each in an event of its own."""
        if chunk.reasoning:
            yield self.bodies.chunk(reasoning_content=chunk.reasoning)
        if chunk.text:
            yield self.bodies.chunk(chunk.text)
        for call in chunk.tool_calls:
            if self.older_calls:
                yield self.bodies.chunk(function_call=call_row(call)["function"])
            else:
                row = {"index": len(self._calls), **call_row(call)}
                yield self.bodies.chunk(tool_calls=[row])
            self._calls.append(call)
        if chunk.finish_reason is not None:
            yield self.bodies.chunk(finish_reason=self._finish_reason(chunk))

    def take(self, chunk: ChatChunk) -> None:
        """Keep a chunk for the whole answer."""
        self._text.append(chunk.text)
        self._reasoning.append(chunk.reasoning)
        self._calls += chunk.tool_calls
        self._last = chunk

    def whole(self) -> dict[str, object]:
        """The whole answer, once the last chunk has been taken."""
        last = self._last
        assert last is not None  # noqa: S101
        assert last.usage is not None  # noqa: S101 (the last chunk of a generation has it)
        text = "".join(self._text)
        message: dict[str, object] = {}
        if reasoning := "".join(self._reasoning):
            message["reasoning_content"] = reasoning
        if self._calls and self.older_calls:
            message["function_call"] = call_row(self._calls[0])["function"]
        elif self._calls:
            message["tool_calls"] = [call_row(call) for call in self._calls]
        return self.bodies.whole(
            text if text or not self._calls else None,
            self._finish_reason(last),
            last.usage,
            **message,
        )

    def _finish_reason(self, chunk: ChatChunk) -> str:
        """``cancelled`` is no reason that OpenAI's clients know."""
        reason = chunk.finish_reason or "stop"
        if reason == "tool_calls" and self.older_calls:
            return "function_call"
        return "stop" if reason == "cancelled" else reason
