"""Tools written in Python: functions by dotted path, on the list that the settings allow.

A function is called in a thread of its own as ``function(arguments, call)`` and returns a mapping
of plain data. It says that there is no such thing by raising ``Missing``, and that it will not do
it by raising ``Refused(reason=...)``::

    def stock_level(arguments: Mapping[str, Any], call: Call) -> dict[str, Any]:
        product = Product.objects.filter(number=arguments["product"]).first()
        if product is None:
            raise Missing
        return {"left": product.stock}
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from django.db import close_old_connections
from django.utils.module_loading import import_string

from knowledge.tools.results import ResultUnusable, result_bound
from knowledge.tools.values import Actor, CallOutcome, CallResult, ToolSpec

logger = logging.getLogger(__name__)

_THREADS: Final = ThreadPoolExecutor(max_workers=8, thread_name_prefix="tools")


@dataclass(frozen=True, slots=True)
class Call:
    """What a function is told beside its arguments.

    ``idempotency_key`` is the same whenever the same confirmed change is asked for again; empty
    for a tool that only reads.
    """

    actor: Actor | None
    idempotency_key: str = ""


class Missing(Exception):
    """There is no such thing, or it is not this customer's."""


class Refused(Exception):
    """It will not be done; the keywords are the result that the wording sees."""

    def __init__(self, **result: Any) -> None:
        super().__init__("refused")
        self.result = result


class FunctionUnusable(ValueError):
    """No such function, or the settings do not allow it; the text is one sentence."""


def function_find(path: str, allowed: Sequence[str]) -> Callable[[Mapping[str, Any], Call], Any]:
    """The function of a dotted path.

    Raises:
        FunctionUnusable
    """
    if path not in allowed:
        raise FunctionUnusable(
            f"The function {path} is not on the list SUPPORTDESK_TOOL_FUNCTIONS."
        )
    try:
        function = import_string(path)
    except ImportError as error:
        raise FunctionUnusable(f"The function {path} cannot be loaded: {error}.") from error
    if not callable(function):
        raise FunctionUnusable(f"{path} is no function.")
    return function  # type: ignore[no-any-return]  # whatever the path names


async def function_call(
    spec: ToolSpec, arguments: Mapping[str, Any], call: Call, *, allowed: Sequence[str]
) -> CallResult:
    """Call a tool's function; whatever it raises becomes an outcome."""
    try:
        function = function_find(spec.function, allowed)
    except FunctionUnusable as error:
        return CallResult(CallOutcome.FAILED, problem=str(error))
    broken = CallOutcome.UNCERTAIN if spec.changes else CallOutcome.FAILED
    context = contextvars.copy_context()
    work = asyncio.get_running_loop().run_in_executor(
        _THREADS, context.run, _called, function, dict(arguments), call
    )
    try:
        async with asyncio.timeout(spec.timeout_seconds):
            return CallResult(CallOutcome.OK, result_bound(await asyncio.shield(work)))
    except TimeoutError:
        # A thread cannot be stopped: it ends when it ends, and nobody reads its result.
        work.add_done_callback(_leave)
        problem = f"The function took longer than {spec.timeout_seconds:g} seconds."
        return CallResult(broken, problem=problem)
    except Missing:
        return CallResult(CallOutcome.MISSING)
    except Refused as refusal:
        return _refused(refusal)
    except ResultUnusable as error:
        return CallResult(broken, problem=str(error))
    except Exception:
        logger.exception("The function of tool %s failed.", spec.key)
        return CallResult(broken, problem="The function failed; the log says how.")


def _refused(refusal: Refused) -> CallResult:
    try:
        return CallResult(CallOutcome.REFUSED, result_bound(refusal.result))
    except ResultUnusable as error:
        return CallResult(CallOutcome.REFUSED, problem=str(error))


def _called(function: Callable[..., Any], arguments: dict[str, Any], call: Call) -> Any:
    close_old_connections()
    try:
        return function(arguments, call)
    finally:
        close_old_connections()


def _leave(work: asyncio.Future[Any]) -> None:
    if not work.cancelled():
        work.exception()  # read, so that nobody reports it as forgotten
