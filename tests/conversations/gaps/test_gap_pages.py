"""The page of a gap: who may see it, who may fill it, and what its buttons do."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from conversations.enums import Role
from conversations.models import Conversation, Gap, GapQuestion, GapSearch, Message, Visitor
from knowledge.models import Entry
from supportdesk.staff.roles import StaffRole
from tests.supportdesk.staff.desk_factory import person_make, site_make

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _roles(settings, transactional_db):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    call_command("migrate", verbosity=0)  # the roles, which a flushed database has lost


@pytest.fixture
def gap() -> Gap:
    site = site_make()
    visitor = Visitor.objects.create(site=site)
    conversation = Conversation.objects.create(site=site, visitor=visitor)
    gap = Gap.objects.create(
        site=site, language="zh-hans", title="保修多久？", last_asked_at=timezone.now()
    )
    for seq, text in enumerate(["保修多久？", "坏了能修吗<b>"], start=1):
        message = Message.objects.create(
            conversation=conversation, seq=seq, role=Role.CUSTOMER, text=text
        )
        GapQuestion.objects.create(
            gap=gap, message=message, text=text, why="unanswered", asked_at=timezone.now()
        )
    return gap


def client_of(role: StaffRole) -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(person_make(role))
    return client


def page_of(gap: Gap) -> str:
    return reverse("admin:conversations_gap_change", args=[gap.pk])


def step(client: Client, gap: Gap, **data: object) -> int:
    address = reverse("admin:conversations_gap_step", args=[gap.pk])
    return client.post(address, data).status_code


def test_an_administrator_fills_a_gap_from_its_page(gap: Gap) -> None:
    client = client_of(StaffRole.ADMIN)
    html = client.get(page_of(gap)).content.decode()
    assert "坏了能修吗&lt;b&gt;" in html
    assert (
        step(client, gap, step="fill", question="保修？", answer="一年。", phrasings="坏了\n坏了")
        == 302
    )
    entry = Entry.objects.get(question="保修？")
    assert [phrasing.text for phrasing in entry.phrasings.all()] == ["坏了"]
    gap.refresh_from_db()
    assert (gap.entry, gap.state) == (entry, Gap.State.CHECKING)
    assert DBTaskResult.objects.filter(task_path__endswith="gap_checking").count() == 1
    assert "being asked again" in client.get(page_of(gap)).content.decode()


def test_an_empty_answer_is_told_beside_its_field(gap: Gap) -> None:
    client = client_of(StaffRole.ADMIN)
    assert step(client, gap, step="fill", question="保修？", answer="", phrasings="") == 200
    gap.refresh_from_db()
    assert gap.state == Gap.State.OPEN


def test_a_gap_is_put_aside_and_opened_again(gap: Gap) -> None:
    client = client_of(StaffRole.ADMIN)
    step(client, gap, step="dismiss")
    gap.refresh_from_db()
    assert gap.state == Gap.State.DISMISSED
    step(client, gap, step="reopen")
    gap.refresh_from_db()
    assert gap.state == Gap.State.OPEN


def test_a_question_is_taken_out_and_only_of_its_own_gap(gap: Gap) -> None:
    client = client_of(StaffRole.ADMIN)
    question = gap.questions.get(text="保修多久？")
    assert step(client, gap, step="remove", question=question.pk) == 302
    assert gap.questions.count() == 1
    assert step(client, gap, step="remove", question=question.pk) == 404
    assert step(client, gap, step="remove", question="x") == 404
    assert step(client, gap, step="nothing") == 404


def test_the_list_asks_for_a_search_once_a_minute(gap: Gap) -> None:
    from django.core.cache import cache

    cache.clear()
    client = client_of(StaffRole.MANAGER)
    for _ in range(3):
        assert client.get(reverse("admin:conversations_gap_changelist")).status_code == 200
    assert DBTaskResult.objects.filter(task_path__endswith="gaps_collecting").count() == 1


def test_the_list_loads_anew_once_the_search_is_done(gap: Gap, settings) -> None:
    settings.ENCODER_URL = "http://127.0.0.1:9/v1"
    client = client_of(StaffRole.MANAGER)
    search = reverse("admin:conversations_gap_search")
    listed = reverse("admin:conversations_gap_changelist")
    assert search in client.get(listed).content.decode()
    assert "HX-Refresh" not in client.get(search).headers
    GapSearch.objects.create(site=gap.site, searched_at=timezone.now())
    assert client.get(search).headers["HX-Refresh"] == "true"
    assert search not in client.get(listed).content.decode()


def test_a_manager_looks_and_does_not_touch(gap: Gap) -> None:
    client = client_of(StaffRole.MANAGER)
    html = client.get(page_of(gap)).content.decode()
    assert "保修多久" in html
    assert "Publish the entry" not in html
    assert step(client, gap, step="dismiss") == 403
    gap.refresh_from_db()
    assert gap.state == Gap.State.OPEN


def test_an_operator_sees_no_gaps(gap: Gap) -> None:
    client = client_of(StaffRole.OPERATOR)
    assert client.get(page_of(gap)).status_code == 403
    assert client.get(reverse("admin:conversations_gap_changelist")).status_code == 403
