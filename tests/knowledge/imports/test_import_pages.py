"""The pages of an import: upload, columns, preview, buttons, errors, and who may see them."""

from __future__ import annotations

import codecs
import csv
import html
import io
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from knowledge.admin.differences import difference_html
from knowledge.models import Entry, KnowledgeImport, Site
from knowledge.services.imports.planning import import_plan, import_web_create
from knowledge.uploads import TICKET_COOKIE, ticket_is_good
from supportdesk.staff.roles import StaffRole
from tests.supportdesk.staff.desk_factory import person_make, site_make

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def admin_client(client: Client, settings) -> Client:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.ENCODER_URL = ""
    call_command("migrate", verbosity=0)  # the roles, which a flushed database has lost
    client.force_login(person_make(StaffRole.ADMIN))
    return client


@pytest.fixture(autouse=True)
def _signals_kept():
    """A worker takes the process' signals; they are given back."""
    import signal

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
    handlers = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def upload(client: Client, site: Site, text: str, name: str = "a.csv") -> KnowledgeImport:
    file = SimpleUploadedFile(name, text.encode())
    answer = client.post(
        reverse("admin:knowledge_knowledgeimport_add"),
        {"file": file, "site": site.pk, "entry_status": "published"},
    )
    assert answer.status_code == 302
    batch = KnowledgeImport.objects.latest("pk")
    assert answer["Location"] == page_of(batch)
    call_command("worker", once=True)
    batch.refresh_from_db()
    return batch


def page_of(batch: KnowledgeImport) -> str:
    return reverse("admin:knowledge_knowledgeimport_change", args=[batch.pk])


def step(client: Client, batch: KnowledgeImport, **data: object) -> str:
    address = reverse("admin:knowledge_knowledgeimport_step", args=[batch.pk])
    answer = client.post(address, data, follow=True)
    assert answer.status_code == 200
    call_command("worker", once=True)
    return answer.content.decode()


def page(client: Client, batch: KnowledgeImport, query: str = "") -> str:
    answer = client.get(page_of(batch) + query, headers={"accept-language": "en"})
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_file_is_uploaded_looked_at_imported_and_undone(admin_client: Client) -> None:
    site = site_make()
    before = Entry.objects.count()
    batch = upload(
        admin_client,
        site,
        "question,answer\n如何申请退货？,改为<b>十四天</b>内。\n新问题？,新答案。\n,x\n",
    )
    html = page(admin_client, batch)
    assert "<ins>" in html
    assert "<del>" in html
    assert "<b>十四天</b>" not in html
    assert "The question is empty." in html or "问题为空" in html
    assert Entry.objects.count() == before
    step(admin_client, batch, step="start")
    assert Entry.objects.count() == before + 1
    assert "Undo this import" in page(admin_client, batch)
    step(admin_client, batch, step="undo")
    assert Entry.objects.count() == before
    assert "7 天内" in Entry.objects.get(question="如何申请退货？").answer


def test_a_row_is_left_out_with_its_button(admin_client: Client) -> None:
    batch = upload(admin_client, site_make(), "question,answer\nA?,1\nB?,2\n")
    row = batch.rows.first()
    step(admin_client, batch, step="leave_out", row=row.pk)
    step(admin_client, batch, step="start")
    assert not Entry.objects.filter(question="A?").exists()
    assert Entry.objects.filter(question="B?").exists()


def test_duplicates_are_left_out_together_and_the_page_says_how_many(admin_client: Client) -> None:
    site = site_make()
    batch = upload(admin_client, site, "question,answer\nA?,1\nB?,2\nC?,3\n")
    entry = Entry.objects.create(site=site, question="Like A and B", answer="x")
    batch.rows.exclude(values__question="C?").update(similar=entry, similarity=0.97)
    assert "Leave out possible duplicates" in page(admin_client, batch)
    step(admin_client, batch, step="leave_out")
    shown = page(admin_client, batch)
    assert "2 are left out." in shown
    assert "Import 1 entry" in shown
    assert "Leave out possible duplicates" not in shown


def test_unknown_columns_are_asked_for_on_the_page(admin_client: Client) -> None:
    batch = upload(admin_client, site_make(), "Thema,Text\nA?,1\n")
    assert "Which column is which?" in page(admin_client, batch)
    step(admin_client, batch, step="columns", question="Thema", answer="Text")
    batch.refresh_from_db()
    assert batch.state == "planned"


def test_the_errors_come_as_a_file_that_no_spreadsheet_runs(admin_client: Client) -> None:
    batch = upload(admin_client, site_make(), "question,answer\n,=cmd\n")
    address = reverse("admin:knowledge_knowledgeimport_errors", args=[batch.pk])
    text = admin_client.get(address).content.decode("utf-8-sig")
    [_, row] = list(csv.reader(io.StringIO(text)))
    assert row[0] == "2"
    assert row[-1] == "'=cmd"


