"""Bodies of the requests about texts: vectors and token counts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictStr, model_validator

from inference.chat import EmbeddingKind
from inference.server.schemas.base import Body
from inference.server.schemas.messages import Messages

MAX_EMBEDDING_INPUTS = 256


class EmbeddingRequest(Body):
    """Body of ``POST /v1/embeddings``; ``input_type`` chooses the model's prefix and pooling."""

    model: StrictStr
    input: (
        Annotated[StrictStr, Field(min_length=1)]
        | Annotated[
            list[Annotated[StrictStr, Field(min_length=1)]],
            Field(min_length=1, max_length=MAX_EMBEDDING_INPUTS),
        ]
    )
    encoding_format: Literal["float", "base64"] = "float"
    input_type: EmbeddingKind = "query"
    dimensions: Annotated[int, Field(ge=1)] | None = None

    @property
    def texts(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else self.input


class TokenizeRequest(Body):
    """Body of ``POST /tokenize``: either a prompt or messages."""

    model: StrictStr | None = None
    prompt: StrictStr | None = None
    messages: Messages | None = None

    @model_validator(mode="after")
    def either_check(self) -> TokenizeRequest:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either prompt or messages")
        return self
