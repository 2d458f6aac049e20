"""Tools that a client offers to the model, and which of them it is to call."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field, StrictStr, model_validator

from inference.chat import Tool
from inference.server.schemas.base import Body, ParameterRefused
from inference.server.schemas.messages import ToolName
from inference.toolcalls.validation import tool_check

MAX_TOOLS = 128
MAX_TOOLS_CHARACTERS = 65_536


class FunctionDefinition(Body):
    """``parameters`` is a JSON schema of an object; calls are always checked against it."""

    name: ToolName
    description: StrictStr | None = None
    parameters: dict[str, Any] | None = None

    @model_validator(mode="after")
    def schema_check(self) -> FunctionDefinition:
        tool_check(self.tool())
        return self

    def tool(self) -> Tool:
        return Tool(self.name, self.description or "", self.parameters or {})


class ToolDefinition(Body):
    type: Literal["function"]
    function: FunctionDefinition


class FunctionName(Body):
    name: ToolName


class NamedTool(Body):
    type: Literal["function"]
    function: FunctionName


ToolChoice = Literal["none", "auto", "required"] | NamedTool
FunctionChoice = Literal["none", "auto"] | FunctionName


class ToolFields(Body):
    """The fields of a request that are about tools, in their present and their older form."""

    tools: list[ToolDefinition] | None = Field(None, max_length=MAX_TOOLS)
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: list[FunctionDefinition] | None = Field(None, max_length=MAX_TOOLS)
    function_call: FunctionChoice | None = None

    @model_validator(mode="before")
    @classmethod
    def size_check(cls, data: Any) -> Any:
        """No more than fits into a prompt, before any of it is looked at closely."""
        for name in ("tools", "functions"):
            given = data.get(name) if isinstance(data, dict) else None
            if given and len(json.dumps(given)) > MAX_TOOLS_CHARACTERS:
                raise ParameterRefused(
                    name, f"{name} must not be larger than {MAX_TOOLS_CHARACTERS} characters."
                )
        return data

    @model_validator(mode="after")
    def tools_check(self) -> ToolFields:
        """Each form goes alone, and a tool to call must be among those offered."""
        if self.tools and self.functions:
            raise ParameterRefused("functions", "Give either tools or functions.")
        names = [tool.name for tool in self.offered()]
        if len(set(names)) < len(names):
            raise ParameterRefused("tools", "Two tools have the same name.")
        choice = self.choice()
        field = "function_call" if self.functions else "tool_choice"
        if not names and choice not in {"auto", "none"}:
            raise ParameterRefused(field, f"{field} needs tools to choose from.")
        if choice not in {"auto", "none", "required", *names}:
            raise ParameterRefused(field, f"{field} names {choice}, which is not among the tools.")
        return self

    def offered(self) -> tuple[Tool, ...]:
        """Every tool that the client offers."""
        definitions = [tool.function for tool in self.tools or ()] or self.functions or []
        return tuple(definition.tool() for definition in definitions)

    def choice(self) -> str:
        """``auto``, ``none``, ``required`` or the name of a tool, as in ``ChatOptions``."""
        chosen = self.function_call if self.functions else self.tool_choice
        if isinstance(chosen, NamedTool):
            return chosen.function.name
        if isinstance(chosen, FunctionName):
            return chosen.name
        return chosen or "auto"
