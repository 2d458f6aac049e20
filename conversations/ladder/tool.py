"""Looks up what only the shop's own systems know, and offers changes to confirm.

Which tool is wanted, and with what, is decided from the customer's own words: a rule names the
tool, patterns find its arguments, a value that is missing is asked for and the next message
continues. Only where all that finds nothing may the model name a tool, and only with arguments that
stand in the customer's words. For whom a tool is called says the session, nobody else.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from conversations.enums import Reason, Tier
from conversations.ladder import wording
from conversations.ladder.ports import Step, Tools
from conversations.ladder.tool_choice import ModelChoice
from conversations.ladder.values import ActionProposal, Answer, Walk
from inference.errors import PromptError
from inference.prompts.rendering import text_render
from inference.support.check import SupportPassage
from inference.toolcalls.finding import (
    arguments_find,
    arguments_recall,
    parameters_of,
    required_of,
    value_alone,
    value_find,
    words_of_language,
)
from inference.toolcalls.validation import CallInvalid, arguments_check
from knowledge.tools.values import CallOutcome, CallResult, ToolSpec

logger = logging.getLogger(__name__)

ASKED_MOST: Final = 2
"""How often a value is asked for in a row before the customer's words are taken for something else."""
_MARGIN_SECONDS: Final = 0.5
_MARK = re.compile(r"\s*\[\d{1,2}\]")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A tool that the customer's words ask for. ``by`` is ``rule``, ``follow_up`` or ``model``."""

    spec: ToolSpec
    arguments: Mapping[str, Any]
    by: str
    asked: int = 0


class ToolStep:
    """Calls the tool that is wanted; lets the next step answer where none is.

    Args:
        tools: what there is, and what calls it.
        choice: how the model names a tool; ``None`` leaves that out.
        worder: the step that words a reply with the model, under its support check.
    """

    name = "tool"

    def __init__(
        self, tools: Tools, *, choice: ModelChoice | None = None, worder: Step | None = None
    ) -> None:
        self._tools = tools
        self._choice = choice
        self._worder = worder

    async def answer(self, walk: Walk) -> Answer | None:
        specs = await self._tools.tools(site_id=walk.question.site_id)
        if not specs:
            return None
        wanted = _by_words(walk, specs)
        if wanted is None and self._choice is not None:
            chosen = await self._choice.choose(walk, specs)
            wanted = Wanted(chosen.spec, chosen.arguments, "model") if chosen else None
        if wanted is None or (wanted.by != "model" and wanted.asked > ASKED_MOST):
            return None
        spec = wanted.spec
        walk.details["tool"] = {"key": spec.key, "by": wanted.by}
        if wanted.by == "rule" and walk.tool_rule is not None:
            walk.rule_id = walk.tool_rule.id
            walk.details["rule"] = {"name": walk.tool_rule.name, "matched": []}
        if spec.needs_identity and walk.question.actor is None:
            words = spec.words_in(walk.language).login or wording.login_wanted(walk.language)
            return _tool_answer(walk, words)
        try:
            arguments = _arguments_ready(spec, _with_recalled(walk, wanted))
        except _ValueMissing as missing:
            return _ask(walk, wanted, missing)
        if spec.changes:
            return await self._offer(walk, spec, arguments, specs)
        return await self._look_up(walk, spec, arguments)

    async def _look_up(
        self, walk: Walk, spec: ToolSpec, arguments: Mapping[str, Any]
    ) -> Answer | None:
        called = await self._called(walk, spec, arguments)
        text = reply_words(spec, called, _variables(walk, arguments, called.result))
        if called.outcome is CallOutcome.FAILED:
            walk.reason = Reason.TOOL_FAILED
            return _tool_answer(walk, text, reason=Reason.TOOL_FAILED)
        if called.outcome is CallOutcome.OK and spec.model_words and self._worder is not None:
            return await self._worded(walk, spec, text)
        return _tool_answer(walk, text)

    async def _offer(
        self,
        walk: Walk,
        spec: ToolSpec,
        arguments: Mapping[str, Any],
        specs: Sequence[ToolSpec],
    ) -> Answer:
        """Ask the customer to confirm a change; nothing is changed here."""
        actor = walk.question.actor
        if actor is None:
            raise ValueError("A change is offered to customers who are known.")
        checked: Mapping[str, Any] = {}
        first = next((each for each in specs if each.key == spec.check), None)
        if spec.check and first is None:
            walk.reason = Reason.TOOL_FAILED
            return _tool_answer(walk, wording.tool_failed(walk.language), reason=walk.reason)
        if first is not None:
            shared = parameters_of(first.parameters).keys() & arguments.keys()
            known = {name: arguments[name] for name in shared}
            looked = await self._called(walk, first, known)
            checked = looked.result
            if looked.outcome is not CallOutcome.OK:
                reason = Reason.TOOL_FAILED if looked.outcome is CallOutcome.FAILED else None
                words = reply_words(spec, looked, _variables(walk, arguments, looked.result))
                return _tool_answer(walk, words, reason=reason)
            if spec.check_flag and checked.get(spec.check_flag) is not True:
                refused = CallResult(CallOutcome.REFUSED, checked)
                words = reply_words(spec, refused, _variables(walk, arguments, checked))
                return _tool_answer(walk, words)
        variables = {**_variables(walk, arguments, {}), "checked": checked}
        return Answer(
            _rendered(spec.words_in(walk.language).confirm, variables, spec),
            Tier.TOOL,
            walk.language,
            action=ActionProposal(
                tool_id=spec.id,
                tool_key=spec.key,
                revision=spec.revision,
                actor_id=actor.id,
                arguments=dict(arguments),
                rows=_rows(spec, arguments, walk.language),
                seconds=spec.confirm_seconds,
            ),
        )

    async def _called(self, walk: Walk, spec: ToolSpec, arguments: Mapping[str, Any]) -> CallResult:
        walk.live.status("tool", label=spec.words_in(walk.language).status)
        called = await self._tools.call(
            spec,
            arguments,
            actor=walk.question.actor,
            seconds=max(0.0, walk.deadline.left - _MARGIN_SECONDS),
        )
        calls = walk.details.setdefault("tool_calls", [])
        if isinstance(calls, list):
            calls.append(call_record(spec.key, arguments, called))
        if called.problem:
            logger.warning("Tool %s: %s", spec.key, called.problem)
        return called

    async def _worded(self, walk: Walk, spec: ToolSpec, text: str) -> Answer:
        """The reply in the model's words if they pass the support check, else as it stands."""
        walk.relevant = (SupportPassage("T1", spec.title, text),)
        worded = await self._worder.answer(walk) if self._worder is not None else None
        walk.relevant, walk.reason = (), None
        if worded is None:
            return _tool_answer(walk, text)
        return _tool_answer(walk, _MARK.sub("", worded.text))


