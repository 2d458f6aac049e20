"""The page at ``/``: what runs here, and where to go."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from knowledge.models import Site


@require_safe
def start_page(request: HttpRequest) -> HttpResponse:
    """Name the model and link the demo shop (while its data exists), the admin and the API."""
    return render(
        request,
        "start.html",
        {
            "demo_shop_url": demo_shop_url(request) if demo_exists() else "",
            "model": settings.MODEL,
        },
    )


def demo_exists() -> bool:
    """Whether the demo data's site is there and active."""
    return Site.objects.filter(is_demo=True, is_active=True).exists()


def demo_shop_url(request: HttpRequest) -> str:
    """Address of the demo shop on the host that the visitor used; it has a port of its own."""
    host = request.get_host()
    name = host[: host.index("]") + 1] if host.startswith("[") else host.partition(":")[0]
    return f"http://{name}:{settings.DEMOSHOP_PORT}/"
