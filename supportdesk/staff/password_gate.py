"""Nobody works with a password that somebody else has seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import sync_and_async_middleware

from supportdesk.staff.accounts import password_change_is_due

GetResponse = Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]


def _redirect_of(request: HttpRequest) -> HttpResponseRedirect | None:
    allowed = {
        reverse(name)
        for name in ("admin:password_change", "admin:login", "admin:logout", "admin:jsi18n")
    }
    if request.path in allowed or not request.user.is_authenticated:
        return None
    if not password_change_is_due(user_id=request.user.pk):
        return None
    return HttpResponseRedirect(reverse("admin:password_change"))


@sync_and_async_middleware
def password_gate(get_response: GetResponse) -> GetResponse:
    """Send a person whose password is due to the page that changes it, whatever they asked for.

    Only the admin knows sessions; customers' paths are passed on without touching one.
    """
    prefix = reverse("admin:index")

    if iscoroutinefunction(get_response):

        async def gate_async(request: HttpRequest) -> HttpResponse:
            if request.path.startswith(prefix):
                redirect = await sync_to_async(_redirect_of)(request)
                if redirect:
                    return redirect
            response: HttpResponse = await get_response(request)
            return response

        return gate_async

    def gate(request: HttpRequest) -> HttpResponse:
        if request.path.startswith(prefix):
            redirect = _redirect_of(request)
            if redirect:
                return redirect
        return get_response(request)  # type: ignore[return-value]

    return gate
