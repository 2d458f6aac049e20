"""The record behind a page of the desk: who gets it, and what the others are told."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.test import RequestFactory

from knowledge.admin.records import ReadOnlyAdmin, record_get
from knowledge.models import Entry, Site
from knowledge.services.entries import entry_create
from knowledge.services.sites import site_update
from tests.knowledge.desk_people import person_with

pytestmark = pytest.mark.django_db

MISSING = 404


@pytest.fixture
def entry(site: Site) -> Entry:
    return entry_create(site=site, question="When?", answer="Soon.")


def _request(person: User) -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = person
    return request


def _told(person: User, key: int, *, change: bool = False) -> str:
    page = admin.site.get_model_admin(Entry)
    try:
        return str(record_get(page, _request(person), key, change=change))
    except (PermissionDenied, Http404) as refusal:
        return type(refusal).__name__


@pytest.mark.parametrize(
    ("permissions", "looks", "changes"),
    [
        ((), False, False),
        (("propose_entry",), False, False),
        (("view_entry",), True, False),
        (("change_entry",), True, True),
    ],
)
def test_a_record_is_for_those_who_may_and_the_others_do_not_learn_whether_it_is_there(
    entry: Entry, permissions: tuple[str, ...], looks: bool, changes: bool
) -> None:
    person = person_with(*permissions)
    for change, may in ((False, looks), (True, changes)):
        there = _told(person, entry.pk, change=change)
        missing = _told(person, MISSING, change=change)
        assert there == ("When?" if may else "PermissionDenied")
        assert missing == ("Http404" if may else "PermissionDenied")


def test_what_may_be_changed_for_its_site_may_be_looked_at(entry: Entry) -> None:
    site_update(site=entry.site, review_is_required=True)
    assert _told(person_with("propose_entry"), entry.pk, change=True) == "When?"
    assert _told(person_with("propose_entry", username="kim"), entry.pk) == "When?"


def test_a_mistyped_key_is_no_record(entry: Entry) -> None:
    page = admin.site.get_model_admin(Entry)
    with pytest.raises(Http404):
        record_get(page, _request(person_with("view_entry")), "1; DROP")


@pytest.mark.parametrize(
    "page",
    [page for page in admin.site._registry.values() if isinstance(page, ReadOnlyAdmin)],
    ids=lambda page: page.opts.label,
)
def test_not_even_a_superuser_writes_what_may_only_be_read(page: ReadOnlyAdmin) -> None:
    request = _request(User(is_superuser=True, is_staff=True, is_active=True))
    assert page.has_view_permission(request)
    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)
