"""What the product ships with: default prompts and rules, and a demo shop.

Read from ``knowledge/defaults/``:

- ``prompts.toml``: ``[[prompt]]`` with role, language, name, system, user, max_tokens, temperature,
  top_p, repetition_penalty;
- ``labels.toml``: see there;
- ``rules.toml``: ``[[rule]]`` with name, language ("" is any), trigger, priority, keywords_any,
  keywords_all (lists), pattern, action, reply;
- ``demo_questions.toml``: see there;
- ``demo_site.toml``: ``[site]`` with the fields of a site;
- ``demo_tools.toml``: the tools of the demo shop and the rules that call them, see there;
- ``demo_entries.<language>.toml``: ``[[entry]]`` with question, answer, keywords, phrasings (lists).
"""

from __future__ import annotations

import secrets
import tomllib
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext

from knowledge.demo_shop import ORDERS_FILE, SECRET_NAME, demo_shop_host
from knowledge.models import (
    Entry,
    Expectation,
    Language,
    PromptTemplate,
    QuestionSet,
    Rule,
    Site,
    Tool,
)
from knowledge.models.prompts import CONTENT
from knowledge.services.entries import entry_create
from knowledge.services.labels import label_defaults_ensure, label_sets_refresh
from knowledge.services.prompts import prompt_draft_save, prompt_publish
from knowledge.services.rules import rule_create
from knowledge.services.sites import site_create, site_update
from knowledge.services.tools import tool_create, tool_update
from knowledge.services.trials import question_add

DEFAULTS_DIR: Final = Path(__file__).resolve().parent.parent / "defaults"


@transaction.atomic
def defaults_ensure() -> None:
    """Create the default prompts and rules that are missing, and keep the demo shop reachable.

    A template that exists for every site is left alone, whatever became of its text. Default
    rules are created once, together: one that an administrator deleted does not come back.
    """
    for values in _table("prompts.toml")["prompt"]:
        identity = {"site": None, "role": values["role"], "language": values["language"]}
        template, created = PromptTemplate.objects.get_or_create(
            **identity, defaults={"name": values["name"]}
        )
        if created:
            content = {name: values[name] for name in CONTENT if name in values}
            prompt_publish(version=prompt_draft_save(template=template, **content))
    if not Rule.objects.filter(is_default=True).exists():
        for values in _table("rules.toml")["rule"]:
            rule_create(is_default=True, **_rule_values(values))
    label_defaults_ensure()
    label_sets_refresh()
    for site in Site.objects.filter(is_demo=True):
        missing = [origin for origin in demo_origins() if origin not in site.origins]
        if missing:
            site_update(site=site, allowed_origins="\n".join([*site.origins, *missing]))
        if not site.identity_secret:  # from before the demo shop had orders
            _orders_load(site)
        _tools_keep_reachable(site)


@transaction.atomic
def demo_load() -> Site:
    """Create the demo shop with its entries; the one there is, if there is one."""
    existing = Site.objects.filter(is_demo=True).order_by("pk").first()
    if existing is not None:
        return existing
    values = _table("demo_site.toml")["site"]
    site = site_create(is_demo=True, allowed_origins="\n".join(demo_origins()), **values)
    for language in Language.values:
        for entry in _table(f"demo_entries.{language}.toml")["entry"]:
            entry_create(
                site=site,
                question=entry["question"],
                answer=entry["answer"],
                keywords=", ".join(entry.get("keywords", ())),
                phrasings=entry.get("phrasings", ()),
                language=language,
                status=Entry.Status.PUBLISHED,
                is_demo=True,
            )
    _orders_load(site)
    _questions_load(site)
    return site


@transaction.atomic
def demo_remove() -> None:
    """Delete the demo shop with its entries, tools, orders and conversations.

    Prompts and rules stay, but for the rules that call the demo's tools.
    """
    Site.objects.filter(is_demo=True).delete()
    Entry.objects.filter(is_demo=True).delete()
    transaction.on_commit(_orders_remove)


