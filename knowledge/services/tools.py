"""Writes to tools; a tool that could not work or would be unsafe is refused with a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from inference.chat import Tool as ModelTool
from inference.errors import PromptError
from inference.prompts.rendering import names_check
from inference.toolcalls.finding import finding_check, parameters_of, schema_for_model
from inference.toolcalls.validation import tool_check as schema_check
from knowledge.models import Language, Tool, ToolWording
from knowledge.tools.functions import FunctionUnusable, function_find
from knowledge.tools.results import pointer_check
from knowledge.tools.stored import WORDS
from knowledge.tools.templates import (
    TemplateUnusable,
    headers_check,
    headers_parse,
    url_check,
    url_names,
)

FIELDS: Final = frozenset(
    [
        "site", "key", "title", "description", "kind", "changes", "needs_identity", "parameters",
        "method", "url", "headers", "allowed_hosts", "function", "timeout_seconds",
        "response_bytes", "mapping", "is_repeatable", "confirm_seconds", "check_tool",
        "check_flag", "model_may_call", "model_words", "is_enabled",
    ]
)  # fmt: skip
# Names under which a model could speak for somebody: who the customer is, the session alone says.
_ACTOR_NAMES: Final = frozenset(
    {"actor", "customer", "customer_id", "customerid", "user", "user_id", "userid", "visitor",
     "visitor_id", "account_id", "identity", "secret"}
)  # fmt: skip
_SCHEMA_MOST: Final = 16_000
VARIABLES: Final = (
    "arguments", "result", "checked", "customer", "shop_name", "current_time", "language",
)  # fmt: skip
"""What the templates of a tool may name; ``checked`` is the result of the tool asked first."""
_WORDS_RENDERED: Final = ("reply", "reply_missing", "reply_refused", "confirm")


def tool_check(*, tool: Tool) -> None:
    """Refuse a tool that could not work or would be unsafe.

    Raises:
        ValidationError: by field, with sentences.
    """
    problems: dict[str, str] = {}
    _parameters_check(tool, problems)
    if tool.kind == Tool.Kind.HTTP:
        _request_check(tool, problems)
    else:
        _function_check(tool, problems)
    _change_check(tool, problems)
    if not isinstance(tool.mapping, dict) or not all(
        isinstance(name, str) and isinstance(pointer, str) and pointer_check(pointer)
        for name, pointer in tool.mapping.items()
    ):
        problems["mapping"] = _("Give names with JSON pointers, such as /order/state.")
    if problems:
        raise ValidationError(dict(problems))


@transaction.atomic
def tool_create(
    *, words: Mapping[str, Mapping[str, str]] | None = None, is_demo: bool = False, **values: Any
) -> Tool:
    """Create a tool from the values of ``FIELDS``; ``words`` by language.

    Raises:
        ValidationError: see :func:`tool_check` and :func:`wording_check`.
    """
    tool = Tool(is_demo=is_demo, **_known(values))
    _store(tool)
    for language, texts in (words or {}).items():
        wording_save(tool=tool, language=language, **texts)
    return tool


@transaction.atomic
def tool_update(*, tool: Tool, **values: Any) -> Tool:
    """Change the given values of a tool; the same errors, and nothing is written.

    Switching off is never refused: a tool that stopped working must be stoppable.
    """
    row = Tool.objects.select_for_update(of=("self",)).get(pk=tool.pk)
    for name, value in _known(values).items():
        setattr(row, name, value)
    if row.is_enabled:
        _store(row)
    else:
        row.save()
    tool.refresh_from_db()
    return tool


@transaction.atomic
def tool_delete(*, tool: Tool) -> None:
    """Delete a tool with its words and the rules that call it.

    Raises:
        RestrictedError: another tool looks with it before it offers a change.
    """
    Tool.objects.get(pk=tool.pk).delete()


@transaction.atomic
def wording_save(*, tool: Tool, language: str, **texts: str) -> ToolWording:
    """Write what customers read of a tool in a language.

    Raises:
        ValidationError
    """
    wording = ToolWording.objects.filter(tool=tool, language=language).first()
    wording = wording or ToolWording(tool=tool, language=language)
    for name in WORDS:
        setattr(wording, name, texts.get(name, ""))
    wording.full_clean()
    wording_check(wording=wording)
    wording.save()
    return wording


def wording_check(*, wording: ToolWording) -> None:
    """Refuse words whose templates cannot be read, or a change without its question.

    Raises:
        ValidationError
    """
    problems: dict[str, str] = {}
    if wording.language not in Language.values:
        problems["language"] = _("Words are kept in Chinese and English.")
    if wording.tool.changes and not wording.confirm.strip():
        problems["confirm"] = _("A tool that changes something needs words to confirm.")
    for name in _WORDS_RENDERED:
        try:
            names_check(getattr(wording, name), VARIABLES)
        except PromptError as error:
            problems[name] = str(error)
    if problems:
        raise ValidationError(dict(problems))


def _parameters_check(tool: Tool, problems: dict[str, str]) -> None:
    schema = tool.parameters
    if not isinstance(schema, dict):
        problems["parameters"] = _("The parameters must be a JSON schema of an object.")
        return
    if len(str(schema)) > _SCHEMA_MOST:
        problems["parameters"] = _("The schema is too long.")
        return
    taken = [name for name in parameters_of(schema) if name.lower() in _ACTOR_NAMES]
    if taken:
        problems["parameters"] = _(
            "No parameter may be called %(name)s: who the customer is comes from the session."
        ) % {"name": taken[0]}
        return
    try:
        finding_check(schema)
        schema_check(ModelTool(tool.key, "", schema_for_model(schema)))
    except ValueError as error:
        problems["parameters"] = str(error)


def _request_check(tool: Tool, problems: dict[str, str]) -> None:
    names = list(parameters_of(tool.parameters)) if isinstance(tool.parameters, dict) else []
    try:
        url_check(tool.url, names)
        if not tool.needs_identity and "actor.id" in url_names(tool.url):
            raise TemplateUnusable(_("The address names the customer, who may be nobody."))
    except TemplateUnusable as error:
        problems["url"] = str(error)
    try:
        headers_check(headers_parse(tool.headers), settings.TOOL_SECRETS)
    except TemplateUnusable as error:
        problems["headers"] = str(error)


def _function_check(tool: Tool, problems: dict[str, str]) -> None:
    try:
        function_find(tool.function, settings.TOOL_FUNCTIONS)
    except FunctionUnusable as error:
        problems["function"] = str(error)


def _change_check(tool: Tool, problems: dict[str, str]) -> None:
    if tool.changes and tool.kind == Tool.Kind.HTTP and tool.method == Tool.Method.GET:
        problems["method"] = _("A change is no GET: other programs repeat those as they like.")
    if tool.changes and not tool.needs_identity:
        problems["needs_identity"] = _("Only a customer who is logged in may change something.")
    check = tool.check_tool
    if check is not None and (check.changes or check.pk == tool.pk):
        problems["check_tool"] = _("Only a tool that reads can be asked first.")
    if check is not None and check.site_id not in (None, tool.site_id):
        problems["check_tool"] = _("The tool that is asked first belongs to another site.")
    if tool.check_flag and check is None:
        problems["check_flag"] = _("Choose the tool whose result this is.")


def _store(tool: Tool) -> None:
    tool.full_clean()
    tool_check(tool=tool)
    tool.save()


def _known(values: dict[str, Any]) -> dict[str, Any]:
    unknown = values.keys() - FIELDS
    if unknown:
        raise TypeError(f"A tool has no {', '.join(sorted(unknown))}.")
    return values
