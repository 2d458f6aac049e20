import io

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.urls import reverse

from supportdesk.models import PasswordChangeDue
from supportdesk.staff.accounts import demo_accounts_ensure, password_change_require
from supportdesk.staff.roles import ROLE_PERMISSIONS, StaffRole, roles_ensure
from tests.supportdesk.staff.desk_factory import PASSWORD, person_make

pytestmark = pytest.mark.django_db
NEW = "a-password-of-my-own-42"


def test_demo_accounts_are_made_once_with_one_role_each():
    issued = demo_accounts_ensure()
    assert [account.username for account in issued] == ["admin", "manager", "operator"]
    for account in issued:
        user = User.objects.get(username=account.username)
        assert user.check_password(account.password)
        assert account.password not in user.password
        assert [group.name for group in user.groups.all()] == [account.role.value]
        assert not user.is_superuser
    assert demo_accounts_ensure() == []


def test_a_desk_with_own_staff_gets_no_demo_accounts():
    person_make(StaffRole.ADMIN)
    assert demo_accounts_ensure() == []
    assert not User.objects.filter(username="operator").exists()


def test_the_command_shows_passwords_once_and_then_says_how_to_reset():
    first, second, third = io.StringIO(), io.StringIO(), io.StringIO()
    call_command("demo_accounts", stdout=first)
    call_command("demo_accounts", stdout=second)
    call_command("demo_accounts", reset=True, stdout=third)
    assert "operator" in first.getvalue()
    assert "--reset" in second.getvalue()
    assert first.getvalue() != third.getvalue()


def test_a_demo_account_sees_nothing_before_it_has_an_own_password(client):
    account = demo_accounts_ensure()[0]
    change = reverse("admin:password_change")
    client.post(
        reverse("admin:login"), {"username": account.username, "password": account.password}
    )
    for name in ("index", "auth_user_changelist", "report_satisfaction", "engine_state"):
        response = client.get(reverse(f"admin:{name}"))
        assert (response.status_code, response.headers.get("Location")) == (302, change)
    assert client.get(change).status_code == 200
    same = {
        "old_password": account.password,
        "new_password1": account.password,
        "new_password2": account.password,
    }
    assert client.post(change, same).status_code == 200
    assert PasswordChangeDue.objects.filter(user__username=account.username).exists()
    client.post(change, {**same, "new_password1": NEW, "new_password2": NEW})
    assert client.get(reverse("admin:index")).status_code == 200


def test_a_login_leads_to_the_overview(client):
    person_make(StaffRole.OPERATOR)
    values = {"username": "operator-li", "password": PASSWORD}
    response = client.post(reverse("admin:login"), values)
    assert response["Location"] == reverse("admin:index")


def test_a_password_set_by_an_administrator_is_due(client):
    colleague = person_make(StaffRole.OPERATOR)
    client.force_login(person_make(StaffRole.ADMIN))
    address = reverse("admin:auth_user_password_change", args=[colleague.pk])
    response = client.post(address, {"usable_password": "true", "password1": NEW, "password2": NEW})
    assert response.status_code == 302
    assert PasswordChangeDue.objects.filter(user=colleague).exists()


def test_an_administrator_adds_a_colleague_with_a_role(client):
    client.force_login(person_make(StaffRole.ADMIN))
    values = {
        "username": "xiaowang",
        "role": "manager",
        "usable_password": "true",
        "password1": NEW,
        "password2": NEW,
    }
    assert client.post(reverse("admin:auth_user_add"), values).status_code == 302
    user = User.objects.get(username="xiaowang")
    assert user.is_staff
    assert user.groups.get().name == "manager"
    assert PasswordChangeDue.objects.filter(user=user).exists()


def test_nobody_takes_the_own_role_or_makes_a_superuser(client):
    admin = person_make(StaffRole.ADMIN)
    client.force_login(admin)
    address = reverse("admin:auth_user_change", args=[admin.pk])
    client.post(address, {"username": admin.username, "role": "operator", "is_superuser": "on"})
    admin.refresh_from_db()
    assert not admin.is_superuser
    assert admin.is_active
    assert admin.groups.get().name == "admin"


def test_roles_hold_exactly_their_permissions_after_a_second_migrate():
    group = Group.objects.get(name="operator")
    group.permissions.set([])
    roles_ensure()
    roles_ensure()
    for role, models in ROLE_PERMISSIONS.items():
        held = {
            f"{p.content_type.app_label}.{p.codename}"
            for p in Group.objects.get(name=role.value).permissions.select_related("content_type")
        }
        wanted = {
            f"{label.split('.')[0]}.{action}_{label.split('.')[1]}"
            for label, actions in models.items()
            for action in actions
        }
        assert held == wanted


def test_the_lockout_is_a_readable_page(client, settings):
    person_make(StaffRole.ADMIN)
    settings.AXES_FAILURE_LIMIT = 2
    wrong = {"username": "admin-li", "password": "wrong"}
    for _attempt in range(3):
        response = client.post(reverse("admin:login"), wrong, headers={"accept-language": "zh-CN"})
    assert response.status_code == 429
    assert "admin-li" in response.content.decode()
    right = {"username": "admin-li", "password": PASSWORD}
    assert client.post(reverse("admin:login"), right).status_code == 429


def test_a_required_change_is_stored_once():
    user = person_make(StaffRole.OPERATOR)
    password_change_require(user=user)
    password_change_require(user=user)
    assert PasswordChangeDue.objects.filter(user=user).count() == 1
