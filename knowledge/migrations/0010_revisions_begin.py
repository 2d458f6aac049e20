"""The history of entries begins with what they say when it is introduced."""

from django.db import migrations
from django.db.models import Prefetch

ENTRIES_AT_ONCE = 500


def revisions_begin(apps, schema_editor):
    Entry = apps.get_model("knowledge", "Entry")
    Phrasing = apps.get_model("knowledge", "Phrasing")
    EntryRevision = apps.get_model("knowledge", "EntryRevision")
    entries = Entry.objects.select_related("audience").prefetch_related(
        Prefetch("phrasings", queryset=Phrasing.objects.order_by("pk"))
    )
    EntryRevision.objects.bulk_create(
        (
            EntryRevision(
                entry_id=entry.pk,
                site_id=entry.site_id,
                number=entry.revision,
                cause="found",
                question=entry.question,
                phrasings=[phrasing.text for phrasing in entry.phrasings.all()],
                answer=entry.answer,
                keywords=entry.keywords,
                language=entry.language,
                status=entry.status,
                audience_id=entry.audience_id,
                audience_name=entry.audience.name if entry.audience else "",
                valid_from=entry.valid_from,
                valid_until=entry.valid_until,
                by_id=entry.updated_by_id,
            )
            for entry in entries.order_by("pk").iterator(chunk_size=ENTRIES_AT_ONCE)
        ),
        batch_size=ENTRIES_AT_ONCE,
    )


class Migration(migrations.Migration):

    dependencies = [
        ("knowledge", "0009_revisions_and_owners"),
    ]

    operations = [
        # Back again the table itself goes away.
        migrations.RunPython(revisions_begin, migrations.RunPython.noop),
    ]
