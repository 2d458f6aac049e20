"""Whether the model is to reason before it answers; the fields are those of Qwen's servers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from inference.server.schemas.base import Body, ParameterRefused, UnsupportedParameter

MAX_THINKING_TOKENS = 32_768


class TemplateOptions(Body):
    """What may be said to the chat template; anything else would change the prompt unseen."""

    enable_thinking: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def names_check(cls, data: Any) -> Any:
        for name, value in data.items() if isinstance(data, dict) else ():
            if name != "enable_thinking" and value is not None:
                raise UnsupportedParameter(f"chat_template_kwargs.{name}")
        return data


class ThinkingFields(Body):
    """``thinking_budget`` (or ``thinking_tokens``) limits the reasoning, not the answer."""

    enable_thinking: bool | None = None
    chat_template_kwargs: TemplateOptions | None = None
    thinking_budget: Annotated[int, Field(ge=1, le=MAX_THINKING_TOKENS)] | None = None
    thinking_tokens: Annotated[int, Field(ge=1, le=MAX_THINKING_TOKENS)] | None = None

    @model_validator(mode="after")
    def thinking_check(self) -> ThinkingFields:
        """The two places and the two names must not contradict each other."""
        inner = self.chat_template_kwargs and self.chat_template_kwargs.enable_thinking
        if None not in (self.enable_thinking, inner) and self.enable_thinking != inner:
            raise ParameterRefused(
                "enable_thinking", "enable_thinking and chat_template_kwargs contradict each other."
            )
        if None not in (self.thinking_budget, self.thinking_tokens):
            raise ParameterRefused(
                "thinking_tokens", "Give either thinking_budget or thinking_tokens."
            )
        return self

    def thinking(self) -> bool:
        """Whether to reason first; not, unless the client says so."""
        inner = self.chat_template_kwargs and self.chat_template_kwargs.enable_thinking
        return bool(self.enable_thinking or inner)

    def budget(self) -> int | None:
        """The most tokens for the reasoning; None leaves it to the server."""
        return self.thinking_budget or self.thinking_tokens
