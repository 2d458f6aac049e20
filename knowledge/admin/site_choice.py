"""The site of a new record: mostly there is one, so nobody should have to choose it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from knowledge.models import Site


class SiteChosen:
    """For admins of records with a ``site``: a form to add one begins with a site chosen.

    It is the oldest site that is not the demo's; the demo's while there is no other.
    """

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What the address names (``?site=3``) comes first."""
        site = Site.objects.order_by("is_demo", "pk").first()
        named: dict[str, Any] = super().get_changeform_initial_data(request)  # type: ignore[misc]
        return {"site": site.pk if site else None, **named}