def _questions_load(site: Site) -> None:
    """A question set for the demo shop, that says what it is."""
    with translation.override(site.language):
        name = gettext("Questions for the demo shop (made up)")
    question_set = QuestionSet.objects.create(site=site, name=name, is_demo=True)
    entries = {(entry.language, entry.question): entry for entry in site.entries.all()}
    for row in _table("demo_questions.toml")["question"]:
        expected = entries.get((row["language"], row.get("entry", "")))
        question_add(
            question_set=question_set,
            text=row["text"],
            language=row["language"],
            expectation=Expectation.ANSWERED if expected else Expectation.UNANSWERED,
            entries=[expected] if expected else [],
            facts="\n".join(row.get("facts", ())),
        )


def demo_origins() -> list[str]:
    """Where the demo shop can be opened: its port under every name of this machine we know."""
    names = ["127.0.0.1", "localhost"]
    named = [settings.HOST, *settings.ALLOWED_HOSTS]
    names += [name for name in named if name not in ("0.0.0.0", "::", "*") and name[:1] != "."]  # noqa: S104
    hosts = dict.fromkeys(f"[{n.strip('[]')}]" if ":" in n else n.lower() for n in names)
    port = settings.DEMOSHOP_PORT
    return [f"http://{host}" if port == 80 else f"http://{host}:{port}" for host in hosts]


def _orders_load(site: Site) -> None:
    """Give the demo shop what its orders need: a secret that signs identities, tools and rules."""
    site_update(site=site, identity_secret=secrets.token_urlsafe(32))
    table = _table("demo_tools.toml")
    tools: dict[str, Tool] = {}
    for values in table["tool"]:
        names = values["parameters"]
        tools[values["key"]] = tool_create(
            site=site,
            is_demo=True,
            words=values["words"],
            parameters={
                "type": "object",
                "properties": {name: table["parameters"][name] for name in names},
                "required": values["required"],
                "additionalProperties": False,
            },
            url=values["url"].replace("demo_shop", demo_shop_host()),
            headers=_DEMO_HEADERS,
            check_tool=tools.get(values.get("check_tool", "")),
            **{name: values[name] for name in _DEMO_FIELDS if name in values},
        )
    for values in table["rule"]:
        rule_create(
            site=site,
            action=Rule.Action.TOOL,
            **_rule_values(values) | {"tool": tools[values["tool"]]},
        )


def _tools_keep_reachable(site: Site) -> None:
    """Point the demo's tools to where the demo shop listens now."""
    host = demo_shop_host()
    for tool in Tool.objects.filter(site=site, is_demo=True, kind=Tool.Kind.HTTP):
        parts = urlsplit(tool.url)
        if parts.netloc != host:
            tool_update(tool=tool, url=tool.url.replace(f"//{parts.netloc}/", f"//{host}/", 1))


def _orders_remove() -> None:
    path = settings.DATA_DIR / ORDERS_FILE
    for name in (path.name, f"{path.name}-journal"):
        path.with_name(name).unlink(missing_ok=True)


_DEMO_HEADERS: Final = (
    f"Authorization: Bearer {{secret.{SECRET_NAME}}}\nX-Customer-Id: {{actor.id}}"
)
_DEMO_FIELDS: Final = (
    "key", "title", "description", "method", "changes", "is_repeatable", "check_flag", "mapping",
    "model_may_call",
)  # fmt: skip


def _rule_values(values: dict[str, Any]) -> dict[str, Any]:
    names = ("keywords_any", "keywords_all", "keywords_none")
    lists = {name: "\n".join(values.get(name, ())) for name in names}
    return {**values, **lists}


def _table(name: str) -> dict[str, Any]:
    with (DEFAULTS_DIR / name).open("rb") as file:
        return tomllib.load(file)
