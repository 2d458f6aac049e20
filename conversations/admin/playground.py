"""The playground: a draft beside the published version, on questions of one's choice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.translation import get_language, gettext_lazy, override
from django.utils.translation import gettext as _

from conversations.desk import desk_current
from conversations.rehearsal import rehearsal_open
from conversations.trials.filling import questions_recent
from conversations.trials.playing import Play, PlaySide, play_events, prompt_turned
from knowledge.admin.prompt_forms import PARAMETER_BOUNDS
from knowledge.models import PromptTemplate, PromptVersion, QuestionSet, Site
from knowledge.selectors import prompt_value

HISTORY_MOST = 10
TEXT_MOST = 4000
SETS_SHOWN = 8
SET_QUESTIONS_SHOWN = 60
STATE_WORDS = {
    "thinking": gettext_lazy("is searching"),
    "queued": gettext_lazy("waits"),
    "writing": gettext_lazy("writes"),
}


class PlayForm(forms.Form):
    """What the page sends with a question; histories are lists of [question, answer]."""

    left = forms.ModelChoiceField(queryset=PromptVersion.objects.none())
    right = forms.ModelChoiceField(queryset=PromptVersion.objects.none())
    site = forms.ModelChoiceField(queryset=Site.objects.filter(is_active=True))
    text = forms.CharField(max_length=TEXT_MOST)
    asks_model = forms.BooleanField(required=False)
    left_history = forms.JSONField(required=False)
    right_history = forms.JSONField(required=False)
    max_tokens = forms.IntegerField(min_value=1, max_value=2048)
    temperature = forms.FloatField(**PARAMETER_BOUNDS["temperature"])
    top_p = forms.FloatField(**PARAMETER_BOUNDS["top_p"])
    repetition_penalty = forms.FloatField(**PARAMETER_BOUNDS["repetition_penalty"])

    def __init__(self, template: PromptTemplate, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        versions = PromptVersion.objects.filter(template=template).select_related("template")
        for side in ("left", "right"):
            cast(forms.ModelChoiceField, self.fields[side]).queryset = versions

    def clean_left_history(self) -> tuple[tuple[str, str], ...]:
        return _history(self.cleaned_data["left_history"])

    def clean_right_history(self) -> tuple[tuple[str, str], ...]:
        return _history(self.cleaned_data["right_history"])


def playground_page(
    request: HttpRequest, template_id: int, context: dict[str, Any]
) -> HttpResponse:
    """The page of a prompt."""
    template = _template(request, template_id)
    versions = list(template.versions.order_by("-number"))
    if not versions:
        raise Http404
    published = next((v for v in versions if v.status == PromptVersion.Status.PUBLISHED), None)
    left = published or versions[-1]
    right = versions[0]
    sites = Site.objects.filter(is_active=True)
    if template.site_id:
        sites = sites.filter(pk=template.site_id)
    return TemplateResponse(
        request,
        "admin/knowledge/prompttemplate/playground.html",
        {
            **context,
            "title": _("Playground: %(name)s") % {"name": template.name},
            "opts": PromptTemplate._meta,
            "original": template,
            "template": template,
            "versions": versions,
            "left": left,
            "right": right,
            "sites": sites,
            "is_answer": template.role == "answer",
            "parameters": [
                ("max_tokens", _("Most tokens"), right.max_tokens, 1, 512, 1),
                ("temperature", _("Temperature"), right.temperature, 0, 2, 0.05),
                ("top_p", _("Top-p"), right.top_p, 0.05, 1, 0.05),
                ("repetition_penalty", _("Repetition penalty"), right.repetition_penalty, 0.5, 2, 0.05),
            ],
            "recent": questions_recent(language=template.language),
            "sets": _sets(template.language),
            "words": {
                **{state: str(words) for state, words in STATE_WORDS.items()},
                "read": _("read"), "written": _("written"), "first": _("first token"),
                "speed": _("tokens/s"), "total": _("in all"), "cited": _("used"),
                "refused": _("The check refused what the model wrote:"),
                "passages": _("Passages"), "prompt": _("Prompt as the model got it"),
                "ms": _("%(number)s ms"), "s": _("%(number)s s"),
                "unsure": _("unsure"), "stopped": _("Stopped."),
                "broken": _("The connection broke off. Try again."),
                "you": _("You"), "thought": _("What the model thought"),
            },
        },
    )  # fmt: skip


def playground_run(request: HttpRequest, template_id: int) -> HttpResponseBase:
    """Ask both sides; the answer is a line of JSON for each thing that happens."""
    template = _template(request, template_id)
    if request.method != "POST":
        raise PermissionDenied
    form = PlayForm(template, request.POST)
    if not form.is_valid():
        problems = [str(error) for errors in form.errors.values() for error in errors]
        return JsonResponse({"type": "error", "text": " ".join(problems)})
    data = form.cleaned_data
    tried = prompt_turned(
        prompt_value(data["right"]),
        temperature=data["temperature"],
        top_p=data["top_p"],
        repetition_penalty=data["repetition_penalty"],
        max_tokens=data["max_tokens"],
    )
    play = Play(
        site=data["site"],
        role=template.role,
        language=template.language,
        text=data["text"],
        asks_model=data["asks_model"],
        sides=[
            PlaySide("left", prompt_value(data["left"]), data["left_history"]),
            PlaySide("right", tried, data["right_history"]),
        ],
    )
    response = StreamingHttpResponse(
        _lines(play, get_language() or "en"), content_type="application/x-ndjson"
    )
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


async def _lines(play: Play, language: str) -> AsyncIterator[bytes]:
    opened = rehearsal_open(engines=desk_current().engines)
    with override(language):
        async for event in play_events(play, opened=opened):
            yield json.dumps(event, ensure_ascii=False).encode() + b"\n"


def _template(request: HttpRequest, template_id: int) -> PromptTemplate:
    if not request.user.has_perms(("knowledge.change_prompttemplate", "knowledge.add_trial")):
        raise PermissionDenied
    return get_object_or_404(PromptTemplate, pk=template_id)


def _history(value: object) -> tuple[tuple[str, str], ...]:
    """The newest pairs of texts; anything else is left out."""
    rows: Sequence[object] = value if isinstance(value, list) else ()
    pairs = [
        (str(row[0])[:TEXT_MOST], str(row[1])[:TEXT_MOST])
        for row in rows
        if isinstance(row, list) and len(row) == 2
    ]
    return tuple(pairs[-HISTORY_MOST:])


def _sets(language: str) -> list[tuple[str, list[str]]]:
    """Question sets with their questions of a language."""
    found = []
    for question_set in QuestionSet.objects.select_related("site").order_by("-pk")[:SETS_SHOWN]:
        texts = question_set.questions.filter(language=language).values_list("text", flat=True)
        if listed := list(texts[:SET_QUESTIONS_SHOWN]):
            found.append((str(question_set), listed))
    return found
