"""Pages of the desk that belong to no single record."""

from __future__ import annotations

from django.contrib import admin, messages
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from knowledge.models import Entry, Site
from supportdesk.staff.accounts import password_change_settle
from supportdesk.staff.engine import engine_state
from supportdesk.staff.forms import StaffPasswordChangeForm


class StaffPasswordChangeView(PasswordChangeView):
    """Changes the own password and settles a change that was due."""

    form_class = StaffPasswordChangeForm

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        response = super().form_valid(form)
        password_change_settle(user=form.user)
        messages.success(self.request, _("Your password was changed."))
        return response


@require_GET
def engine_state_fragment(request: HttpRequest) -> HttpResponse:
    """A piece of the dashboard, fetched after the page so that a hung engine cannot delay it."""
    return TemplateResponse(request, "admin/dashboard/engine.html", {"engine": engine_state()})


@require_http_methods(["GET", "POST"])
def demo_remove_page(request: HttpRequest) -> HttpResponse:
    """Asks once more, then removes the demo shop with all that hangs on it."""
    if not request.user.has_perm("knowledge.delete_site"):
        raise PermissionDenied
    if request.method == "POST":
        from knowledge.services.demo import demo_remove

        demo_remove()
        messages.success(request, _("The demo data is gone. The desk is yours."))
        return HttpResponseRedirect(reverse("admin:index"))
    sites = list(Site.objects.filter(is_demo=True))
    context = {
        **admin.site.each_context(request),
        "title": _("Remove the demo data"),
        "sites": sites,
        "entry_count": Entry.objects.filter(site__is_demo=True).count(),
        "conversation_count": sum(site.conversations.count() for site in sites),
    }
    return TemplateResponse(request, "admin/demo_remove.html", context)
