"""The admin site of the desk: pages beside the lists of records."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from conversations.reports.knowledge_views import knowledge_export, knowledge_page
from conversations.reports.views import satisfaction_export, satisfaction_page


class StaffSite(UnfoldAdminSite):
    """Adds the reports, the state of the engine, the removal of the demo and forced passwords."""

    index_title = _("Overview")

    def extra_urls(self) -> list[URLPattern]:
        """Pages that belong to no single model; each checks its own permission."""
        from supportdesk.staff.views import demo_remove_page, engine_state_fragment

        return [
            path(
                "reports/satisfaction/",
                self.admin_view(satisfaction_page),
                name="report_satisfaction",
            ),
            path(
                "reports/satisfaction.csv",
                self.admin_view(satisfaction_export),
                name="report_satisfaction_export",
            ),
            path("reports/knowledge/", self.admin_view(knowledge_page), name="report_knowledge"),
            path(
                "reports/knowledge.csv",
                self.admin_view(knowledge_export),
                name="report_knowledge_export",
            ),
            path("engine/", self.admin_view(engine_state_fragment), name="engine_state"),
            path("demo/remove/", self.admin_view(demo_remove_page), name="demo_remove"),
        ]

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """Choose an own password; a change that was due is settled by it."""
        from supportdesk.staff.accounts import password_change_is_due
        from supportdesk.staff.views import StaffPasswordChangeView

        request.current_app = self.name
        is_due = request.user.pk is not None and password_change_is_due(user_id=request.user.pk)
        context = {**self.each_context(request), "is_due": is_due, **(extra_context or {})}
        if is_due:
            context["is_nav_sidebar_enabled"] = False
        return StaffPasswordChangeView.as_view(
            success_url=reverse("admin:index"),
            template_name="admin/password_change.html",
            extra_context=context,
        )(request)
