"""The bodies of answers, whole and streamed, in the form of the OpenAI API."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from inference.chat import Usage


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
