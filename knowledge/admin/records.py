"""The record behind a page that is not Django's own, and records that nobody writes by a form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from unfold.admin import ModelAdmin


def record_get(
    admin: ModelAdmin, request: HttpRequest, key: int | str, *, change: bool = False
) -> Any:
    """The record of this key, for a person who may look at it, or with ``change`` change it.

    Who may not is told so of a record that is not there, too: an address tells nobody what exists.

    Raises:
        PermissionDenied
        Http404
    """
    record = admin.get_object(request, str(key))
    may = admin.has_change_permission if change else admin.has_view_or_change_permission
    if not may(request, record):
        raise PermissionDenied
    if record is None:
        raise Http404
    return record


class ReadOnlyAdmin(ModelAdmin):
    """A list whose records nobody adds, changes or deletes by a form, superusers included."""

    actions: Sequence[str] | None = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
