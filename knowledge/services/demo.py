"""The demo shop: a site with entries in two languages, and its removal without a trace."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from knowledge.models import Entry, Language, Site
from knowledge.services.defaults import defaults_read
from knowledge.services.entries import entry_create
from knowledge.services.sites import site_create, site_update


@transaction.atomic
def demo_load(*, origins: Iterable[str]) -> Site:
    """Create the demo site, open to ``origins``, with its published entries.

    Raises:
        ValidationError: an origin is none.
    """
    site = site_create(
        is_demo=True,
        allowed_origins="\n".join(origins),
        **defaults_read("demo_site.toml")["site"],
    )
    for language in Language.values:
        for values in defaults_read(f"demo_entries.{language}.toml")["entry"]:
            entry_create(
                site=site,
                question=values["question"],
                answer=values["answer"],
                keywords=", ".join(values.get("keywords", [])),
                phrasings=values.get("phrasings", []),
                language=language,
                status=Entry.Status.PUBLISHED,
                is_demo=True,
            )
    return site


@transaction.atomic
def demo_origins_add(*, origins: Iterable[str]) -> None:
    """Let the demo shop be shown from these origins too, for example after a change of port."""
    for site in Site.objects.filter(is_demo=True):
        missing = [origin for origin in origins if origin not in site.origins]
        if missing:
            site_update(site=site, allowed_origins="\n".join([*site.origins, *missing]))


@transaction.atomic
def demo_remove() -> None:
    """Remove the demo site with its entries, visitors and conversations, and demo entries of
    other sites; prompts and rules stay."""
    Entry.objects.filter(is_demo=True).delete()
    Site.objects.filter(is_demo=True).delete()
