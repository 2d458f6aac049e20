"""Notes of revisions that the desk wrote in one language, told in each reader's from now on."""

import re

from django.db import migrations

_KNOWN = {
    "revert": (
        re.compile(r"(?:Revision|修订) (?P<number>\d+)"),
        "Revision %(number)d",
    ),
    "approval": (
        re.compile(r"(?:Approved by (?P<person>.+)|由 (?P<person_zh>.+) 批准)"),
        "Approved by %(person)s",
    ),
}


def notices_write(apps, schema_editor):
    EntryRevision = apps.get_model("knowledge", "EntryRevision")
    rows = EntryRevision.objects.using(schema_editor.connection.alias)
    rows = rows.filter(cause__in=_KNOWN, notice__isnull=True).exclude(note="")
    for row in list(rows.only("cause", "note")):  # few: those brought back or approved
        pattern, text = _KNOWN[row.cause]
        found = pattern.fullmatch(row.note)
        if found is None:  # somebody's own words
            continue
        named = found.groupdict()
        values = (
            {"number": int(named["number"])}
            if row.cause == "revert"
            else {"person": named["person"] or named["person_zh"]}
        )
        row.notice = {"text": text, "values": values}
        row.save(update_fields=["notice"])


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0015_notices")]

    # Backwards nothing is lost: the note itself stays.
    operations = [migrations.RunPython(notices_write, migrations.RunPython.noop)]
