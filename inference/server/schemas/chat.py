"""Body of ``POST /v1/chat/completions``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, StrictStr, field_validator, model_validator

from inference.chat import ChatOptions, GenerationParameters
from inference.server.schemas.base import Body, ParameterRefused, UnsupportedParameter
from inference.server.schemas.messages import Messages
from inference.server.schemas.thinking import ThinkingFields
from inference.server.schemas.tools import ToolFields
from inference.wire import TOP_K_ALL, TOP_LOGPROBS_MOST

MAX_STOPS = 16
MAX_CANDIDATES = 256
# When a client names no limit, an answer must still end some day.
DEFAULT_MAX_TOKENS = 1024

# Parameters that the engine cannot honour, with the values that ask for nothing.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "frequency_penalty": (None, 0),
    "presence_penalty": (None, 0),
    "n": (None, 1),
    "best_of": (None, 1),
    "logit_bias": (None, {}),
    "response_format": (None, {"type": "text"}),
    "modalities": (None, ["text"]),
    "audio": (None,),
    "min_p": (None, 0),
    "min_tokens": (None, 0),
    "echo": (None, False),
    "guided_json": (None,),
    "guided_regex": (None,),
    "guided_choice": (None,),
    "structured_outputs": (None,),
    "prompt_logprobs": (None, 0),
}


class StreamOptions(Body):
    include_usage: bool = False


class ChatCompletionRequest(ToolFields, ThinkingFields):
    """Body of ``POST /v1/chat/completions``.

    The defaults of the sampling options are those that Qwen recommends for its chat models;
    ``temperature`` 0 decodes greedily. ``seed`` is accepted, but only greedy answers repeat.
    """

    model: StrictStr
    messages: Messages
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=TOP_K_ALL)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] | None = None
    stop: (
        StrictStr
        | Annotated[list[Annotated[StrictStr, Field(max_length=256)]], Field(max_length=MAX_STOPS)]
        | None
    ) = None
    seed: int | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=TOP_LOGPROBS_MOST)] | None = None
    logprob_candidates: (
        Annotated[
            list[Annotated[StrictStr, Field(min_length=1, max_length=256)]],
            Field(min_length=1, max_length=MAX_CANDIDATES),
        ]
        | None
    ) = None

    @model_validator(mode="before")
    @classmethod
    def parameters_check(cls, data: Any) -> Any:
        """Refuse what the engine cannot honour, naming it."""
        if isinstance(data, dict):
            for name, neutral in _NEUTRAL.items():
                if data.get(name) not in neutral:
                    raise UnsupportedParameter(name)
        return data

    @field_validator("stop")
    @classmethod
    def stop_check(cls, value: str | list[str] | None) -> str | list[str] | None:
        if value == "" or (isinstance(value, list) and "" in value):
            raise ValueError("a stop string must not be empty")
        return value

    @model_validator(mode="after")
    def logprobs_check(self) -> ChatCompletionRequest:
        """Probabilities are told of the first token alone."""
        if not self.logprobs:
            for name in ("top_logprobs", "logprob_candidates"):
                if getattr(self, name):
                    raise ParameterRefused(name, f"{name} needs logprobs.")
        elif (self.max_completion_tokens or self.max_tokens) != 1:
            raise ParameterRefused(
                "logprobs", "This server honours logprobs only together with max_tokens 1."
            )
        elif self.thinking() or self.offered():
            name = "enable_thinking" if self.thinking() else "tools"
            raise ParameterRefused(name, f"This server honours {name} only without logprobs.")
        return self

    def options(self) -> ChatOptions:
        """What the answer may consist of besides text."""
        return ChatOptions(
            tools=self.offered(),
            tool_choice=self.choice(),
            enable_thinking=self.thinking(),
            thinking_tokens=self.budget(),
        )

    def parameters(self) -> GenerationParameters:
        """How to decode; a missing ``max_tokens`` is given the server's default."""
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return GenerationParameters(
            max_tokens=self.max_completion_tokens or self.max_tokens or DEFAULT_MAX_TOKENS,
            temperature=0.7 if self.temperature is None else self.temperature,
            top_p=0.8 if self.top_p is None else self.top_p,
            top_k=20 if self.top_k is None else max(self.top_k, 0),
            repetition_penalty=1.05 if self.repetition_penalty is None else self.repetition_penalty,
            stop=stop,
        )

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends with token counts."""
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def limited(self) -> bool:
        """Whether the client itself says how long the answer may be."""
        return (self.max_completion_tokens or self.max_tokens) is not None
