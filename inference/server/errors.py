"""Turns errors into the answers of the OpenAI API: a status and an error object."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from inference.errors import (
    ContextExceeded,
    EngineDown,
    EngineError,
    EngineOverloaded,
    EngineStarting,
    EngineTimeout,
    RequestInvalid,
)
from inference.server.schemas import ParameterRefused


@dataclass(eq=False)
class ApiError(Exception):
    """An answer other than success; ``message`` is one sentence for the client's developer."""

    status: int
    message: str
    code: str
    param: str | None = None
    retry_seconds: int | None = None

    @property
    def body(self) -> dict[str, object]:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        if self.status == 429:
            kind = "overloaded_error"
        return {
            "error": {
                "message": self.message,
                "type": kind,
                "param": self.param,
                "code": self.code,
            }
        }

    def response(self) -> Response:
        headers = {} if self.retry_seconds is None else {"Retry-After": str(self.retry_seconds)}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(self.body, status_code=self.status, headers=headers)


# The first type that fits decides; status, code and seconds after which to try again.
_ENGINE_ERRORS: tuple[tuple[type[EngineError], int, str, int | None], ...] = (
    (ContextExceeded, 400, "context_length_exceeded", None),
    (RequestInvalid, 400, "invalid_request", None),
    (EngineOverloaded, 429, "engine_overloaded", 2),
    (EngineStarting, 503, "engine_starting", 2),
    (EngineTimeout, 504, "engine_timeout", None),
    (EngineDown, 503, "engine_down", None),
)


def engine_error(error: EngineError) -> ApiError:
    """The answer for an error of the engine or its scheduler."""
    for kind, status, code, retry_seconds in _ENGINE_ERRORS:
        if isinstance(error, kind):
            return ApiError(status, str(error), code, retry_seconds=retry_seconds)
    return ApiError(500, str(error), "engine_error")


def validation_error(error: ValidationError) -> ApiError:
    """The answer for a body that is not as the schema says: its first problem, and where it is."""
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    param = ".".join(str(part) for part in problem["loc"] if not _is_branch(part)) or None
    if problem["type"] == "json_invalid":
        return ApiError(400, "The body is not valid JSON.", "invalid_json")
    where = f"{param}: " if param else ""
    message = problem["msg"].removeprefix("Value error, ")
    return ApiError(400, f"{where}{message}.", "invalid_value", param)


def _is_branch(part: int | str) -> bool:
    """Whether part of a location names an alternative of a union instead of a field."""
    return isinstance(part, str) and (
        not part.isidentifier() or part in {"str", "list"} or part[0].isupper()
    )


async def api_error_answer(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 (Starlette's signature is wider)
    return error.response()


async def engine_error_answer(_: Request, error: Exception) -> Response:
    assert isinstance(error, EngineError)  # noqa: S101
    return engine_error(error).response()


async def refused_answer(_: Request, error: Exception) -> Response:
    assert isinstance(error, ParameterRefused)  # noqa: S101
    return ApiError(400, str(error), "unsupported_parameter", error.name).response()
