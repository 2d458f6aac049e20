"""Audiences: for whom entries may be."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from knowledge.admin.site_choice import SiteChosen
from knowledge.models import Audience
from knowledge.models.audiences import GROUP_MOST
from knowledge.services.audiences import audience_create, audience_delete, audience_update


class AudienceForm(forms.ModelForm):
    """Refuses groups that no identity could name."""

    class Meta:
        model = Audience
        fields = ("site", "name", "groups")
        widgets = {"groups": UnfoldAdminTextareaWidget(attrs={"rows": 4})}

    def clean_groups(self) -> str:
        groups: str = self.cleaned_data["groups"]
        if any(len(line.strip()) > GROUP_MOST for line in groups.splitlines()):
            raise forms.ValidationError(
                _("The name of a group may have at most %(most)d characters."),
                params={"most": GROUP_MOST},
            )
        return groups


@admin.register(Audience)
class AudienceAdmin(SiteChosen, ModelAdmin):
    """Who is let in is told by the signed identity (docs/embedding.md)."""

    form = AudienceForm
    list_display = ("name", "site", "group_list", "entry_count")
    list_filter = ("site",)
    list_filter_sheet = True
    list_select_related = ("site",)
    search_fields = ("name", "groups")
    actions = None
    change_form_show_cancel_button = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Audience]:
        return super().get_queryset(request).annotate(entry_number=Count("entries"))

    def get_readonly_fields(self, request: HttpRequest, obj: Audience | None = None) -> Any:
        return ("site",) if obj is not None else ()

    @display(description=_("groups"))
    def group_list(self, audience: Audience) -> str:
        return ", ".join(sorted(audience.group_names)) or str(_("Everyone who is logged in"))

    @display(description=_("entries"), ordering="entry_number")
    def entry_count(self, audience: Any) -> int:
        count: int = audience.entry_number
        return count

    def save_model(
        self, request: HttpRequest, obj: Audience, form: forms.ModelForm, change: bool
    ) -> None:
        data = form.cleaned_data
        if change:
            audience_update(audience=obj, name=data["name"], groups=data["groups"])
        else:
            created = audience_create(site=data["site"], name=data["name"], groups=data["groups"])
            obj.pk = created.pk

    def delete_model(self, request: HttpRequest, obj: Audience) -> None:
        audience_delete(audience=obj)
