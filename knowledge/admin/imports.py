"""Imports as a flow: upload, look at what would change, import, undo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from knowledge.admin.import_forms import ImportColumnsForm, ImportUploadForm
from knowledge.admin.import_rows import errors_write, row_shown
from knowledge.admin.records import record_get
from knowledge.admin.site_choice import SiteChosen
from knowledge.documents.blocks import DocumentRefused
from knowledge.models import KnowledgeImport, KnowledgeImportRow
from knowledge.services.imports.applying import (
    ImportStateWrong,
    import_discard,
    import_rows_leave_out,
    import_start,
    import_undo_start,
)
from knowledge.services.imports.planning import (
    import_columns,
    import_columns_set,
    import_create,
    import_web_create,
)
from knowledge.services.proposals import change_is_live
from knowledge.tasks import import_applying, import_planning, import_undoing
from knowledge.uploads import TICKET_COOKIE, TICKET_SECONDS, ticket_make

ROWS_SHOWN: Final = 50
State = KnowledgeImport.State
Action = KnowledgeImportRow.Action


@admin.register(KnowledgeImport)
class KnowledgeImportAdmin(SiteChosen, ModelAdmin):
    """Every import with its state; its page is the flow."""

    form = ImportUploadForm
    list_display = ("file_name", "state_label", "site", "created_by", "created_at")
    list_filter = ("state", "site")
    list_filter_sheet = True
    list_select_related = ("site", "created_by")
    search_fields = ("file_name",)
    actions = None

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The address only where the settings let pages be imported."""
        web = ("address", "whole_site") if settings.WEB_IMPORT else ()
        return ("file", *web, "site", "entry_status")

    def get_queryset(self, request: HttpRequest) -> QuerySet[KnowledgeImport]:
        # The file itself may have 50 MB and is not wanted on any page.
        return super().get_queryset(request).defer("data")

    @display(
        description=_("state"),
        ordering="state",
        # A state that is not named here would be shown by its key.
        label={state.value: "info" for state in State}
        | {"applied": "success", "failed": "danger", "undone": "warning", "columns": "warning"},
    )
    def state_label(self, batch: KnowledgeImport) -> tuple[str, str]:
        return batch.state, batch.get_state_display()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Imports are thrown away or undone on their own page."""
        return False

    def get_urls(self) -> list[URLPattern]:
        def page(action: str, view: Callable[..., HttpResponse]) -> URLPattern:
            return path(
                f"<int:batch_id>/{action}/",
                self.admin_site.admin_view(view),
                name=f"knowledge_knowledgeimport_{action}",
            )

        return [
            page("step", self.step_view),
            page("progress", self.progress_view),
            page("errors", self.errors_view),
            *super().get_urls(),
        ]

    def save_model(
        self, request: HttpRequest, obj: KnowledgeImport, form: forms.ModelForm, change: bool
    ) -> None:
        data = form.cleaned_data
        batch = self._created(request, data)
        obj.pk = batch.pk
        import_planning.enqueue(batch.pk, get_language())

    @staticmethod
    def _created(request: HttpRequest, data: dict[str, Any]) -> KnowledgeImport:
        common = {
            "site": data["site"], "entry_status": data["entry_status"], "by": request.user,
        }  # fmt: skip
        if data.get("address"):
            whole_site = bool(data.get("whole_site"))
            return import_web_create(address=data["address"], whole_site=whole_site, **common)
        file = data["file"]
        return import_create(file_name=file.name, data=file.read(), **common)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            page = super().add_view(request, form_url, extra_context)
        except DocumentRefused as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.path)
        page.set_cookie(
            TICKET_COOKIE,
            ticket_make(),
            max_age=TICKET_SECONDS,
            path=request.path,
            httponly=True,
            samesite="Strict",
            secure=settings.SESSION_COOKIE_SECURE,
        )
        return page

    def response_add(
        self, request: HttpRequest, obj: KnowledgeImport, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._page(obj.pk)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return super().log_addition(request, KnowledgeImport.objects.get(pk=obj.pk), message)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What the import would do, does, or did."""
        batch: KnowledgeImport = record_get(self, request, object_id)
        counts = self._counts(batch)
        chosen = request.GET.get("show", "")
        rows = self._rows(batch, chosen)
        page = Paginator(rows, ROWS_SHOWN).get_page(request.GET.get("page"))
        context = {
            **self.admin_site.each_context(request),
            "title": batch.file_name,
            "opts": self.opts,
            "original": batch,
            "batch": batch,
            "may_change": self.has_add_permission(request),
            "counts": counts,
            "changes": counts["create"] + counts["update"] + counts["remove"] - counts["left_out"],
            "done": batch.rows.filter(state=KnowledgeImportRow.State.APPLIED).count(),
            "tabs": self._tabs(counts, chosen),
            "page": page,
            "chosen": chosen,
            "rows": [row_shown(row) for row in page],
            "columns_form": self._columns_form(batch),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/knowledge/knowledgeimport/flow.html", context)

    def step_view(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        """A button of the page: columns, leave rows out, import, undo, throw away."""
        batch: KnowledgeImport = record_get(self, request, batch_id)
        if request.method != "POST" or not self.has_add_permission(request):
            raise PermissionDenied
        try:
            return self._step(request, batch)
        except ImportStateWrong as error:
            messages.error(request, str(error))
            return self._page(batch.pk)

    def _step(self, request: HttpRequest, batch: KnowledgeImport) -> HttpResponse:
        language = get_language()
        match request.POST.get("step"):
            case "columns":
                form = self._columns_form(batch, request.POST)
                if form is None or not form.is_valid():
                    messages.error(request, gettext("Say where question and answer stand."))
                    return self._page(batch.pk)
                import_columns_set(batch=batch, columns=form.cleaned_data)
                import_planning.enqueue(batch.pk, language)
            case "start" | "undo" if not change_is_live(user=request.user, site=batch.site):
                messages.error(
                    request,
                    gettext("Changes of this site are reviewed; only who may publish can do this."),
                )
            case "start":
                import_start(batch=batch)
                import_applying.enqueue(batch.pk, language)
            case "undo":
                import_undo_start(batch=batch)
                import_undoing.enqueue(batch.pk, language)
            case "discard":
                import_discard(batch=batch)
                messages.success(request, gettext("The import was thrown away."))
                return HttpResponseRedirect(reverse("admin:knowledge_knowledgeimport_changelist"))
            case "leave_out" | "take_in" as step:
                row = request.POST.get("row", "")
                chosen = Q(pk=int(row)) if row.isdecimal() else Q(similar__isnull=False)
                import_rows_leave_out(batch=batch, rows=chosen, leave_out=step == "leave_out")
                return self._page(batch.pk, request.POST.get("query", ""))
            case _:
                raise Http404
        return self._page(batch.pk)

    def progress_view(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        """How far the worker is; the page loads itself anew when the state has changed."""
        batch: KnowledgeImport = record_get(self, request, batch_id)
        response = TemplateResponse(
            request, "admin/knowledge/knowledgeimport/progress.html", {"batch": batch}
        )
        was = request.GET.get("state", "")
        if was != batch.state:
            response["HX-Refresh"] = "true"
        return response

    def errors_view(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        """The rows with errors as a CSV file, to be mended and imported again."""
        batch: KnowledgeImport = record_get(self, request, batch_id)
        response = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="import-{batch.pk}-errors.csv"'
        errors_write(response, batch)
        return response

    @staticmethod
    def _counts(batch: KnowledgeImport) -> dict[str, int]:
        changing = Q(action__in=(Action.CREATE, Action.UPDATE, Action.REMOVE))
        counts: dict[str, int] = batch.rows.aggregate(
            **{action.value: Count("pk", filter=Q(action=action)) for action in Action},
            similar_planned=Count(
                "pk", filter=Q(similar__isnull=False, state=KnowledgeImportRow.State.PLANNED)
            ),
            left_out=Count("pk", filter=changing & Q(state=KnowledgeImportRow.State.LEFT_OUT)),
            kept=Count("pk", filter=Q(state=KnowledgeImportRow.State.KEPT)),
            undone=Count("pk", filter=Q(state=KnowledgeImportRow.State.UNDONE)),
            # Last: from here on the name is the count's, no longer the column's.
            similar=Count("pk", filter=Q(similar__isnull=False)),
        )
        return counts

    @staticmethod
    def _rows(batch: KnowledgeImport, chosen: str) -> QuerySet[KnowledgeImportRow]:
        rows = batch.rows.select_related("entry", "similar", "document").order_by("number")
        if chosen == "similar":
            return rows.filter(similar__isnull=False)
        if chosen in Action.values:
            return rows.filter(action=chosen)
        return rows.exclude(action=Action.SAME)

    @staticmethod
    def _tabs(counts: dict[str, int], chosen: str) -> list[tuple[str, str | Promise, int, bool]]:
        tabs: list[tuple[str, str | Promise]] = [
            (Action.CREATE.value, Action.CREATE.label),
            (Action.UPDATE.value, Action.UPDATE.label),
            (Action.REMOVE.value, Action.REMOVE.label),
            ("similar", _("Possible duplicates")),
            (Action.SAME.value, Action.SAME.label),
            (Action.ERROR.value, _("Errors")),
        ]
        return [(key, label, counts[key], key == chosen) for key, label in tabs if counts[key]]

    @staticmethod
    def _columns_form(batch: KnowledgeImport, data: Any = None) -> ImportColumnsForm | None:
        if batch.state != State.COLUMNS:
            return None
        return ImportColumnsForm(data, columns=import_columns(batch=batch))

    def _page(self, batch_id: int, query: str = "") -> HttpResponse:
        address = reverse("admin:knowledge_knowledgeimport_change", args=[batch_id])
        return HttpResponseRedirect(f"{address}?{query}" if query else address)
