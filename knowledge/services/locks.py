"""The order in which changes of entries take their locks on PostgreSQL: site first, then entry.

A trigger raises the site's revision after each change of an entry (``knowledge/revisions.py``), so
whoever had locked an entry first would wait for the site of somebody who waits for that entry.
SQLite has one writer at a time, and needs none of this.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db import connection
from django.db.models import Model, Q

from knowledge.models import Entry, Site


def knowledge_lock(*, site_id: int | None = None, entry_id: int | None = None) -> None:
    """Keep other changes of a site's knowledge out until the transaction ends.

    Reading goes on, and so do customers' conversations.

    Args:
        site_id: a site whose entries will change.
        entry_id: an entry that will change; its site is locked.
    """
    if connection.vendor != "postgresql":
        return
    chosen = Q(pk=site_id) if site_id is not None else Q()
    if entry_id is not None:
        chosen |= Q(pk__in=Entry.objects.filter(pk=entry_id).order_by().values("site"))
    sites = Site.objects.select_for_update(no_key=True).filter(chosen).order_by("pk")
    list(sites.values_list("pk", flat=True))


def rows_held(model: type[Model], ids: Collection[int | None]) -> set[int]:
    """Those of the ids that are there, and stay there until the transaction ends.

    A row that another one is about to refer to could otherwise be deleted before the commit,
    which would fail. Changes of the rows are not held up.
    """
    wanted = [pk for pk in ids if pk is not None]
    if not wanted:
        return set()
    if connection.vendor != "postgresql":
        rows = model._default_manager.filter(pk__in=wanted).order_by()
        return set(rows.values_list("pk", flat=True))
    with connection.cursor() as cursor:
        table = connection.ops.quote_name(model._meta.db_table)
        cursor.execute(
            f"SELECT id FROM {table} WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE",  # noqa: S608
            [wanted],
        )
        return {pk for (pk,) in cursor.fetchall()}
