"""The vectors of entries' texts as PostgreSQL keeps them, with the pgvector extension.

One row for each text of a published entry, with what decides who may see it, so that the nearest
texts are found within one table: an HNSW index (Malkov and Yashunin, 2018) for each language and
kind of text, because texts of one language lie closer to each other than to any of the other one.
``TextVector`` stays the store of every vector; these rows can be made anew from it.

The table is no model and has no migration: where the extension is missing nothing is made and the
search stays in memory (``table_install`` says so), and it is made by the next ``migrate`` after
the extension was installed.
"""

# The statements are put together from names that stand in this file; values are parameters.
# ruff: noqa: S608

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple

import numpy as np
from django.apps import AppConfig
from django.conf import settings
from django.db import DatabaseError, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from numpy.typing import NDArray

from knowledge.models import Language, TextVector
from knowledge.retrieval.common import common_questions
from knowledge.retrieval.entries import IndexedEntry
from knowledge.retrieval.vectors import (
    QUESTION,
    WHOLE,
    EmbeddedText,
    TextHash,
    question_embedded,
    text_hash,
)

logger = logging.getLogger(__name__)

Floats = NDArray[np.float32]

TABLE: Final = "knowledge_entryvector"
OLDEST: Final = (0, 8)
"""pgvector's version that first went on searching when a filter left too few (iterative scans)."""
KINDS: Final = (QUESTION, WHOLE)

# Rows of a language and kind up to which all are compared: about 3 ms, and nothing is overlooked.
EXACT_MOST: Final = 2000
_ROWS_AT_ONCE: Final = 1000
_ENTRIES_ASKED: Final = 5000

_CREATE: Final = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id bigint NOT NULL,
    entry_id bigint NOT NULL,
    kind varchar(16) NOT NULL,
    language varchar(16) NOT NULL,
    audience_id bigint,
    valid_from timestamptz,
    valid_until timestamptz,
    model varchar(120) NOT NULL,
    text_hash bytea NOT NULL,
    embedding halfvec NOT NULL,
    UNIQUE (entry_id, model, kind, text_hash)
)"""
# No foreign key, which would not let Django's flush empty the entries' table: deleted entries
# take their rows along by a trigger.
_FURTHER: Final = (
    f"CREATE INDEX IF NOT EXISTS {TABLE}_site ON {TABLE} (site_id, model, kind, language)",
    f"CREATE OR REPLACE FUNCTION {TABLE}_gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    f"DELETE FROM {TABLE} WHERE entry_id IN (SELECT id FROM before_rows); RETURN NULL; END $$",
    f"DROP TRIGGER IF EXISTS {TABLE}_gone ON knowledge_entry",
    f"CREATE TRIGGER {TABLE}_gone AFTER DELETE ON knowledge_entry "
    f"REFERENCING OLD TABLE AS before_rows FOR EACH STATEMENT EXECUTE FUNCTION {TABLE}_gone()",
)


class VectorRow(NamedTuple):
    """A text of an entry, and what decides who may see it."""

    entry_id: int
    kind: str
    text_hash: TextHash
    language: str
    audience_id: int | None
    valid_from: datetime | None
    valid_until: datetime | None

    @property
    def key(self) -> tuple[int, str, TextHash]:
        """What is there once."""
        return self.entry_id, self.kind, self.text_hash


@dataclass(frozen=True, slots=True)
class GroupSum:
    """The vectors of one language and kind of a site: their number and their mean."""

    language: str
    kind: str
    count: int
    mean: Floats


def rows_of(entry: IndexedEntry) -> dict[VectorRow, EmbeddedText]:
    """The rows that a published entry wants, with their texts."""
    texts = [question_embedded(text) for text in entry.questions]
    if entry.answer:
        texts.append(EmbeddedText(entry.whole, WHOLE))
    return {
        VectorRow(
            entry.entry_id,
            item.kind,
            text_hash(item.text, item.kind),
            entry.language,
            entry.audience_id,
            entry.valid_from,
            entry.valid_until,
        ): item
        for item in texts
    }


def is_available() -> bool:
    """Whether the table is there and the settings let it be used."""
    if connection.vendor != "postgresql" or settings.VECTOR_SEARCH == "memory":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [TABLE])
        return bool(cursor.fetchone()[0])


def extension_problem(using: BaseDatabaseWrapper) -> str:
    """Why pgvector cannot be used, as the end of a sentence; empty: it can."""
    with using.cursor() as cursor:
        cursor.execute(
            "SELECT installed_version, default_version FROM pg_available_extensions "
            "WHERE name = 'vector'"
        )
        row = cursor.fetchone()
    if row is None:
        return "the server has no pgvector extension"
    version = str(row[0] or "")
    if not version:
        return "the extension “vector” was not created in this database"
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        return f"pgvector {version} is older than {'.'.join(map(str, OLDEST))}"
    return ""


def table_install(sender: AppConfig | None = None, using: str = "default", **options: Any) -> None:
    """Create the extension, the table and its indexes where that is possible; for
    ``post_migrate``."""
    database = connections[using]
    if database.vendor != "postgresql" or settings.VECTOR_SEARCH == "memory":
        return
    if "knowledge_entry" not in database.introspection.table_names():
        return  # migrated back to nothing
    try:
        with transaction.atomic(using=using), database.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except DatabaseError as error:
        logger.warning("pgvector was not installed: %s", str(error).partition("\n")[0])
    if problem := extension_problem(database):
        logger.warning("Vectors are compared in memory, because %s.", problem)
        return
    with database.cursor() as cursor:
        cursor.execute(_CREATE)
        for statement in _FURTHER:
            cursor.execute(statement)
    indexes_make(using=using)


def table_remove(sender: AppConfig | None = None, using: str = "default", **options: Any) -> None:
    """Take the trigger away while migrations run; for ``pre_migrate``."""
    database = connections[using]
    if database.vendor == "postgresql" and "knowledge_entry" in (
        database.introspection.table_names()
    ):
        with database.cursor() as cursor:
            cursor.execute(f"DROP TRIGGER IF EXISTS {TABLE}_gone ON knowledge_entry")


def dimensions(model: str, using: str = "default") -> int | None:
    """The length of a model's vectors, as far as it is known."""
    common = common_questions(model)
    if common is not None:
        return common.dimensions
    stored = TextVector.objects.using(using).filter(model=model)
    vector = stored.values_list("vector", flat=True).first()
    return None if vector is None else len(vector) // 2


