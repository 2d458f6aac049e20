"""People at the desk who may do just what a test says, and their browsers."""

from __future__ import annotations

from django.contrib.auth.models import Permission, User
from django.test import Client


def person_with(*codenames: str, username: str = "lee") -> User:
    """Somebody of no role with these permissions of the knowledge app."""
    person = User.objects.create_user(username, is_staff=True)
    permissions = Permission.objects.filter(
        content_type__app_label="knowledge", codename__in=codenames
    )
    assert permissions.count() == len(codenames), "a permission is misspelled"
    person.user_permissions.set(permissions)
    return person


def browser_of(person: User) -> Client:
    """An English browser in which this person is logged in."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(person)
    return client
