"""Accounts of colleagues: a name, a role, a first password."""

from __future__ import annotations

from typing import Any

import django_tasks_db.admin  # noqa: F401 (registers what is taken away below)
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django_tasks_db.models import DBTaskResult
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm

from supportdesk.staff.accounts import account_role_set, password_change_require
from supportdesk.staff.forms import StaffChangeForm, StaffCreationForm
from supportdesk.staff.roles import ROLE_LABELS, StaffRole, role_of

admin.site.unregister(User)
admin.site.unregister(Group)
# Background work shows in the pages that started it; its raw records are for `manage.py shell`.
admin.site.unregister(DBTaskResult)


class RoleFilter(admin.SimpleListFilter):
    """Colleagues by role."""

    title = _("role")
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(role.value, ROLE_LABELS[role]) for role in StaffRole]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        return queryset.filter(groups__name=self.value()) if self.value() else queryset


@admin.register(User)
class StaffAdmin(UserAdmin, ModelAdmin):
    """Roles instead of single permissions; an account is switched off, never deleted."""

    form = StaffChangeForm
    add_form = StaffCreationForm
    add_form_template = None  # Django's says that more can be edited later; here it cannot
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "first_name", "email", "role", "is_active", "last_login")
    list_filter = (RoleFilter, "is_active")
    search_fields = ("username", "first_name", "email")
    filter_horizontal = ()
    actions = None
    readonly_fields = ("own_role", "new_password", "last_login", "date_joined")
    fieldsets = (
        (
            None,
            {"fields": ("username", "first_name", "email", "role", "is_active", "new_password")},
        ),
        (_("History"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "fields": (
                    "username",
                    "first_name",
                    "email",
                    "role",
                    "password1",
                    "password2",
                ),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    @display(
        description=_("role"),
        label={
            StaffRole.ADMIN.value: "primary",
            StaffRole.MANAGER.value: "info",
            StaffRole.OPERATOR.value: "",
        },
    )
    def role(self, user: User) -> tuple[str, str] | None:
        names = {group.name for group in user.groups.all()}
        for role in StaffRole:
            if role.value in names:
                return role.value, str(ROLE_LABELS[role])
        return None

    @display(description=_("role"))
    def own_role(self, user: User) -> str:
        role = role_of(user)
        return str(ROLE_LABELS[role]) if role else "–"

    @display(description=_("password"))
    def new_password(self, user: User) -> str:
        return format_html(
            '<a class="desk-button" href="{}">{}</a>',
            reverse("admin:auth_user_password_change", args=[user.pk]),
            _("Set a new password"),
        )

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """The own role is a text: who could take it from themselves might be locked out."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or obj.pk != request.user.pk:
            return fieldsets
        (title, options), *others = fieldsets
        fields = tuple("own_role" if name == "role" else name for name in options["fields"])
        return (title, {**options, "fields": fields}), *others

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """A superuser's account is changed by superusers only."""
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """What a colleague did stays with the name; an account is switched off instead."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Nobody locks themselves out by taking the own role or switching the own account off."""
        fields = tuple(super().get_readonly_fields(request, obj))
        if obj is not None and obj.pk == request.user.pk:
            return (*fields, "role", "is_active")
        return fields

    def save_model(
        self, request: HttpRequest, obj: User, form: ModelForm[User], change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        if "role" in form.cleaned_data:
            account_role_set(user=obj, role=StaffRole(form.cleaned_data["role"]))
        if not change:
            password_change_require(user=obj)

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """A password that somebody else set must be changed at the next login."""
        response = super().user_change_password(request, id, form_url)
        user = self.get_object(request, id)
        changed = request.method == "POST" and response.status_code == 302
        if changed and user is not None and user.pk != request.user.pk:
            password_change_require(user=user)
        return response
