"""The prompts and rules that ship with the product, from ``knowledge/defaults/*.toml``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from django.db import transaction

from knowledge.models import PromptTemplate, Rule
from knowledge.services.prompts import (
    CONTENT,
    prompt_draft_save,
    prompt_publish,
    prompt_template_create,
)
from knowledge.services.rules import rule_create

FOLDER = Path(__file__).resolve().parent.parent / "defaults"


@transaction.atomic
def defaults_ensure() -> None:
    """Load the default prompts and rules that are missing; what admins changed stays.

    A prompt counts as there when its role and language have a template for all sites. Rules are
    loaded once, all together: a default rule that an admin deleted does not come back.
    """
    for values in defaults_read("prompts.toml")["prompt"]:
        _prompt_ensure(values)
    if not Rule.objects.filter(is_default=True).exists():
        for values in defaults_read("rules.toml")["rule"]:
            lines = {
                name: "\n".join(values.pop(name, [])) for name in ("keywords_any", "keywords_all")
            }
            rule_create(is_default=True, **values, **lines)


def defaults_read(name: str) -> dict[str, Any]:
    """One of the shipped files, parsed."""
    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))


def _prompt_ensure(values: dict[str, Any]) -> None:
    role, language = values["role"], values["language"]
    if PromptTemplate.objects.filter(site=None, role=role, language=language).exists():
        return
    template = prompt_template_create(site=None, role=role, language=language, name=values["name"])
    content = {name: values[name] for name in CONTENT if name in values}
    for name in ("system", "user"):
        content[name] = content[name].strip()
    prompt_publish(version=prompt_draft_save(template=template, **content))
