"""An import is planned, looked at, applied, and taken back without harm to later work."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from django.db.models import Q
from django.utils import translation
from openpyxl import Workbook

from inference.errors import EngineDown
from knowledge.documents.blocks import DocumentRefused
from knowledge.models import Document, Entry, KnowledgeImport, KnowledgeImportRow, Site
from knowledge.services.entries import entry_create, entry_delete, entry_update
from knowledge.services.imports import applying, comparing
from knowledge.services.imports.applying import (
    ImportStateWrong,
    import_apply,
    import_discard,
    import_rows_leave_out,
    import_start,
    import_undo,
    import_undo_start,
)
from knowledge.services.imports.planning import (
    import_columns,
    import_columns_set,
    import_create,
    import_plan,
)
from knowledge.services.imports.similarity import import_similar_find

pytestmark = pytest.mark.django_db

Action = KnowledgeImportRow.Action
RowState = KnowledgeImportRow.State
State = KnowledgeImport.State


def planned(site: Site, text: str | bytes, file_name: str = "a.csv") -> KnowledgeImport:
    data = text.encode() if isinstance(text, str) else text
    return import_plan(batch=import_create(site=site, file_name=file_name, data=data))


def applied(site: Site, text: str | bytes, file_name: str = "a.csv") -> KnowledgeImport:
    return import_apply(batch=import_start(batch=planned(site, text, file_name)))


def actions(batch: KnowledgeImport) -> list[str]:
    return list(batch.rows.values_list("action", flat=True))


def published(site: Site, question: str, answer: str = "Yes.") -> Entry:
    return entry_create(
        site=site, question=question, answer=answer, language="en", status="published"
    )


def test_a_plan_tells_new_changed_same_and_wrong_rows_apart_and_changes_nothing(site: Site) -> None:
    published(site, "Same?")
    published(site, "Changed?")
    batch = planned(
        site, "question,answer\nSame?,Yes.\nChanged?,No.\nNew?,Yes.\n,Yes.\nNew?,Again.\n"
    )
    assert batch.state == State.PLANNED
    assert actions(batch) == [Action.SAME, Action.UPDATE, Action.CREATE, Action.ERROR, Action.ERROR]
    assert "line 4" in batch.rows.get(number=4).message
    assert batch.rows.get(number=1).before["answer"] == "Yes."
    assert batch.data is None
    assert Entry.objects.count() == 2


def test_a_file_of_excel_is_read_with_its_numbers_and_chinese_headings(site: Site) -> None:
    book = Workbook()
    for line in [
        ("标准问", "答案", "相似问", "状态"),
        ("运费多少？", 8, "邮费\n快递费", "草稿"),
        (None, None),
    ]:
        book.active.append(line)
    file = io.BytesIO()
    book.save(file)
    applied(site, file.getvalue(), "a.xlsx")
    entry = Entry.objects.get()
    assert (entry.question, entry.answer, entry.status) == ("运费多少？", "8", "draft")
    assert entry.phrasings.count() == 2


def test_a_file_separated_by_semicolons_is_read(site: Site) -> None:
    assert actions(planned(site, "question;answer\nA?;1, or 2\n")) == [Action.CREATE]


def test_columns_that_nobody_can_guess_are_asked_for(site: Site) -> None:
    batch = planned(site, "Thema,Text\nA?,1\n")
    assert batch.state == State.COLUMNS
    assert import_columns(batch=batch) == ("Thema", "Text")
    import_columns_set(batch=batch, columns={"question": "Thema", "answer": "Text", "status": ""})
    assert actions(import_plan(batch=batch)) == [Action.CREATE]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b""),
        ("a.pdf", b"no pdf"),
        ("a.xlsx", b"PK"),
        ("a.md", b" "),
        ("a.txt", b"\xff\xff"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_reason(
    site: Site, name: str, data: bytes
) -> None:
    batch = planned(site, data, name)
    assert batch.state == State.FAILED
    assert batch.problem.endswith(".")


def test_a_kind_of_file_that_nobody_reads_is_not_even_taken(site: Site) -> None:
    with pytest.raises(DocumentRefused, match="cannot be read"):
        import_create(site=site, file_name="../../a.exe", data=b"x")


def test_too_many_rows_leave_nothing_behind(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "ROWS_MOST", 2)
    batch = planned(site, "question,answer\nA?,1\nB?,1\nC?,1\n")
    assert batch.state == State.FAILED
    assert not batch.rows.exists()


def test_what_is_applied_is_in_the_knowledge_and_what_was_left_out_is_not(site: Site) -> None:
    batch = planned(site, "question,answer\nA?,1\nB?,2\n")
    import_rows_leave_out(batch=batch, rows=Q(number=1), leave_out=True)
    batch = import_apply(batch=import_start(batch=batch))
    assert batch.state == State.APPLIED
    assert [entry.question for entry in Entry.objects.all()] == ["A?"]


def test_undoing_deletes_what_was_new_and_restores_what_was_changed(site: Site) -> None:
    entry = published(site, "Changed?")
    batch = applied(site, "question,answer\nChanged?,No.\nNew?,Yes.\n")
    assert Entry.objects.get(pk=entry.pk).answer == "No."
    batch = import_undo(batch=import_undo_start(batch=batch))
    assert batch.state == State.UNDONE
    assert [(e.question, e.answer) for e in Entry.objects.all()] == [("Changed?", "Yes.")]


def test_undoing_keeps_what_somebody_changed_or_deleted_since(site: Site) -> None:
    batch = applied(site, "question,answer\nA?,1\nB?,2\nC?,3\n")
    entry_update(entry=Entry.objects.get(question="A?"), answer="Better.")
    entry_delete(entry=Entry.objects.get(question="B?"))
    batch = import_undo(batch=import_undo_start(batch=batch))
    assert [(e.question, e.answer) for e in Entry.objects.all()] == [("A?", "Better.")]
    assert list(batch.rows.values_list("state", flat=True)) == [
        RowState.KEPT,
        RowState.KEPT,
        RowState.UNDONE,
    ]


def test_an_import_that_was_broken_off_goes_on_where_it_was(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "_ROWS_AT_ONCE", 2)
    batch = import_start(
        batch=planned(site, "question,answer\n" + "".join(f"Q{n}?,{n}\n" for n in range(5)))
    )
    real, count = applying.entry_create, 0

    def dying(**values: Any) -> Entry:
        nonlocal count
        count += 1
        if count == 4:
            raise RuntimeError("killed")
        return real(**values)

    monkeypatch.setattr(applying, "entry_create", dying)
    with pytest.raises(RuntimeError):
        import_apply(batch=batch)
    assert Entry.objects.count() == 2  # the broken step left nothing
    monkeypatch.setattr(applying, "entry_create", real)
    assert import_apply(batch=batch).state == State.APPLIED
    assert sorted(e.question for e in Entry.objects.all()) == [f"Q{n}?" for n in range(5)]


def test_an_import_is_started_undone_and_thrown_away_only_in_its_time(site: Site) -> None:
    batch = planned(site, "question,answer\nA?,1\n")
    with pytest.raises(ImportStateWrong):
        import_undo_start(batch=batch)
    import_start(batch=batch)
    with pytest.raises(ImportStateWrong):
        import_start(batch=batch)
    with pytest.raises(ImportStateWrong):
        import_discard(batch=batch)
    import_apply(batch=batch)
    assert Entry.objects.count() == 1
    assert import_apply(batch=batch).state == State.APPLIED  # again: nothing more happens
    assert Entry.objects.count() == 1


def test_a_plan_that_was_thrown_away_leaves_nothing(site: Site) -> None:
    import_discard(batch=planned(site, "question,answer\nA?,1\n"))
    assert not KnowledgeImport.objects.exists()
    assert not Entry.objects.exists()
    import_discard(batch=planned(site, "# Returns\n\nWithin 7 days.\n", "help.md"))
    assert not Document.objects.exists()
    applied(site, "# Returns\n\nWithin 7 days.\n", "help.md")
    import_discard(batch=planned(site, "# Returns\n\nWithin 14 days.\n", "help.md"))
    assert Document.objects.get().entries.count() == 1


def test_a_document_becomes_entries_and_importing_it_again_replaces_them(site: Site) -> None:
    batch = applied(site, "# Returns\n\nWithin 7 days.\n\n# Delivery\n\n3 days.\n", "help.md")
    document = Document.objects.get()
    assert document.title == "Returns"
    assert [(e.question, e.answer) for e in document.entries.order_by("pk")] == [
        ("Returns", "Within 7 days."),
        ("Delivery", "3 days."),
    ]
    assert actions(batch) == [Action.CREATE, Action.CREATE]
    second = planned(site, "# Returns\n\nWithin 14 days.\n\n# Payment\n\nBy card.\n", "help.md")
    assert actions(second) == [Action.UPDATE, Action.CREATE, Action.REMOVE]
    second = import_apply(batch=import_start(batch=second))
    by_question = {e.question: (e.answer, e.status) for e in document.entries.all()}
    assert by_question == {
        "Returns": ("Within 14 days.", "published"),
        "Payment": ("By card.", "published"),
        "Delivery": ("3 days.", "draft"),
    }
    import_undo(batch=import_undo_start(batch=second))
    assert {e.question: (e.answer, e.status) for e in document.entries.all()} == {
        "Returns": ("Within 7 days.", "published"),
        "Delivery": ("3 days.", "published"),
    }


def test_a_document_does_not_touch_entries_that_are_not_its_own(site: Site) -> None:
    own = published(site, "Returns", "Ask us.")
    applied(site, "# Returns\n\nWithin 7 days.\n", "help.md")
    assert Entry.objects.get(pk=own.pk).answer == "Ask us."


class Encoder:
    """Gives questions that begin alike the same vector."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away

    async def embed(self, texts: Sequence[str], *, kind: str, timeout: float) -> Any:  # noqa: ASYNC109
        if self.away:
            raise EngineDown("away")
        rows = [[ord(text[0]), ord(text[1])] for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32)

    async def aclose(self) -> None: ...


