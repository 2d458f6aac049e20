"""Tools as they are stored, as plain values."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from knowledge.demo_shop import demo_shop_host
from knowledge.models import Tool, ToolWording
from knowledge.tools.templates import headers_parse
from knowledge.tools.values import ToolSpec, ToolWords

WORDS = ("status", "reply", "reply_missing", "reply_refused", "confirm", "login")


def tools_read(site_id: int) -> tuple[ToolSpec, ...]:
    """The enabled tools of a site and of every site, by key; a site's own wins."""
    rows = (
        Tool.objects.filter(Q(site=None) | Q(site=site_id), is_enabled=True)
        .select_related("check_tool")
        .prefetch_related("wordings")
    )
    general_first = sorted(rows, key=lambda tool: (tool.site_id is not None, tool.pk))
    specs = {tool.key: tool_spec(tool, tool.wordings.all()) for tool in general_first}
    return tuple(specs[key] for key in sorted(specs))


def tool_spec(tool: Tool, wordings: Iterable[ToolWording] = ()) -> ToolSpec:
    """A tool as a value.

    The demo's tools may call the demo shop, which listens on a private address; no other tool may
    because of them.

    Raises:
        TemplateUnusable: its headers cannot be read.
    """
    return ToolSpec(
        id=tool.pk or 0,
        key=tool.key,
        title=tool.title,
        description=tool.description,
        kind="python" if tool.kind == Tool.Kind.PYTHON else "http",
        changes=tool.changes,
        needs_identity=tool.needs_identity,
        parameters=tool.parameters,
        method=tool.method,
        url=tool.url,
        headers=tuple(headers_parse(tool.headers)),
        allowed_hosts=tuple(tool.allowed_hosts.split()),
        private_hosts=(demo_shop_host(),) if tool.is_demo else (),
        function=tool.function,
        timeout_seconds=tool.timeout_seconds,
        response_bytes=tool.response_bytes,
        mapping=tool.mapping,
        is_repeatable=tool.is_repeatable,
        confirm_seconds=tool.confirm_seconds,
        check=tool.check_tool.key if tool.check_tool is not None else "",
        check_flag=tool.check_flag,
        model_may_call=tool.model_may_call,
        model_words=tool.model_words,
        words={
            wording.language: ToolWords(**{name: getattr(wording, name) for name in WORDS})
            for wording in wordings
        },
    )
