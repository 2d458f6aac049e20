"""A desk with data in it takes every migration, back to the first version and forth again."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from knowledge.models import Entry, Rule, Site
from knowledge.services.demo import defaults_ensure, demo_load
from knowledge.services.entries import entry_update

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_desk_with_entries_rules_and_prompts_is_upgraded_from_the_first_version() -> None:
    defaults_ensure()
    demo_load()
    before = (Entry.objects.count(), Rule.objects.count())
    try:
        for app in ("conversations", "knowledge"):
            call_command("migrate", app, "0001", verbosity=0)
    finally:
        call_command("migrate", verbosity=0)
    assert (Entry.objects.count(), Rule.objects.count()) == before
    # The database still counts revisions.
    site = Site.objects.get()
    entry_update(entry=site.entries.first(), answer="Changed.")
    assert Site.objects.get().knowledge_revision > site.knowledge_revision
