"""Prompt templates as a flow: edit the draft, preview, publish, roll back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override
from unfold.admin import ModelAdmin
from unfold.decorators import display

from inference.errors import PromptError
from knowledge.admin.line_differences import line_changes
from knowledge.admin.prompt_forms import VARIABLES, PromptDraftForm, PromptSampleForm
from knowledge.admin.prompt_samples import sample_variables
from knowledge.admin.records import record_get
from knowledge.admin.refusals import refusal_words
from knowledge.models import PromptTemplate, PromptVersion
from knowledge.models.prompts import CONTENT
from knowledge.services.prompts import (
    prompt_draft_save,
    prompt_preview,
    prompt_publish,
    prompt_rollback,
    prompt_template_create,
    prompt_withdraw,
)
from knowledge.trials.gate import GATED_ROLE, PublishRefused, gate_of
from knowledge.trials.selectors import trials_running

GATE_WORDS = {
    "trial_required": gettext_lazy(
        "This site wants a trial first: ask a question set of this very draft."
    ),
    "reason_required": gettext_lazy(
        "Its trial lost right answers, so write down why it is published all the same."
    ),
}
PARAMETER_LABELS = {
    field.name: field.verbose_name
    for field in PromptVersion._meta.fields
    if field.name in CONTENT and field.name not in ("system", "user")
}
_SHOWN = ("created_by", "published_by", "restored_from")


@admin.register(PromptTemplate)
class PromptTemplateAdmin(ModelAdmin):
    """One template is one prompt in one language; its page is the flow."""

    list_display = ("name", "role_label", "language_label", "site_label", "state")
    list_filter = ("role", "language", "site")
    list_filter_sheet = True
    list_select_related = ("site",)
    search_fields = ("name",)
    actions = None
    fields = ("name", "role", "language", "site")

    def get_queryset(self, request: HttpRequest) -> QuerySet[PromptTemplate]:
        return super().get_queryset(request).prefetch_related("versions")

    @display(description=gettext_lazy("role"), ordering="role")
    def role_label(self, template: PromptTemplate) -> str:
        return template.role_label

    @display(description=gettext_lazy("language"), ordering="language")
    def language_label(self, template: PromptTemplate) -> str:
        return template.get_language_display()

    @display(description=gettext_lazy("site"), ordering="site")
    def site_label(self, template: PromptTemplate) -> str:
        return str(template.site) if template.site else _("Every site")

    @display(
        description=gettext_lazy("published"),
        label={"published": "success", "none": "warning"},
    )
    def state(self, template: PromptTemplate) -> tuple[str, str]:
        for version in template.versions.all():
            if version.status == PromptVersion.Status.PUBLISHED:
                return "published", _("Version %(number)d") % {"number": version.number}
        return "none", _("Not published")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path(
                "<int:template_id>/preview/",
                view(self.preview_view),
                name="knowledge_prompttemplate_preview",
            ),
            path(
                "<int:template_id>/rollback/<int:version_id>/",
                view(self.rollback_view),
                name="knowledge_prompttemplate_rollback",
            ),
            path(
                "<int:template_id>/differences/",
                view(self.differences_view),
                name="knowledge_prompttemplate_differences",
            ),
            path(
                "<int:template_id>/withdraw/",
                view(self.withdraw_view),
                name="knowledge_prompttemplate_withdraw",
            ),
            *super().get_urls(),
        ]

    def save_model(
        self,
        request: HttpRequest,
        obj: PromptTemplate,
        form: ModelForm[PromptTemplate],
        change: bool,
    ) -> None:
        data = form.cleaned_data
        obj.pk = prompt_template_create(
            site=data["site"], role=data["role"], language=data["language"], name=data["name"]
        ).pk

    def response_add(
        self, request: HttpRequest, obj: PromptTemplate, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._page(obj.pk)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the flow; a POST saves the draft and, asked to, publishes it."""

        template: PromptTemplate = record_get(self, request, object_id)
        may_change = self.has_change_permission(request, template)
        versions = list(template.versions.select_related(*_SHOWN).order_by("-number"))
        draft = next((v for v in versions if v.status == PromptVersion.Status.DRAFT), None)
        published = next((v for v in versions if v.status == PromptVersion.Status.PUBLISHED), None)
        refusal = ""
        if request.method == "POST":
            if not may_change:
                raise PermissionDenied
            form = PromptDraftForm(request.POST)
            if form.is_valid():
                draft = prompt_draft_save(template=template, by=request.user, **form.cleaned_data)
                if "_publish" not in request.POST:
                    messages.success(
                        request, _("The draft was saved. Customers do not see it yet.")
                    )
                    return self._page(template.pk)
                refusal = self._publish(request, draft)
                if not refusal:
                    return self._page(template.pk)
        else:
            newest = versions[0] if versions else None
            # A new draft begins with the text of another version, but not with why that one was made.
            initial = {} if draft else {"note": ""}
            form = PromptDraftForm(instance=draft or published or newest, initial=initial)
        context = {
            **self.admin_site.each_context(request),
            "title": template.name,
            "opts": self.opts,
            "original": template,
            "template": template,
            "form": form,
            "sample_form": PromptSampleForm(initial=_samples(template)),
            "versions": versions,
            "draft": draft,
            "published": published,
            "gate": gate_of(version=draft) if draft is not None else None,
            "running": trials_running(version=draft) if draft is not None else (),
            "is_answer": template.role == GATED_ROLE,
            "publish_reason": request.POST.get("publish_reason", ""),
            "may_change": may_change,
            "may_try": may_change and request.user.has_perm("knowledge.add_trial"),
            "refusal": refusal,
            "variables": [(name, "{{ %s }}" % name) for name in VARIABLES],  # noqa: UP031
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/knowledge/prompttemplate/flow.html", context)

    def _publish(self, request: HttpRequest, version: PromptVersion) -> str:
        """Publish; a sentence when that is refused."""
        try:
            prompt_publish(
                version=version, by=request.user, reason=request.POST.get("publish_reason", "")
            )
        except PromptError as error:
            return refusal_words(error)
        except PublishRefused as error:
            return str(GATE_WORDS[error.code])
        messages.success(
            request,
            _("Version %(number)d is published; the next answer uses it.")
            % {"number": version.number},
        )
        return ""

    def differences_view(self, request: HttpRequest, template_id: int) -> HttpResponse:
        """What changed from one version to another, by default from the published one to the
        newest."""
        template: PromptTemplate = record_get(self, request, template_id)
        versions = list(template.versions.select_related(*_SHOWN).order_by("-number"))
        if not versions:
            raise Http404
        newer = _version_of(versions, request.GET.get("to")) or versions[0]
        published = next((v for v in versions if v.status == PromptVersion.Status.PUBLISHED), None)
        below = next((v for v in versions if v.number < newer.number), newer)
        default = published if published is not None and published != newer else below
        older = _version_of(versions, request.GET.get("from")) or default
        context = {
            **self.admin_site.each_context(request),
            "title": _("Differences: %(name)s") % {"name": template.name},
            "opts": self.opts,
            "original": template,
            "template": template,
            "versions": versions,
            "older": older,
            "newer": newer,
            "texts": [
                (_("Instructions"), line_changes(older.system, newer.system)),
                (_("Message with the question"), line_changes(older.user, newer.user)),
            ],
            "parameters": [
                (PARAMETER_LABELS[name], before, after)
                for name in PARAMETER_LABELS
                if (before := getattr(older, name)) != (after := getattr(newer, name))
            ],
        }
        return TemplateResponse(request, "admin/knowledge/prompttemplate/differences.html", context)

    def withdraw_view(self, request: HttpRequest, template_id: int) -> HttpResponse:
        """Take the published version out of use."""
        template: PromptTemplate = record_get(self, request, template_id, change=True)
        if request.method == "POST":
            prompt_withdraw(template=template)
            messages.success(request, _("The prompt is not used any more."))
        return self._page(template.pk)

    def preview_view(self, request: HttpRequest, template_id: int) -> HttpResponse:
        """The messages that the model would get, or the sentence that says why not."""
        template: PromptTemplate = record_get(self, request, template_id)
        sample = PromptSampleForm(request.POST)
        sample.full_clean()
        context: dict[str, Any] = {}
        try:
            context["rendered"] = prompt_preview(
                system=request.POST.get("system", ""),
                user=request.POST.get("user", ""),
                variables=sample_variables(
                    template=template,
                    question=sample.cleaned_data.get("sample_question", ""),
                    shop_name=sample.cleaned_data.get("sample_shop", ""),
                    user_region=sample.cleaned_data.get("sample_region", ""),
                ),
            )
        except PromptError as error:
            context["refusal"] = refusal_words(error)
        return TemplateResponse(request, "admin/knowledge/prompttemplate/preview.html", context)

    def rollback_view(
        self, request: HttpRequest, template_id: int, version_id: int
    ) -> HttpResponse:
        """Publish an earlier version again."""
        template: PromptTemplate = record_get(self, request, template_id, change=True)
        version = template.versions.filter(pk=version_id).first()
        if version is None:
            raise Http404
        if request.method == "POST":
            try:
                published = prompt_rollback(
                    version=version, by=request.user, reason=request.POST.get("reason", "")
                )
            except PromptError as error:
                messages.error(request, refusal_words(error))
            else:
                messages.success(
                    request,
                    _("Version %(number)d is published; the next answer uses it.")
                    % {"number": published.number},
                )
        return self._page(template.pk)

    def _page(self, template_id: int) -> HttpResponse:
        return HttpResponseRedirect(
            reverse("admin:knowledge_prompttemplate_change", args=[template_id])
        )


def _version_of(versions: Sequence[PromptVersion], number: str | None) -> PromptVersion | None:
    return next((v for v in versions if str(v.number) == number), None)


def _samples(template: PromptTemplate) -> dict[str, str]:
    """What the preview begins with, in the prompt's language, whatever the reader's is."""
    with override(template.language):
        return {
            "sample_question": _("Can I return this within 7 days?"),
            "sample_shop": template.site.name if template.site else _("Demo shop"),
            "sample_region": _("Shanghai"),
        }
