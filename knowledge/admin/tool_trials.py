"""A tool tried by staff: what the patterns find, what would be sent, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inference.errors import PromptError
from inference.prompts.rendering import text_render
from inference.toolcalls.finding import arguments_find, required_of
from inference.toolcalls.validation import CallInvalid, arguments_check
from knowledge.admin.refusals import refusal_words
from knowledge.models import Tool
from knowledge.tools.calls import Caller
from knowledge.tools.stored import tool_spec
from knowledge.tools.templates import TemplateUnusable, headers_fill, url_fill, url_names
from knowledge.tools.values import Actor, CallOutcome, CallResult, ToolSpec

_SECONDS = 15.0
_HIDDEN = "******"


@dataclass(frozen=True, slots=True)
class ToolTrial:
    """What became of a trial; ``called`` is ``None`` where nothing was sent.

    ``request`` is what goes out, with secrets hidden; ``reply`` what the customer would read.
    """

    arguments: str
    missing: str
    problem: str
    request: str
    called: CallResult | None
    outcome: str
    result: str
    reply: str
    is_change: bool


def tool_try(
    *,
    tool: Tool,
    sentence: str,
    arguments: Mapping[str, Any],
    customer: str,
    language: str,
    shop_name: str,
) -> ToolTrial:
    """Call a tool that reads as a customer would have it called; of a change, show only the request."""
    spec = tool_spec(tool, tool.wordings.all())
    actor = Actor(customer) if customer else None
    given = {**arguments_find(sentence, spec.parameters), **arguments}
    missing = [name for name in required_of(spec.parameters) if name not in given]
    problem = ""
    if spec.needs_identity and actor is None:
        problem = _("Nobody is logged in: the customer is asked to log in.")
    elif not missing:
        try:
            given = arguments_check(given, spec.parameters)
        except CallInvalid as error:
            problem = _("The arguments do not fit: %(why)s") % {"why": error}
    called: CallResult | None = None
    if not missing and not problem and not spec.changes:
        called = _called(spec, given, actor)
    return ToolTrial(
        arguments=_pretty(given),
        missing=", ".join(missing),
        problem=problem,
        request="" if missing or problem else _request(spec, given, actor),
        called=called,
        outcome=str(OUTCOMES[called.outcome]) if called else "",
        result=_pretty(called.result) if called and called.result else "",
        reply=_reply(spec, called, given, language, shop_name) if called or spec.changes else "",
        is_change=spec.changes,
    )


OUTCOMES: dict[CallOutcome, str | Promise] = {
    CallOutcome.OK: gettext_lazy("It answered"),
    CallOutcome.MISSING: gettext_lazy("There is no such thing for this customer"),
    CallOutcome.REFUSED: gettext_lazy("It refused"),
    CallOutcome.FAILED: gettext_lazy("It could not be asked"),
    CallOutcome.UNCERTAIN: gettext_lazy("Outcome unknown"),
}


@async_to_sync
async def _called(spec: ToolSpec, arguments: Mapping[str, Any], actor: Actor | None) -> CallResult:
    return await Caller.of_settings().call(spec, arguments, actor=actor, seconds=_SECONDS)


def _request(spec: ToolSpec, arguments: Mapping[str, Any], actor: Actor | None) -> str:
    """The request as it goes out, without secrets."""
    if spec.kind == "python":
        return f"{spec.function}({_pretty(arguments)}, {actor.id if actor else None})"
    hidden = dict.fromkeys(settings.TOOL_SECRETS, _HIDDEN)
    try:
        lines = [f"{spec.method} {url_fill(spec.url, arguments, actor)}"]
        lines += [f"{name}: {value}" for name, value in headers_fill(spec.headers, actor, hidden)]
    except TemplateUnusable as error:
        return str(error)
    if spec.method in {"POST", "PUT", "PATCH"}:
        rest = {name: v for name, v in arguments.items() if name not in url_names(spec.url)}
        lines += ["", _pretty(rest)]
    return "\n".join(lines)


def _reply(
    spec: ToolSpec,
    called: CallResult | None,
    arguments: Mapping[str, Any],
    language: str,
    shop_name: str,
) -> str:
    words = spec.words_in(language)
    if called is None:
        template = words.confirm
    else:
        template = {
            CallOutcome.OK: words.reply,
            CallOutcome.MISSING: words.reply_missing,
            CallOutcome.REFUSED: words.reply_refused,
        }.get(called.outcome, "")
    variables = {
        "arguments": dict(arguments),
        "result": dict(called.result) if called else {},
        "checked": {},
        "customer": "",
        "shop_name": shop_name,
        "current_time": timezone.localtime().strftime("%Y-%m-%d %H:%M"),
        "language": language,
    }
    try:
        return text_render(template, variables).strip()
    except PromptError as error:
        if called is None:  # the result of the tool that is asked first is not there
            return template
        return refusal_words(error)


def _pretty(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, indent=2)