def indexes_make(using: str = "default") -> None:
    """Create the HNSW indexes of the settings' model, and drop those of others."""
    model = settings.EMBEDDING_MODEL
    wide = dimensions(model, using)
    with connections[using].cursor() as cursor:
        for name in indexes_dropped(using, keep=model):
            logger.info("The index %s of another model was dropped.", name)
        if wide is not None:
            for kind in KINDS:
                for language in Language.values:
                    name = _index_name(model, kind, language)
                    # Partial indexes take no parameters; quoted by the server.
                    cursor.execute(
                        "SELECT format('model = %%L AND kind = %%L AND language = %%L', "
                        "%s::text, %s::text, %s::text)",
                        [model, kind, language],
                    )
                    condition = cursor.fetchone()[0].replace("%", "%%")
                    cursor.execute(
                        f"CREATE INDEX IF NOT EXISTS {name} ON {TABLE} USING hnsw "
                        f"((embedding::halfvec({wide})) halfvec_ip_ops) WHERE {condition}"
                    )


def indexes_dropped(using: str = "default", *, keep: str = "") -> list[str]:
    """Drop the HNSW indexes, but for those of the model ``keep``; returns their names."""
    kept = {_index_name(keep, kind, language) for kind in KINDS for language in Language.values}
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE tablename = %s AND indexname LIKE %s",
            [TABLE, f"{TABLE}\\_%\\_hnsw"],
        )
        found = [name for (name,) in cursor.fetchall() if name not in kept]
        for name in found:
            cursor.execute(f"DROP INDEX IF EXISTS {name}")
    return found


def _index_name(model: str, kind: str, language: str) -> str:
    digest = hashlib.sha256(f"{model}/{kind}/{language}".encode()).hexdigest()
    return f"{TABLE}_{digest[:12]}_hnsw"


def rows_lacking(
    *,
    site_id: int,
    model: str,
    entries: Collection[IndexedEntry],
    gone: Collection[int],
    is_whole: bool,
) -> dict[VectorRow, EmbeddedText]:
    """Bring the rows of entries in step, but for new texts, which are returned.

    Args:
        entries: published entries that changed, as they are now.
        gone: ids of entries that are published no more.
        is_whole: ``entries`` are all of the site's; rows of any other entry are deleted.
    """
    wanted = {row.key: (row, text) for entry in entries for row, text in rows_of(entry).items()}
    ids = [entry.entry_id for entry in entries] + list(gone)
    is_whole = is_whole or len(ids) > _ENTRIES_ASKED
    known = {entry.entry_id for entry in entries} | set(gone)
    with transaction.atomic(), connection.cursor() as cursor:
        # Several processes see the same change and do the same.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s), %s)", [TABLE, site_id])
        cursor.execute(
            "SELECT id, entry_id, kind, text_hash, language, audience_id, valid_from, valid_until "
            f"FROM {TABLE} WHERE site_id = %s AND model = %s"
            + ("" if is_whole else " AND entry_id = ANY(%s)"),
            [site_id, model] if is_whole else [site_id, model, ids],
        )
        stale, moved = [], []
        for pk, *values in cursor.fetchall():
            row = VectorRow(*values)._replace(text_hash=bytes(values[2]))
            if not is_whole and row.entry_id not in known:
                continue
            found = wanted.pop(row.key, None)
            if found is None:
                stale.append(pk)
            elif found[0] != row:
                moved.append((pk, found[0]))
        if stale:
            cursor.execute(f"DELETE FROM {TABLE} WHERE id = ANY(%s)", [stale])
        if moved:
            cursor.executemany(
                f"UPDATE {TABLE} SET language = %s, audience_id = %s, valid_from = %s, "
                "valid_until = %s WHERE id = %s",
                [
                    (row.language, row.audience_id, row.valid_from, row.valid_until, pk)
                    for pk, row in moved
                ],
            )
    return dict(wanted.values())


