"""Owners are told once a day what they should look at again."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from knowledge.models import Site
from knowledge.services.entries import entry_create
from knowledge.services.reminders import reminders_send
from knowledge.tasks import reminders_daily, reminders_schedule

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 21)


@pytest.fixture
def cast(site: Site) -> dict[str, User]:
    people = {
        "alice": User.objects.create(username="alice", email="alice@shop.example"),
        "bob": User.objects.create(username="bob", email="bob@shop.example"),
        "carol": User.objects.create(username="carol"),
        "dora": User.objects.create(username="dora", email="d@shop.example", is_active=False),
    }
    for question, owner, day in (
        ("Old?", "alice", date(2026, 1, 1)),
        ("Today?", "alice", TODAY),
        ("Tomorrow?", "alice", date(2026, 11, 22)),
        ("Bob's?", "bob", None),
        ("Carol's?", "carol", TODAY),
        ("Dora's?", "dora", TODAY),
    ):
        entry_create(site=site, question=question, answer="x", owner=people[owner], review_by=day)
    return people


def test_each_owner_gets_one_message_about_what_is_due(
    cast: dict[str, User], mailoutbox, settings
) -> None:
    settings.EMAIL_HOST = "mail.example"
    assert reminders_send(on=TODAY) == 1
    [message] = mailoutbox
    assert message.to == ["alice@shop.example"]
    assert message.subject == "2 knowledge entries to look at again"
    assert message.body.index("Old?") < message.body.index("Today?")
    assert "Tomorrow?" not in message.body


def test_nothing_is_sent_without_a_mail_server(cast: dict[str, User], mailoutbox, settings) -> None:
    settings.EMAIL_HOST = ""
    assert reminders_send(on=TODAY) == 0
    assert mailoutbox == []


def test_the_next_morning_is_scheduled_once(db, settings) -> None:
    settings.EMAIL_HOST = ""
    reminders_schedule()
    reminders_schedule()
    waiting = DBTaskResult.objects.get()
    assert timezone.localtime(waiting.run_after).hour == 8
    assert timezone.now() < waiting.run_after <= timezone.now() + timedelta(days=1)

    DBTaskResult.objects.update(run_after=timezone.now() - timedelta(hours=1))  # its time has come
    reminders_daily.func()

    assert DBTaskResult.objects.filter(run_after__gt=timezone.now()).count() == 1