@pytest.mark.django_db(transaction=True)
async def test_new_rows_that_ask_what_an_entry_asks_are_pointed_out(transactional_db: None) -> None:
    from asgiref.sync import sync_to_async

    from knowledge.services.sites import site_create

    site = await sync_to_async(site_create)(name="Shop", key="shop", language="en")
    entry = await sync_to_async(published)(site, "a!b")
    batch = await sync_to_async(planned)(site, "question,answer\na!c?,1\n!zebra?,1\n")
    found = await import_similar_find(batch=batch, encoder=Encoder(), model="m")
    rows = [row async for row in batch.rows.order_by("number")]
    assert found == 1
    assert [row.similar_id for row in rows] == [entry.pk, None]
    assert rows[0].similarity == 1.0
    assert await import_similar_find(batch=batch, encoder=Encoder(away=True), model="n") is None


@pytest.mark.parametrize(
    ("file_name", "text", "why"),
    [
        ("a.csv", "question,answer\n", "no rows follow"),
        ("a.csv", "question,answer\n,\n\n", "no rows follow"),
        ("a.jsonl", "\n\n", "Nothing was found"),
    ],
)
def test_a_file_without_rows_is_refused_with_the_reason(
    site: Site, file_name: str, text: str, why: str
) -> None:
    batch = planned(site, text, file_name)
    assert batch.state == State.FAILED
    assert why in batch.problem
    assert not batch.rows.exists()