def reply_words(spec: ToolSpec, called: CallResult, variables: Mapping[str, object]) -> str:
    """What the customer reads of a call: the tool's own words, or the product's where it has none."""
    language = str(variables["language"])
    words = spec.words_in(language)
    match called.outcome:
        case CallOutcome.OK:
            text = _rendered(words.reply, variables, spec)
            return text or (wording.change_done if spec.changes else wording.tool_failed)(language)
        case CallOutcome.MISSING:
            text = _rendered(words.reply_missing, variables, spec)
            return text or wording.tool_missing(language)
        case CallOutcome.REFUSED:
            text = _rendered(words.reply_refused, variables, spec)
            return text or wording.tool_refused(language)
        case CallOutcome.FAILED | CallOutcome.UNCERTAIN:
            return wording.tool_failed(language)


def call_record(key: str, arguments: Mapping[str, Any], called: CallResult) -> dict[str, object]:
    """A call as it stands in the provenance."""
    return {
        "tool": key,
        "arguments": dict(arguments),
        "outcome": called.outcome.value,
        "status": called.status,
        "problem": called.problem,
        "result": dict(called.result),
        "milliseconds": called.milliseconds,
    }


class _ValueMissing(Exception):
    """A required value is not there, or does not fit the schema."""

    def __init__(self, name: str, known: Mapping[str, Any]) -> None:
        super().__init__(name)
        self.name = name
        self.known = known


