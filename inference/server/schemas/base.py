"""What all bodies have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """Unknown fields are ignored, because clients send many harmless ones."""

    model_config = ConfigDict(extra="ignore")


class ParameterRefused(Exception):
    """A request that cannot be honoured; ``name`` is the parameter at fault, the text says why."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name


class UnsupportedParameter(ParameterRefused):
    """A parameter that the engine cannot honour; ``name`` is its name."""

    def __init__(self, name: str) -> None:
        super().__init__(name, f"This server cannot honour the parameter {name}: leave it out.")
