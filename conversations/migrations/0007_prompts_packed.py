"""Packs the prompts that were stored as JSON."""

from collections.abc import Callable, Iterator
from typing import Any

from django.db import migrations

from conversations.models.packing import packed_make, packed_read


def prompts_pack(apps: Any, schema_editor: Any) -> None:
    def change(row: Any) -> None:
        row.prompt_packed = packed_make(row.rendered_prompt)

    _each(apps, schema_editor, change, field="prompt_packed")


def prompts_unpack(apps: Any, schema_editor: Any) -> None:
    def change(row: Any) -> None:
        row.rendered_prompt = packed_read(row.prompt_packed)

    _each(apps, schema_editor, change, field="rendered_prompt")


def _each(apps: Any, schema_editor: Any, change: Callable[[Any], None], *, field: str) -> None:
    rows = apps.get_model("conversations", "Provenance").objects.using(
        schema_editor.connection.alias
    )
    for batch in _batches(rows):
        for row in batch:
            change(row)
        rows.bulk_update(batch, [field])


def _batches(rows: Any, size: int = 500) -> Iterator[list[Any]]:
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk")[:size]):
        yield batch
        last = batch[-1].pk


class Migration(migrations.Migration):
    dependencies = [("conversations", "0006_answers_given_again")]

    operations = [migrations.RunPython(prompts_pack, prompts_unpack)]
