"""Texts that somebody has labelled: to filter, correct and delete."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from knowledge.label_words import label_set_words, label_words
from knowledge.models import Label, LabelExample, LabelSet
from knowledge.services.labels import (
    label_example_save,
    label_examples_delete,
    label_set_learn,
)

# What the links from a label set's pages name the chosen set by.
SET_PARAMETER: Final = "label_set__id__exact"


def _set_words(label_set: LabelSet) -> str:
    """A set with the language of its examples, for there is one for each."""
    words = label_set_words(label_set.key, label_set.name)
    language = label_set.get_language_display() if label_set.language else ""
    return f"{words} · {language}" if language else words


class SetFilter(admin.SimpleListFilter):
    """Examples of one set."""

    title = _("label set")
    parameter_name = SET_PARAMETER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(each.pk), _set_words(each)) for each in LabelSet.objects.all()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[LabelExample]
    ) -> QuerySet[LabelExample]:
        value = self.value() or ""
        return queryset.filter(label_set=int(value)) if value.isdecimal() else queryset


class LabelFilter(admin.SimpleListFilter):
    """Examples of one label: of the chosen set, or of every set that has it."""

    title = _("label")
    parameter_name = "label"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        labels = Label.objects.order_by("label_set__key", "position", "pk")
        chosen = request.GET.get(SET_PARAMETER, "")
        if chosen.isdecimal():
            labels = labels.filter(label_set=int(chosen))
        pairs = dict.fromkeys(labels.values_list("label_set__key", "name"))
        return [(f"{key}.{name}", label_words(key, name)) for key, name in pairs]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[LabelExample]
    ) -> QuerySet[LabelExample]:
        key, _dot, name = (self.value() or "").partition(".")
        return queryset.filter(label_set__key=key, label__name=name) if name else queryset


@admin.register(LabelExample)
class LabelExampleAdmin(ModelAdmin):
    """Labelled texts."""

    list_display = ("text", "label_name", "set_name", "created_at")
    list_filter = (SetFilter, LabelFilter, "is_default")
    list_filter_sheet = True
    list_select_related = ("label", "label_set")
    search_fields = ("text",)
    fields = ("label_set", "label", "text")
    autocomplete_fields = ()

    @display(description=_("label"), ordering="label__name")
    def label_name(self, example: LabelExample) -> str:
        return label_words(example.label_set.key, example.label.name)

    @display(description=_("label set"), ordering="label_set")
    def set_name(self, example: LabelExample) -> str:
        return _set_words(example.label_set)

    def save_model(
        self, request: HttpRequest, obj: LabelExample, form: ModelForm[LabelExample], change: bool
    ) -> None:
        if change:
            super().save_model(request, obj, form, change)
            label_set_learn(label_set=obj.label_set)
        else:
            obj.pk = label_example_save(label_set=obj.label_set, label=obj.label, text=obj.text).pk

    def delete_model(self, request: HttpRequest, obj: LabelExample) -> None:
        label_examples_delete(examples=[obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[LabelExample]) -> None:
        label_examples_delete(examples=queryset)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "label_set":
            field = super().formfield_for_foreignkey(db_field, request, **kwargs)
            field.label_from_instance = _set_words
            return field
        if db_field.name == "label":
            field = super().formfield_for_foreignkey(db_field, request, **kwargs)
            field.queryset = Label.objects.select_related("label_set")
            field.label_from_instance = lambda label: (
                f"{_set_words(label.label_set)}: {label_words(label.label_set.key, label.name)}"
            )
            return field
        return super().formfield_for_foreignkey(db_field, request, **kwargs)
