"""Writes to prompt templates: drafts, publishing, rolling back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from inference.chat import ChatMessage
from inference.prompts.rendering import SAMPLE, PromptSource, prompt_check, prompt_render
from knowledge.models import PromptTemplate, PromptVersion, Site
from knowledge.models.prompts import CONTENT
from knowledge.trials.gate import gate_of, gate_pass

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

REASON_MOST = 500
"""Characters of a reason."""


@transaction.atomic
def prompt_template_create(
    *, site: Site | None, role: str, language: str, name: str
) -> PromptTemplate:
    """Create a template without versions.

    Raises:
        ValidationError: there is one for this site, role and language.
    """
    template = PromptTemplate(site=site, role=role, language=language, name=name)
    # With the site, or the constraint of one template for each role would not be looked at.
    template.full_clean()
    template.save()
    return template


@transaction.atomic
def prompt_draft_save(
    *,
    template: PromptTemplate,
    note: str = "",
    by: AbstractBaseUser | AnonymousUser | None = None,
    **content: Any,
) -> PromptVersion:
    """Write the template's draft: the newest one if it is still a draft, else a new version.

    ``content`` are the values of ``CONTENT``; what is left out keeps the draft's or the model's
    default. A draft need not render.
    """
    unknown = content.keys() - set(CONTENT)
    if unknown:
        raise TypeError(f"A prompt version has no {', '.join(sorted(unknown))}.")
    PromptTemplate.objects.select_for_update().get(pk=template.pk)
    newest = template.versions.order_by("-number").first()
    if newest is not None and newest.status == PromptVersion.Status.DRAFT:
        version = newest
    else:
        version = PromptVersion(template=template, number=_number_next(template))
    for name, value in content.items():
        setattr(version, name, value)
    version.note = note
    version.created_by_id = _person(by)
    version.full_clean(exclude=["template", "created_by"])
    version.save()
    return version


@transaction.atomic
def prompt_publish(
    *,
    version: PromptVersion,
    by: AbstractBaseUser | AnonymousUser | None = None,
    reason: str = "",
) -> PromptVersion:
    """Make a version the one that is used; the one published so far is retired.

    ``reason`` is why it is published although its trial was lost; what the trial said is stored
    with it (see ``knowledge.trials.gate``).

    Raises:
        PromptError: it does not render, so nothing changes.
        PublishRefused: the gate is closed, so nothing changes.
    """
    template = PromptTemplate.objects.select_for_update().get(pk=version.template_id)
    version.refresh_from_db()
    prompt_check(PromptSource(version.system, version.user))
    gate = gate_of(version=version)
    gate_pass(gate=gate, reason=reason)
    version.trial_figures = gate.figures()
    return _publish(template, version, by, reason)


@transaction.atomic
def prompt_rollback(
    *,
    version: PromptVersion,
    by: AbstractBaseUser | AnonymousUser | None = None,
    reason: str = "",
) -> PromptVersion:
    """Publish an earlier version's text again, as a new version, so that history only grows.

    Answers keep naming the version that made them, and each version's dates stay true. An
    unpublished draft stays the newest version and the one that is edited next: the copy takes its
    number, and the draft, which no answer ever used, moves up by one. It needs no trial: it has
    been in use, and going back must be possible while the model is away.

    Raises:
        PromptError: it does not render (any more).
    """
    template = PromptTemplate.objects.select_for_update().get(pk=version.template_id)
    prompt_check(PromptSource(version.system, version.user))
    number = _number_next(template)
    draft = template.versions.filter(status=PromptVersion.Status.DRAFT, number=number - 1).first()
    if draft is not None:
        draft.number = number
        draft.save(update_fields=["number"])
        number -= 1
    copy = PromptVersion(
        template=template,
        number=number,
        restored_from=version,
        created_by_id=_person(by),
        **{name: getattr(version, name) for name in CONTENT},
    )
    copy.save()
    return _publish(template, copy, by, reason)


@transaction.atomic
def prompt_withdraw(*, template: PromptTemplate) -> None:
    """Take the published version out of use: a site's own prompt gives way to the general one, and
    a role without any is not asked for."""
    PromptTemplate.objects.select_for_update().get(pk=template.pk)
    template.versions.filter(status=PromptVersion.Status.PUBLISHED).update(
        status=PromptVersion.Status.RETIRED
    )


def _publish(
    template: PromptTemplate,
    version: PromptVersion,
    by: AbstractBaseUser | AnonymousUser | None,
    reason: str,
) -> PromptVersion:
    template.versions.filter(status=PromptVersion.Status.PUBLISHED).exclude(pk=version.pk).update(
        status=PromptVersion.Status.RETIRED
    )
    version.status = PromptVersion.Status.PUBLISHED
    version.published_at = timezone.now()
    version.published_by_id = _person(by)
    version.publish_reason = reason.strip()[:REASON_MOST]
    version.save(
        update_fields=[
            "status", "published_at", "published_by", "publish_reason", "trial_figures"
        ]
    )  # fmt: skip
    return version


def prompt_preview(*, system: str, user: str, variables: Mapping[str, object]) -> list[ChatMessage]:
    """The messages that the model would get; variables that are left out come from a sample.

    Raises:
        PromptError: why it cannot be rendered.
    """
    return prompt_render(PromptSource(system, user), {**SAMPLE, **variables})


def _person(by: AbstractBaseUser | AnonymousUser | None) -> int | None:
    return by.pk if by is not None and by.is_authenticated else None


def _number_next(template: PromptTemplate) -> int:
    newest: int | None = template.versions.aggregate(newest=Max("number"))["newest"]
    return (newest or 0) + 1
