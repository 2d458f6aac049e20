"""Accounts of the people at the desk: who has one, with which role, and whose password is due."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import Group, User
from django.db import transaction

from supportdesk.models import PasswordChangeDue
from supportdesk.staff.roles import StaffRole

# No characters that are mistaken for one another when a password is copied by hand.
PASSWORD_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789"  # noqa: S105 - the characters, no password
PASSWORD_LENGTH: Final = 14


@dataclass(frozen=True, slots=True)
class IssuedPassword:
    """A password that is told once and stored only as a hash."""

    username: str
    role: StaffRole
    password: str


def password_generate() -> str:
    """A random password of about 80 bits."""
    return "".join(secrets.choice(PASSWORD_ALPHABET) for _ in range(PASSWORD_LENGTH))


@transaction.atomic
def account_role_set(*, user: User, role: StaffRole) -> None:
    """Give a person one role and take every other; people with a role may enter the admin."""
    other = user.groups.filter(name__in=[known.value for known in StaffRole])
    user.groups.remove(*other)
    user.groups.add(Group.objects.get(name=role.value))
    if not user.is_staff:
        user.is_staff = True
        user.save(update_fields=["is_staff"])


def password_change_require(*, user: User) -> None:
    """From now on the person sees nothing but the page to choose a new password."""
    PasswordChangeDue.objects.get_or_create(user=user)


def password_change_settle(*, user: User) -> None:
    """The person chose a password."""
    PasswordChangeDue.objects.filter(user=user).delete()


def password_change_is_due(*, user_id: int) -> bool:
    """Whether a person must choose a new password first."""
    return PasswordChangeDue.objects.filter(user_id=user_id).exists()


@transaction.atomic
def demo_accounts_ensure(*, reset: bool = False) -> list[IssuedPassword]:
    """Make one account for each role, named like the role, while the desk has no staff at all.

    ``reset`` makes missing ones again and gives all three new passwords. Each must be changed at
    the first login. Returns the passwords that were issued; they cannot be read again.
    """
    if not reset and User.objects.filter(is_staff=True).exists():
        return []
    issued = []
    for role in StaffRole:
        password = password_generate()
        user, _created = User.objects.get_or_create(username=role.value)
        user.set_password(password)
        user.is_active = True
        user.save()
        account_role_set(user=user, role=role)
        password_change_require(user=user)
        issued.append(IssuedPassword(username=user.username, role=role, password=password))
    return issued
