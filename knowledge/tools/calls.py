"""Makes one call of a tool: over HTTP or in Python, always bounded, never raising for what others do."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import urlsplit

from django.conf import settings

from inference.toolcalls.validation import CallInvalid, arguments_check
from knowledge.outbound.addresses import Resolve, host_is_named
from knowledge.outbound.requests import (
    OutboundPolicy,
    OutboundResponse,
    RequestFailed,
    request_send,
)
from knowledge.tools.functions import Call, function_call
from knowledge.tools.results import ResultUnusable, result_read
from knowledge.tools.templates import (
    TemplateUnusable,
    headers_fill,
    url_fill,
    url_names,
)
from knowledge.tools.values import Actor, CallOutcome, CallResult, ToolSpec

_MISSING = frozenset({404, 410})
_REFUSED = frozenset({409, 422})
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


class ToolCaller(Protocol):
    """Calls tools; faked in tests of what stands above it."""

    async def call(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, Any],
        *,
        actor: Actor | None,
        seconds: float,
        idempotency_key: str = "",
    ) -> CallResult: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls tools within what the settings allow.

    Attributes:
        secrets: by name, for headers.
        functions: dotted paths that Python tools may have.
        hosts: hosts that HTTP tools may call at all; empty for any public one. Those named here
            may be private.
        resolve: how host names become addresses; the system's way if ``None``.
    """

    secrets: Mapping[str, str]
    functions: Sequence[str] = ()
    hosts: Sequence[str] = ()
    resolve: Resolve | None = None

    @classmethod
    def of_settings(cls) -> Caller:
        return cls(
            secrets=settings.TOOL_SECRETS,
            functions=settings.TOOL_FUNCTIONS,
            hosts=settings.TOOL_HOSTS,
        )

    async def call(
        self,
        spec: ToolSpec,
        arguments: Mapping[str, Any],
        *,
        actor: Actor | None,
        seconds: float,
        idempotency_key: str = "",
    ) -> CallResult:
        """Call a tool for a customer, within ``seconds`` and the tool's own limit.

        The arguments are checked against the tool's schema once more: whoever asks, nothing else
        goes out. Never raises for what the other side does.
        """
        began = time.monotonic()
        spec = replace(spec, timeout_seconds=min(spec.timeout_seconds, max(0.05, seconds)))
        if spec.needs_identity and actor is None:
            result = CallResult(CallOutcome.FAILED, problem="Nobody is logged in.")
        else:
            result = await self._called(spec, arguments, actor, idempotency_key)
        took = round(1000 * (time.monotonic() - began), 1)
        return replace(result, milliseconds=took)

    async def _called(
        self, spec: ToolSpec, arguments: Mapping[str, Any], actor: Actor | None, key: str
    ) -> CallResult:
        try:
            checked = arguments_check(arguments, spec.parameters)
        except CallInvalid as error:
            return CallResult(CallOutcome.FAILED, problem=f"The arguments do not fit: {error}.")
        if spec.kind == "python":
            call = Call(actor=actor, idempotency_key=key)
            return await function_call(spec, checked, call, allowed=self.functions)
        return await self._requested(spec, checked, actor, key)

    async def _requested(
        self, spec: ToolSpec, arguments: Mapping[str, Any], actor: Actor | None, key: str
    ) -> CallResult:
        try:
            url = url_fill(spec.url, arguments, actor)
            headers = headers_fill(spec.headers, actor, self.secrets)
        except TemplateUnusable as error:
            return CallResult(CallOutcome.FAILED, problem=str(error))
        own = urlsplit(spec.url)
        port = own.port or (443 if own.scheme == "https" else 80)
        private = [*self.hosts, *spec.private_hosts]
        if self.hosts and not host_is_named(own.hostname or "", port, private):
            problem = f"The host {own.hostname} is not on the list SUPPORTDESK_TOOL_HOSTS."
            return CallResult(CallOutcome.FAILED, problem=problem)
        body = None
        headers.append(("Accept", "application/json"))
        if spec.method in _BODY_METHODS:
            rest = {name: v for name, v in arguments.items() if name not in url_names(spec.url)}
            body = json.dumps(rest, ensure_ascii=False).encode()
            headers.append(("Content-Type", "application/json"))
        if key:
            headers.append(("Idempotency-Key", key))
        policy = OutboundPolicy(
            hosts=[_host_port(own.hostname or "", port), *spec.allowed_hosts],
            private_hosts=private,
            timeout_seconds=spec.timeout_seconds,
            response_bytes=spec.response_bytes,
            follows_redirects=not spec.changes and spec.method == "GET",
            resolve=self.resolve,
        )
        try:
            response = await request_send(
                method=spec.method, url=url, headers=headers, body=body, policy=policy
            )
        except RequestFailed as error:
            lost = spec.changes and error.was_sent
            outcome = CallOutcome.UNCERTAIN if lost else CallOutcome.FAILED
            return CallResult(outcome, problem=str(error))
        return _judged(spec, response)


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _judged(spec: ToolSpec, response: OutboundResponse) -> CallResult:
    status = response.status
    if status in _MISSING:
        return CallResult(CallOutcome.MISSING, status=status)
    is_good = 200 <= status < 300
    if not is_good and status not in _REFUSED:
        # An error of the server may have come after it did what it was asked for.
        lost = spec.changes and status >= 500
        outcome = CallOutcome.UNCERTAIN if lost else CallOutcome.FAILED
        return CallResult(outcome, problem=f"The answer had the status {status}.", status=status)
    outcome = CallOutcome.OK if is_good else CallOutcome.REFUSED
    if not response.body:
        return CallResult(outcome, status=status)
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind != "application/json" and not kind.endswith("+json"):
            raise ResultUnusable(f"The answer is {kind or 'of no type'} and not JSON.")
        return CallResult(outcome, result_read(response.body, spec.mapping), status=status)
    except ResultUnusable as error:
        if spec.changes and is_good:  # done, by its status; only the details cannot be read
            return CallResult(outcome, problem=str(error), status=status)
        if not is_good:
            return CallResult(outcome, problem=str(error), status=status)
        return CallResult(CallOutcome.FAILED, problem=str(error), status=status)
