"""Forms of the staff's accounts."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminOwnPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget

from supportdesk.staff.roles import ROLE_LABELS, StaffRole, role_of


class StaffPasswordChangeForm(AdminOwnPasswordChangeForm):
    """The new password must be another one than the old: the old was seen by somebody else."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        password = cleaned.get("new_password1")
        if password and self.user.check_password(password):
            self.add_error(
                "new_password1",
                ValidationError(
                    _("The new password must differ from the present one."), code="same_password"
                ),
            )
        return cleaned


def _role_field(**options: Any) -> forms.ChoiceField:
    return forms.ChoiceField(
        **options,
        label=_("Role"),
        choices=[(role.value, ROLE_LABELS[role]) for role in StaffRole],
        widget=UnfoldAdminSelectWidget(),
        help_text=_(
            "Operators read conversations. Managers also read reports, knowledge, prompts and "
            "rules. Administrators change everything."
        ),
    )


class StaffCreationForm(UserCreationForm):
    """A new colleague: a name to log in with, a first password and a role."""

    role = _role_field(initial=StaffRole.OPERATOR)  # the least, so that nobody gets more by haste
    usable_password = None  # everybody at the desk logs in with a password

    class Meta(UserCreationForm.Meta):
        model = User
        fields = ("username", "first_name", "email")


class StaffChangeForm(UserChangeForm):
    """An existing colleague."""

    role = _role_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        role = role_of(self.instance)
        if "role" in self.fields and role:
            self.fields["role"].initial = role.value
