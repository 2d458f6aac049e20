"""Rules: fixed replies, and a page that shows which one fires for a sentence and why."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from inference.errors import PromptError, RuleError
from inference.text.language import language_of
from knowledge.admin.refusals import refusal_words
from knowledge.admin.rule_trials import Trial, trial_make
from knowledge.models import AnyLanguage, Language, Rule, Site
from knowledge.services.rules import rule_check, rule_create, rule_delete, rule_update

VALUE_FIELDS = (
    "site",
    "name",
    "priority",
    "language",
    "trigger",
    "keywords_any",
    "keywords_all",
    "keywords_none",
    "pattern",
    "label_set",
    "label",
    "label_probability",
    "reply",
    "action",
    "tool",
    "is_enabled",
)


class RuleForm(ModelForm):
    """Refuses a rule that cannot work, with a sentence, before it is stored."""

    class Meta:
        model = Rule
        fields = VALUE_FIELDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("keywords_any", "keywords_all", "keywords_none"):
            if name in self.fields:
                self.fields[name].widget = UnfoldAdminTextareaWidget(attrs={"rows": 3})

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        try:
            rule_check(**{name: cleaned[name] for name in VALUE_FIELDS})
        except RuleError as error:
            self.add_error("pattern" if cleaned["pattern"] else None, refusal_words(error))
        except PromptError as error:
            self.add_error("reply", refusal_words(error))
        return cleaned


class TrialForm(forms.Form):
    """A sentence to try, as if a customer had written it."""

    sentence = forms.CharField(
        label=gettext_lazy("What a customer might write"),
        max_length=1000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, "autofocus": True}),
    )
    site = forms.ModelChoiceField(
        Site.objects.all(),
        label=gettext_lazy("Site"),
        empty_label=None,
        widget=UnfoldAdminSelectWidget(),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        required=False,
        choices=[("", gettext_lazy("As the sentence")), *Language.choices],
        widget=UnfoldAdminSelectWidget(),
    )
    trigger = forms.ChoiceField(
        label=gettext_lazy("When"),
        choices=Rule.Trigger.choices,
        widget=UnfoldAdminSelectWidget(),
    )


@admin.register(Rule)
class RuleAdmin(ModelAdmin):
    """The first enabled rule that matches wins; order by priority."""

    form = RuleForm
    list_display = (
        "name",
        "priority",
        "enabled_label",
        "trigger",
        "language_label",
        "action",
        "site_label",
    )
    list_filter = ("is_enabled", "trigger", "action", "language", "site")
    list_filter_sheet = True
    list_select_related = ("site",)
    list_per_page = 100
    search_fields = ("name", "keywords_any", "keywords_all", "pattern", "reply")
    search_help_text = gettext_lazy("Words of the name, the keywords or the reply")
    actions = ("enable", "disable")
    list_before_template = "admin/knowledge/rule/try_hint.html"
    change_form_show_cancel_button = True
    warn_unsaved_form = True
    fieldsets = (
        (None, {"fields": ("name", ("is_enabled", "priority"))}),
        (
            gettext_lazy("When it fires"),
            {
                "description": gettext_lazy(
                    "Fill in at least one of the conditions; all that are filled in must match."
                ),
                "fields": (
                    ("trigger", "language"),
                    "keywords_any",
                    "keywords_all",
                    "keywords_none",
                    "pattern",
                    ("label_set", "label"),
                    "label_probability",
                    "site",
                ),
            },
        ),
        (gettext_lazy("What it does"), {"fields": (("action", "tool"), "reply")}),
    )

    @display(
        description=gettext_lazy("state"),
        ordering="is_enabled",
        label={"on": "success", "off": ""},
    )
    def enabled_label(self, rule: Rule) -> tuple[str, str]:
        return ("on", _("Enabled")) if rule.is_enabled else ("off", _("Off"))

    @display(description=gettext_lazy("language"), ordering="language")
    def language_label(self, rule: Rule) -> str:
        return str(dict(AnyLanguage.choices).get(rule.language, rule.language))

    @display(description=gettext_lazy("site"), ordering="site")
    def site_label(self, rule: Rule) -> str:
        return str(rule.site) if rule.site else _("Every site")

    def get_urls(self) -> list[URLPattern]:
        trial = self.admin_site.admin_view(self.try_view)
        return [path("try/", trial, name="knowledge_rule_try"), *super().get_urls()]

    def save_model(
        self, request: HttpRequest, obj: Rule, form: ModelForm[Rule], change: bool
    ) -> None:
        values = {name: form.cleaned_data[name] for name in VALUE_FIELDS}
        if change:
            rule_update(rule=obj, **values)
        else:
            obj.pk = rule_create(**values).pk

    def delete_model(self, request: HttpRequest, obj: Rule) -> None:
        rule_delete(rule=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        for rule in queryset:
            rule_delete(rule=rule)

    @admin.action(description=gettext_lazy("Enable the selected rules"), permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        self._switch(request, queryset, is_enabled=True)

    @admin.action(description=gettext_lazy("Switch the selected rules off"), permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        self._switch(request, queryset, is_enabled=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Rule], *, is_enabled: bool) -> None:
        count = 0
        for rule in queryset:
            rule_update(rule=rule, is_enabled=is_enabled)
            count += 1
        text = ngettext("%(count)d rule was changed.", "%(count)d rules were changed.", count)
        self.message_user(request, text % {"count": count}, messages.SUCCESS)

    def try_view(self, request: HttpRequest) -> HttpResponse:
        """Every rule with what it says to a sentence; nothing is stored."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = "sentence" in request.GET
        form = TrialForm(
            request.GET if asked else None,
            initial={"site": Site.objects.first(), "trigger": Rule.Trigger.BEFORE},
        )
        trial: Trial | None = None
        if asked and form.is_valid():
            data = form.cleaned_data
            language = data["language"] or language_of(data["sentence"], data["site"].language)
            trial = trial_make(
                site=data["site"],
                text=data["sentence"],
                language=language,
                trigger=data["trigger"],
            )
        context = {
            **self.admin_site.each_context(request),
            "title": _("Try a sentence"),
            "opts": self.opts,
            "form": form,
            "trial": trial,
        }
        return TemplateResponse(request, "admin/knowledge/rule/try.html", context)