def test_what_a_file_of_errors_says_is_read_back_as_it_was(admin_client: Client) -> None:
    long = "No. " * 1500
    rows = (
        "问题,答案,相似问,生效日期\n营业吗？,是。,,\n营业吗？,否。,几点|周末,\n"
        f"周末呢？,{long},,下周三\n"
    )
    batch = upload(admin_client, site_make(), rows)
    address = reverse("admin:knowledge_knowledgeimport_errors", args=[batch.pk])
    body = admin_client.get(address).content
    assert body.startswith(codecs.BOM_UTF8)  # or Excel takes it for its own encoding
    twice, undated = csv.DictReader(io.StringIO(body.decode("utf-8-sig")))
    assert {twice[name] for name in ("问题", "答案", "相似问")} == {"营业吗？", "否。", "几点|周末"}
    assert list(twice) == ["行", "错误原因", "问题", "答案", "相似问", "生效日期"]
    assert (undated["答案"], undated["生效日期"]) == (long, "下周三")

    mended = body.decode().replace("下周三", "2026-12-31").replace("营业吗", "放假吗")
    again = upload(admin_client, Site.objects.get(pk=batch.site_id), mended)
    assert [row.action for row in again.rows.all()] == ["create", "create"]
    assert again.rows.get(values__question="周末呢？").values["answer"] == long.strip()


def test_cells_that_have_no_heading_are_in_the_file_of_errors(admin_client: Client) -> None:
    batch = upload(admin_client, site_make(), "question,answer\nA?,1,2,3\n")
    address = reverse("admin:knowledge_knowledgeimport_errors", args=[batch.pk])
    text = admin_client.get(address).content.decode("utf-8-sig")
    [row] = csv.DictReader(io.StringIO(text))
    assert (row["question"], row["answer"], row["#3"], row["#4"]) == ("A?", "1", "2", "3")


def test_a_refused_address_is_tried_again_with_what_was_chosen(
    admin_client: Client, settings
) -> None:
    settings.WEB_IMPORT = True
    site = site_make()
    batch = import_web_create(
        site=site, address="http://127.0.0.1:9/a?b=c&d=1", whole_site=True, entry_status="draft"
    )
    import_plan(batch=batch)
    found = re.search(r'href="([^"]+/add/[^"]+)"', page(admin_client, batch))
    assert found is not None
    form = admin_client.get(html.unescape(found[1])).context["adminform"].form
    assert form["address"].value() == "http://127.0.0.1:9/a?b=c&d=1"
    assert (form["entry_status"].value(), str(form["site"].value())) == ("draft", str(site.pk))
    assert form["whole_site"].value()


def test_a_file_of_an_unknown_kind_gets_a_sentence(admin_client: Client) -> None:
    site = site_make()
    answer = admin_client.post(
        reverse("admin:knowledge_knowledgeimport_add"),
        {"file": SimpleUploadedFile("a.exe", b"x"), "site": site.pk, "entry_status": "draft"},
        follow=True,
        headers={"accept-language": "en"},
    )
    assert "cannot be read" in answer.content.decode()
    assert not KnowledgeImport.objects.exists()


@pytest.mark.parametrize("role", [StaffRole.MANAGER, StaffRole.OPERATOR])
def test_only_an_administrator_sees_imports(admin_client: Client, role: StaffRole) -> None:
    batch = upload(admin_client, site_make(), "question,answer\nA?,1\n")
    other = Client()
    other.force_login(person_make(role))
    for address in (
        reverse("admin:knowledge_knowledgeimport_changelist"),
        page_of(batch),
        reverse("admin:knowledge_knowledgeimport_errors", args=[batch.pk]),
        reverse("admin:knowledge_knowledgeimport_progress", args=[batch.pk]),
    ):
        assert other.get(address).status_code in (403, 302), address
    step_address = reverse("admin:knowledge_knowledgeimport_step", args=[batch.pk])
    assert other.post(step_address, {"step": "start"}).status_code == 403
    batch.refresh_from_db()
    assert batch.state == "planned"


@pytest.mark.parametrize(
    ("before", "after", "html"),
    [
        ("7 days", "14 days", "<del>7</del><ins>14</ins> days"),
        ("可以退", "不可以退", "<ins>不</ins>可以退"),
        ("a", "a", "a"),
        ("", "<b>", "<ins>&lt;b&gt;</ins>"),
    ],
)
def test_a_difference_is_marked_and_escaped(before: str, after: str, html: str) -> None:
    assert difference_html(before, after) == html


def test_the_form_gives_a_ticket_for_a_large_file_and_only_to_those_who_may_import(
    admin_client: Client,
) -> None:
    address = reverse("admin:knowledge_knowledgeimport_add")
    cookie = admin_client.get(address).cookies[TICKET_COOKIE]
    assert ticket_is_good(cookie.value)
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == (address, True, "Strict")
    other = Client()
    other.force_login(person_make(StaffRole.MANAGER))
    assert TICKET_COOKIE not in other.get(address).cookies


def test_dates_are_shown_as_people_read_them(admin_client: Client) -> None:
    batch = upload(
        admin_client, site_make(), "question,answer,valid_until\nOpen?,Yes.,2027-01-31\n"
    )
    html = admin_client.get(page_of(batch), headers={"accept-language": "en"}).content.decode()
    assert "02/01/2027 midnight" in html
    assert "+08:00" not in html


def test_a_column_with_an_endless_name_does_not_fill_the_page(admin_client: Client) -> None:
    name = "x" * 5000
    batch = upload(admin_client, site_make(), f"{name},b\nOpen?,Yes.\n")
    html = admin_client.get(page_of(batch)).content.decode()
    assert f">{'x' * 80}…<" in html
    answer = admin_client.post(
        reverse("admin:knowledge_knowledgeimport_step", args=[batch.pk]),
        {"step": "columns", "question": name, "answer": "b"},
    )
    assert answer.status_code == 302