def rows_insert(
    *, site_id: int, model: str, rows: Collection[VectorRow], vectors: Mapping[TextHash, Floats]
) -> None:
    """Add rows whose vectors are known; what another process has added is left as it is."""
    wide = dimensions(model)
    ready = (row for row in rows if wide is None or len(vectors[row.text_hash]) == wide)
    while some := list(islice(ready, _ROWS_AT_ONCE)):
        columns: list[list[Any]] = [list(column) for column in zip(*some, strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {TABLE} (entry_id, kind, text_hash, language, audience_id, "
                "valid_from, valid_until, embedding, site_id, model) "
                "SELECT *, %s, %s FROM unnest(%s::bigint[], %s::text[], %s::bytea[], %s::text[], "
                "%s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::halfvec[]) "
                "ON CONFLICT DO NOTHING",
                [site_id, model, *columns, [halfvec_text(vectors[row.text_hash]) for row in some]],
            )


def rows_count(*, model: str) -> int:
    """Rows of a model, of all sites."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {TABLE} WHERE model = %s", [model])
        return int(cursor.fetchone()[0])


def rows_forget(*, site_id: int, keep: str | None) -> None:
    """Delete a site's rows of every model but ``keep``."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {TABLE} WHERE site_id = %s AND model IS DISTINCT FROM %s",
            [site_id, keep],
        )


def groups_summed(site_id: int, model: str) -> list[GroupSum]:
    """How many vectors a site has of each language and kind, and their means."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT language, kind, count(*), avg(embedding::vector)::text "
            f"FROM {TABLE} WHERE site_id = %s AND model = %s GROUP BY language, kind",
            [site_id, model],
        )
        return [
            GroupSum(language, kind, count, np.fromstring(mean[1:-1], np.float32, sep=","))
            for language, kind, count, mean in cursor.fetchall()
        ]


def entries_near(
    *,
    site_id: int,
    model: str,
    groups: Collection[GroupSum],
    vector: Floats,
    limit: int,
    audiences: Collection[int],
    at: datetime,
) -> set[int]:
    """Ids of the entries of the ``limit`` nearest texts of each group, as far as they are shown.

    By inner product with ``vector``. Groups of up to ``EXACT_MOST`` are compared one by one; the
    others by their index, and one by one where the index found too few that may be shown.
    """
    seen = _Asked(site_id, model, halfvec_text(vector), len(vector), limit, list(audiences), at)
    found: set[int] = set()
    exactly = [group for group in groups if group.count <= EXACT_MOST]
    indexed = [group for group in groups if group.count > EXACT_MOST]
    for group, ids in seen.nearest(indexed, by_index=True):
        if len(ids) < limit:
            exactly.append(group)
        found.update(ids)
    for _group, ids in seen.nearest(exactly, by_index=False):
        found.update(ids)
    return found


class _Asked(NamedTuple):
    """What is asked for, and the statement that asks it of some groups at once."""

    site_id: int
    model: str
    vector: str
    wide: int
    limit: int
    audiences: list[int]
    at: datetime

    def nearest(
        self, groups: Sequence[GroupSum], *, by_index: bool
    ) -> Iterator[tuple[GroupSum, list[int]]]:
        """Each group with the entry ids of its nearest texts."""
        if not groups:
            return
        # An index is used for the bare distance only.
        distance = f"((embedding::halfvec({self.wide})) <#> %s::halfvec)"
        distance += "" if by_index else " + 0.0"
        one = (
            f"(SELECT %s AS place, entry_id FROM {TABLE} WHERE site_id = %s AND model = %s "
            "AND kind = %s AND language = %s "
            "AND (audience_id IS NULL OR audience_id = ANY(%s::bigint[])) "
            "AND (valid_from IS NULL OR valid_from <= %s) "
            "AND (valid_until IS NULL OR %s < valid_until) "
            f"ORDER BY {distance} LIMIT %s)"
        )
        values: list[Any] = []
        for place, group in enumerate(groups):
            values += [place, self.site_id, self.model, group.kind, group.language]
            values += [self.audiences, self.at, self.at, self.vector, self.limit]
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join([one] * len(groups)), values)
            rows = cursor.fetchall()
        for place, group in enumerate(groups):
            yield group, [entry_id for number, entry_id in rows if number == place]


def halfvec_text(vector: Floats) -> str:
    """A vector as PostgreSQL reads it; five digits give a number of 16 bits exactly."""
    return "[" + ",".join(f"{value:.5g}" for value in vector.tolist()) + "]"