def _by_words(walk: Walk, specs: Sequence[ToolSpec]) -> Wanted | None:
    """The tool that the customer's words ask for: what was asked for before, or a rule's."""
    by_key = {spec.key: spec for spec in specs}
    text = walk.question.text
    form = walk.question.form
    asking = by_key.get(str(form.get("tool", "")))
    before = form.get("arguments")
    known: dict[str, Any] = dict(before) if isinstance(before, Mapping) else {}
    asked = str(form.get("asked", ""))
    times = int(str(form.get("times", 0)))
    ruled = by_key.get(walk.tool_rule.tool) if walk.tool_rule is not None else None
    if asking is not None:
        parameter = parameters_of(asking.parameters).get(asked, {})
        given = value_alone(text, parameter)
        if not given and (ruled is None or ruled is asking):
            given = value_find(text, parameter.get("x-find", ()))
        found = arguments_find(text, asking.parameters)
        if given:
            return Wanted(asking, {**known, **found, asked: given}, "follow_up", times)
        if found.keys() - known.keys() and (ruled is None or ruled is asking):
            # Not what was asked for, yet a part of what is wanted: it is kept, and asked again.
            return Wanted(asking, {**known, **found}, "follow_up", times)
    if ruled is None:
        return None
    found = arguments_find(text, ruled.parameters)
    if ruled is asking:
        return Wanted(ruled, {**known, **found}, "rule", times)
    return Wanted(ruled, found, "rule")


def _with_recalled(walk: Walk, wanted: Wanted) -> dict[str, Any]:
    """The arguments, with those that the customer named earlier in the conversation."""
    question = walk.question
    before = [said for said, _ in question.history]
    recalled = arguments_recall(question.text, before, wanted.spec.parameters)
    return {**recalled, **wanted.arguments}


def _arguments_ready(spec: ToolSpec, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, checked against the schema.

    Raises:
        _ValueMissing: the first required value that is not there or does not fit.
    """
    properties = parameters_of(spec.parameters)
    given = {name: arguments[name] for name in properties if name in arguments}
    for name in properties:  # each by itself, so that the one that is wrong is asked for
        if name in given and not _fits({name: given[name]}, properties[name]):
            del given[name]
    for name in required_of(spec.parameters):
        if name not in given:
            raise _ValueMissing(name, given)
    try:
        return arguments_check(given, spec.parameters)
    except CallInvalid as error:
        last = next(reversed(given), "")
        given.pop(last, None)
        raise _ValueMissing(last, given) from error


def _fits(given: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    try:
        arguments_check(given, {"type": "object", "properties": {next(iter(given)): schema}})
    except CallInvalid:
        return False
    return True


def _ask(walk: Walk, wanted: Wanted, missing: _ValueMissing) -> Answer | None:
    """Ask for a value; the next message may bring it."""
    if wanted.by == "model" or wanted.asked >= ASKED_MOST:
        return None
    parameter = parameters_of(wanted.spec.parameters).get(missing.name, {})
    walk.details["tool_form"] = {
        "tool": wanted.spec.key,
        "arguments": dict(missing.known),
        "asked": missing.name,
        "times": wanted.asked + 1,
    }
    question = words_of_language(parameter.get("x-ask"), walk.language)
    label = words_of_language(parameter.get("x-label"), walk.language) or missing.name
    return _tool_answer(walk, question or wording.value_wanted(walk.language, label))


def _rows(
    spec: ToolSpec, arguments: Mapping[str, Any], language: str
) -> tuple[tuple[str, str], ...]:
    """Every argument with its label: what the customer confirms is what is sent, and all of it."""
    properties = parameters_of(spec.parameters)
    return tuple(
        (words_of_language(properties.get(name, {}).get("x-label"), language) or name, str(value))
        for name, value in arguments.items()
    )


def _variables(
    walk: Walk, arguments: Mapping[str, Any], result: Mapping[str, Any]
) -> dict[str, object]:
    question = walk.question
    return {
        "arguments": dict(arguments),
        "result": dict(result),
        "checked": {},
        "customer": question.actor.name if question.actor is not None else "",
        "shop_name": question.shop_name,
        "current_time": question.now.strftime("%Y-%m-%d %H:%M"),
        "language": question.language,
    }


def _rendered(template: str, variables: Mapping[str, object], spec: ToolSpec) -> str:
    """A template of the tool; empty when it does not fit the result, so that other words are said."""
    try:
        return text_render(template, variables).strip()
    except PromptError:
        logger.exception("The words of tool %s cannot be rendered.", spec.key)
        return ""


def _tool_answer(walk: Walk, text: str, *, reason: Reason | None = None) -> Answer:
    return Answer(text, Tier.TOOL, walk.language, reason=reason)
