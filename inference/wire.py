"""Chat values in the form of the OpenAI API, as clients send them and read them back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inference.chat import ChatMessage, ChatOptions, GenerationParameters, Tool, ToolCall

# Hints for the built-in server; other servers ignore them.
TIMEOUT_HEADER = "X-Timeout-Seconds"
PRIORITY_HEADER = "X-Priority"
CONVERSATION_HEADER = "X-Conversation"
TOP_LOGPROBS_MOST = 20
"""How many tokens OpenAI's API lists at most."""
TOP_K_ALL = 1_000_000
"""``top_k`` of a request that leaves out no token. Servers disagree on 0 and -1, which one or the other
refuses (llama-cpp-python -1, SGLang 0); all take a number that no vocabulary reaches for "all"."""


def message_row(message: ChatMessage) -> dict[str, Any]:
    """A message of a request."""
    row: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        row["tool_calls"] = [call_row(call) for call in message.tool_calls]
    if message.tool_call_id:
        row["tool_call_id"] = message.tool_call_id
    if message.name:
        row["name"] = message.name
    return row


def call_row(call: ToolCall) -> dict[str, Any]:
    """A tool call of an assistant's message."""
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def tool_row(tool: Tool) -> dict[str, Any]:
    """A tool of a request; templates of Qwen's models take the same form."""
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.parameters:
        function["parameters"] = tool.parameters
    return {"type": "function", "function": function}


def sampling_fields(parameters: GenerationParameters) -> dict[str, Any]:
    """The fields of a request that say how to decode.

    Neutral values are sent too, because servers have defaults of their own. What is not OpenAI's
    goes into ``extra_body``; the servers that run Qwen know or ignore it.
    """
    fields: dict[str, Any] = {
        "max_tokens": parameters.max_tokens,
        "temperature": parameters.temperature,
        "top_p": parameters.top_p,
        "extra_body": {
            "repetition_penalty": parameters.repetition_penalty,
            "top_k": parameters.top_k or TOP_K_ALL,
        },
    }
    if parameters.stop:
        fields["stop"] = list(parameters.stop)
    return fields


def option_fields(options: ChatOptions) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a request for tools and thinking: OpenAI's own, and those of ``extra_body``.

    Whether to think is said in both of the ways in use: to the template (vLLM, SGLang, llama.cpp)
    and at the top (hosted Qwen). It is said even when not wanted, because Qwen3 thinks unless told
    not to.
    """
    fields: dict[str, Any] = {}
    if options.tools:
        fields["tools"] = [tool_row(tool) for tool in options.tools]
        fields["tool_choice"] = _tool_choice_value(options.tool_choice)
    extra: dict[str, Any] = {
        "enable_thinking": options.enable_thinking,
        "chat_template_kwargs": {"enable_thinking": options.enable_thinking},
    }
    if options.enable_thinking and options.thinking_tokens is not None:
        extra["thinking_budget"] = options.thinking_tokens
    return fields, extra


def _tool_choice_value(choice: str) -> str | dict[str, Any]:
    if choice in {"auto", "none", "required"}:
        return choice
    return {"type": "function", "function": {"name": choice}}


@dataclass(slots=True)
class _CallParts:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class CallDeltas:
    """Puts the tool calls of a stream together from their deltas."""

    _parts: dict[int, _CallParts] = field(default_factory=dict)

    def feed(self, deltas: Iterable[Any] | None) -> None:
        """Take ``delta.tool_calls`` of one chunk (objects of the openai package)."""
        for delta in deltas or ():
            parts = self._parts.setdefault(delta.index, _CallParts())
            parts.id = parts.id or delta.id or ""
            if delta.function is not None:
                parts.name = parts.name or delta.function.name or ""
                parts.arguments.append(delta.function.arguments or "")

    def calls(self) -> tuple[ToolCall, ...]:
        """The calls, in order; each is whole only when the stream has ended."""
        return tuple(
            ToolCall(parts.id, parts.name, "".join(parts.arguments))
            for _, parts in sorted(self._parts.items())
            if parts.name
        )


def delta_reasoning(delta: Any) -> str:
    """New reasoning in a delta (or message) of a stream: servers give it one of two names."""
    for name in ("reasoning_content", "reasoning"):
        value = getattr(delta, name, None)
        if isinstance(value, str):
            return value
    return ""


def candidate_logprobs(
    candidates: Sequence[str], listed: Mapping[bytes, float]
) -> dict[str, float]:
    """What a list of probable first tokens says about each candidate.

    ``listed`` maps the bytes of tokens to log-probabilities. A candidate's first token is taken to
    be the longest listed one that it begins with; a candidate that begins with none is left out.

    Raises:
        ValueError: two candidates begin with the same token.
    """
    found: dict[str, float] = {}
    owner: dict[bytes, str] = {}
    for candidate in candidates:
        encoded = candidate.encode()
        token = max(
            (token for token in listed if token and encoded.startswith(token)),
            key=len,
            default=b"",
        )
        if not token:
            continue
        if token in owner:
            raise ValueError(f"{owner[token]!r} and {candidate!r} begin with the same token")
        owner[token] = candidate
        found[candidate] = listed[token]
    return found


def token_logprobs(rows: Iterable[Any]) -> dict[bytes, float]:
    """The rows of ``top_logprobs`` (objects of the openai package) as bytes and log-probability."""
    return {
        bytes(row.bytes) if row.bytes is not None else row.token.encode(): row.logprob
        for row in rows
    }