def test_what_a_file_has_no_column_for_stays_and_an_empty_cell_empties(site: Site) -> None:
    entry = entry_create(
        site=site,
        question="How long?",
        answer="3 days.",
        keywords="delivery",
        phrasings=["When?"],
        language="en",
        status="published",
    )
    applied(site, "question,answer\nHow long?,4 days.\n")
    entry.refresh_from_db()
    assert (entry.answer, entry.keywords) == ("4 days.", "delivery")
    assert [phrasing.text for phrasing in entry.phrasings.all()] == ["When?"]

    batch = applied(site, "question,answer,keywords,phrasings\nHow long?,4 days.,,\n")
    entry.refresh_from_db()
    assert entry.keywords == ""
    assert not entry.phrasings.exists()

    import_undo(batch=import_undo_start(batch=batch))
    entry.refresh_from_db()
    assert entry.keywords == "delivery"
    assert [phrasing.text for phrasing in entry.phrasings.all()] == ["When?"]


def test_a_document_read_again_keeps_the_phrasings_that_staff_gave_its_parts(site: Site) -> None:
    applied(site, "# Care\n\n## Oak\n\nWax it.\n", "care.md")
    part = Entry.objects.get()
    entry_update(entry=part, phrasings=["How do I care for oak?"], keywords="wood")
    applied(site, "# Care\n\n## Oak\n\nWax it twice a year.\n", "care.md")
    part.refresh_from_db()
    assert (part.answer, part.keywords) == ("Wax it twice a year.", "wood")
    assert part.phrasings.get().text == "How do I care for oak?"


def test_a_text_that_is_too_long_is_told_by_its_field_and_length(site: Site) -> None:
    batch = planned(site, f"question,answer\n{'x' * 501},Yes.\n")
    [row] = batch.rows.all()
    assert row.message_words == "“question” has 501 characters; at most 500 are possible."
    with translation.override("zh-hans"):
        assert row.message_words == "“问题”有 501 个字符，最多 500 个。"


def test_a_quotation_mark_that_is_not_closed_is_told_with_what_it_costs(site: Site) -> None:
    batch = planned(site, 'question,answer\nA?,1\nB?,"open\nC?,2\n')
    assert actions(batch) == [Action.CREATE, Action.ERROR]
    assert "what follows was not read" in batch.rows.get(action=Action.ERROR).message


def test_a_row_that_fails_while_it_is_imported_is_shown_by_its_headings(site: Site) -> None:
    entry = published(site, "A?")
    batch = planned(site, "Frage,Antwort,Sprache\nA?,No.,en\n")
    batch = import_plan(
        batch=import_columns_set(
            batch=batch, columns={"question": "Frage", "answer": "Antwort", "language": "Sprache"}
        )
    )
    entry_delete(entry=entry)
    import_apply(batch=import_start(batch=batch))
    row = batch.rows.get()
    assert row.action == Action.ERROR
    assert row.values == {"Frage": "A?", "Antwort": "No.", "Sprache": "en"}


def test_what_no_database_stores_is_left_out_of_a_row_with_an_error(site: Site) -> None:
    rows = b'{"question": "", "answer": "a\\u0000b\\ud800c", "phrasings": ["x\\u0000", 3]}\n'
    batch = planned(site, rows, "a.jsonl")
    row = batch.rows.get()
    assert row.action == Action.ERROR
    assert row.values == {"question": "", "answer": "ab?c", "phrasings": ["x", "3"]}
