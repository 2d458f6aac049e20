"""Messages of a conversation, as clients send them."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import Field, StrictStr, field_validator

from inference.chat import ChatMessage, Role, ToolCall
from inference.server.schemas.base import Body

MAX_MESSAGES = 256
MAX_CALLS = 64
_ROLES: dict[str, Role] = {"developer": "system", "function": "tool"}

ToolName = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class TextPart(Body):
    type: Literal["text"]
    text: StrictStr


class CalledFunction(Body):
    """A call that an assistant's message made; ``arguments`` is a JSON object as text."""

    name: ToolName
    arguments: StrictStr = "{}"

    @field_validator("arguments")
    @classmethod
    def arguments_check(cls, value: str) -> str:
        try:
            found = json.loads(value or "{}")
        except (ValueError, RecursionError) as error:
            raise ValueError("the arguments must be JSON") from error
        if not isinstance(found, dict):
            raise ValueError("the arguments must be a JSON object")
        return value or "{}"


class CalledTool(Body):
    id: StrictStr = ""
    type: Literal["function"] = "function"
    function: CalledFunction

    def call(self) -> ToolCall:
        return ToolCall(self.id, self.function.name, self.function.arguments)


class Message(Body):
    """``content`` is a text or a list of text parts; a developer is a system.

    The role ``function``, and ``function_call`` of an assistant, are the older forms of ``tool``
    and ``tool_calls``.
    """

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: StrictStr | Annotated[list[TextPart], Field(max_length=64)] | None = None
    tool_calls: Annotated[list[CalledTool], Field(max_length=MAX_CALLS)] | None = None
    function_call: CalledFunction | None = None
    tool_call_id: StrictStr | None = None
    name: StrictStr | None = None

    def message(self) -> ChatMessage:
        """The message as the engine's template takes it."""
        content = self.content or ""
        if not isinstance(content, str):
            content = "\n".join(part.text for part in content)
        role = _ROLES.get(self.role) or self.role
        return ChatMessage(
            role,  # type: ignore[arg-type]  # the two that are not ours have been mapped
            content,
            tool_calls=self._calls() if self.role == "assistant" else (),
            tool_call_id=self.tool_call_id or "",
            name=self.name or "",
        )

    def _calls(self) -> tuple[ToolCall, ...]:
        if self.function_call is not None and not self.tool_calls:
            called = self.function_call
            return (ToolCall("", called.name, called.arguments),)
        return tuple(tool.call() for tool in self.tool_calls or ())


Messages = Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
