"""Checks tools when they are defined, and calls of them when they are made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any
from urllib.parse import unquote

import re2
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.protocols import Validator
from referencing.exceptions import Unresolvable

from inference.chat import Tool
from inference.toolcalls.repair import json_mended

# They would be matched with patterns whose time has no bound, or looked for elsewhere.
_REFUSED_KEYWORDS = ("patternProperties", "$dynamicRef", "$id")


class CallInvalid(Exception):
    """A call that cannot be made; the text says why, for the model to read."""


def tool_check(tool: Tool) -> None:
    """Check the schema of a tool's parameters.

    Raises:
        ValueError: it is no JSON schema of an object, or refers to something outside itself.
    """
    if tool.parameters and (problem := _schema_problem(json.dumps(tool.parameters))):
        raise ValueError(problem)


@lru_cache(maxsize=256)
def _schema_problem(text: str) -> str:
    """Why a text is no schema of parameters; empty if it is one.

    Remembered, because it takes up to a millisecond for each property and clients send the same
    tools with every request.
    """
    try:
        _schema_check(json.loads(text))
    except ValueError as error:
        return str(error)
    return ""


def _schema_check(schema: Mapping[str, Any]) -> None:
    if schema.get("type", "object") != "object":
        raise ValueError("the parameters must be of the type object")
    try:
        _validator_class().check_schema(schema)
        for pattern in _values_of(schema, "pattern"):
            if isinstance(pattern, str):
                re2.compile(pattern)
    except SchemaError as error:
        raise ValueError(f"not a JSON schema: {error.message}") from error
    except re2.error as error:
        raise ValueError(f"a pattern that is not supported: {error}") from error
    except RecursionError as error:
        raise ValueError("the schema is nested too deeply") from error
    if any(True for name in _REFUSED_KEYWORDS for _ in _values_of(schema, name)):
        raise ValueError(f"{', '.join(_REFUSED_KEYWORDS)} are not supported")
    for target in _values_of(schema, "$ref"):
        if not _pointer_resolves(schema, str(target)):
            raise ValueError(f"$ref {target!r} points to no part of the same schema (#/...)")


def arguments_check(
    arguments: Mapping[str, Any], parameters: Mapping[str, object]
) -> dict[str, Any]:
    """Arguments in the types that a schema wants, checked against it.

    Raises:
        CallInvalid: what is wrong with them.
    """
    mended = _types_mended(dict(arguments), parameters)
    if problem := _problem(mended, parameters):
        raise CallInvalid(problem)
    return mended


def calls_check(text: str, tools: Sequence[Tool]) -> list[tuple[str, str]]:
    """The names and arguments (JSON objects as text) of the calls that a model wrote.

    Raises:
        CallInvalid: one of them cannot be made, even after mending.
    """
    try:
        value = json_mended(text)
    except (ValueError, RecursionError) as error:
        raise CallInvalid(f"It is not valid JSON: {error}.") from error
    rows = value if isinstance(value, list) else [value]
    return [_call_check(row, tools) for row in rows]


def _call_check(row: object, tools: Sequence[Tool]) -> tuple[str, str]:
    if not isinstance(row, dict):
        raise CallInvalid("It must be a JSON object with name and arguments.")
    known = {tool.name: tool for tool in tools}
    tool = known.get(str(row.get("name")))
    if tool is None:
        raise CallInvalid(f"There is no function {row.get('name')!r}, only {', '.join(known)}.")
    arguments = row.get("arguments", row.get("parameters", {}))
    if isinstance(arguments, str):  # JSON within JSON
        try:
            arguments = json_mended(arguments or "{}")
        except ValueError as error:
            raise CallInvalid(f"The arguments are not valid JSON: {error}.") from error
    if not isinstance(arguments, dict):
        raise CallInvalid("The arguments must be a JSON object.")
    arguments = _types_mended(arguments, tool.parameters)
    if problem := _problem(arguments, tool.parameters):
        raise CallInvalid(f"The arguments of {tool.name} do not fit: {problem}.")
    return tool.name, json.dumps(arguments, ensure_ascii=False)


def _problem(arguments: Mapping[str, Any], schema: Mapping[str, object]) -> str:
    """What is wrong with arguments; empty if nothing is."""
    if not schema:
        return ""
    validator: Validator = _validator_class()(schema)
    try:
        json.dumps(arguments, ensure_ascii=False).encode()
        found: ValidationError | None = best_match(validator.iter_errors(arguments))
    except (RecursionError, UnicodeEncodeError, Unresolvable):
        return "they cannot be checked"
    if found is None:
        return ""
    where = "/".join(str(part) for part in found.absolute_path)
    return f"{where}: {found.message}" if where else found.message


def _types_mended(arguments: dict[str, Any], schema: Mapping[str, object]) -> dict[str, Any]:
    """Numbers that were written as texts, and texts as numbers, in the type that is wanted."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return arguments
    return {name: _type_mended(value, properties.get(name)) for name, value in arguments.items()}


def _type_mended(value: Any, schema: object) -> Any:
    wanted = schema.get("type") if isinstance(schema, dict) else None
    if wanted == "string" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if wanted in {"integer", "number"} and isinstance(value, str):
        try:
            return int(value) if wanted == "integer" else float(value)
        except ValueError:
            return value
    if wanted == "boolean" and value in {"true", "false"}:
        return value == "true"
    return value


def _pointer_resolves(schema: object, target: str) -> bool:
    """Whether a reference (a JSON pointer behind ``#``, RFC 6901) leads to a schema."""
    if not target.startswith("#/"):
        return False
    for step in target[2:].split("/"):
        step = unquote(step).replace("~1", "/").replace("~0", "~")
        if not isinstance(schema, dict) or step not in schema:
            return False
        schema = schema[step]
    return isinstance(schema, dict | bool)


def _values_of(schema: object, key: str) -> Iterator[object]:
    """Every value of ``key`` anywhere in a schema."""
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if key in part:
                yield part[key]
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


@cache
def _validator_class() -> Any:
    """Draft 2020-12 whose patterns run in linear time: they come from clients."""

    def pattern_check(
        _: object, pattern: str, instance: object, __: object
    ) -> Iterator[ValidationError]:
        if isinstance(instance, str) and not re2.search(pattern, instance):
            yield ValidationError(f"{instance!r} does not match {pattern!r}")

    extend: Any = validators.extend
    return extend(Draft202012Validator, {"pattern": pattern_check})
