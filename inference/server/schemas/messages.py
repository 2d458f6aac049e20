"""Messages of a conversation, as clients send them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictStr

from inference.chat import ChatMessage, Role
from inference.server.schemas.base import Body

MAX_MESSAGES = 256


class TextPart(Body):
    type: Literal["text"]
    text: StrictStr


class Message(Body):
    """``content`` is a text or a list of text parts; a developer is a system."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: StrictStr | Annotated[list[TextPart], Field(max_length=64)] | None = None

    def message(self) -> ChatMessage:
        role: Role = "system" if self.role == "developer" else self.role
        content = self.content or ""
        if not isinstance(content, str):
            content = "\n".join(part.text for part in content)
        return ChatMessage(role, content)


Messages = Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
