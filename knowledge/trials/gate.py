"""The publish gate: what the trials of a draft say, and whether it may be published.

A draft is **worse** when, in the newest trial on any question set, it surely loses (the whole 95 %
interval of the paired difference lies below zero) or loses more than the site's margin (by default:
anything at all). Answers are decoded greedily, so a lost question is one that customers would lose
too; the margin is for sites whose sets hold questions that they care less about. A worse version is
published only with a written reason, which is stored with it beside the figures. A site may also
require a trial of the very text that is published, against what is published now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Min

from knowledge.models import PromptVersion, Site, Trial
from knowledge.trials.paired import PairedComparison
from knowledge.trials.selectors import trial_comparison

GATED_ROLE = "answer"
"""Only answers can be tried on questions."""


class PublishRefused(Exception):
    """The gate is closed; ``code`` is ``trial_required`` or ``reason_required``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """A finished trial with its figures."""

    trial: Trial
    comparison: PairedComparison


@dataclass(frozen=True, slots=True)
class Gate:
    """What stands between a draft and its publication.

    Attributes:
        outcomes: the newest finished trial of this very text on each set, newest first.
        is_required: whether it needs one.
        margin: share of right answers that may be lost without a reason, 0 to 1.
        is_outdated: there were trials, but of another text or against another published version.
    """

    outcomes: Sequence[TrialOutcome] = ()
    is_required: bool = False
    margin: float = 0.0
    is_outdated: bool = False

    @property
    def is_missing(self) -> bool:
        """A trial is required and there is none."""
        return self.is_required and not self.outcomes

    @property
    def worse(self) -> list[TrialOutcome]:
        """The outcomes for which a reason is due."""
        return [one for one in self.outcomes if is_worse(one.comparison, margin=self.margin)]

    def figures(self) -> dict[str, object]:
        """What is stored with the version that is published."""
        if not self.outcomes:
            return {}
        return {
            "margin": self.margin,
            "trials": [
                {
                    "trial": one.trial.pk,
                    "set": str(one.trial.question_set),
                    "questions": one.comparison.total,
                    "baseline": one.comparison.baseline,
                    "candidate": one.comparison.candidate,
                    "difference": round(one.comparison.difference, 4),
                    "low": round(one.comparison.low, 4),
                    "high": round(one.comparison.high, 4),
                    "worse": is_worse(one.comparison, margin=self.margin),
                }
                for one in self.outcomes
            ],
        }


def is_worse(comparison: PairedComparison, *, margin: float) -> bool:
    """Whether publishing it needs a reason; see the module."""
    return comparison.is_surely_worse or comparison.difference < -margin


def gate_of(*, version: PromptVersion) -> Gate:
    """The gate before a version, as its text is stored now."""
    template = version.template
    if template.role != GATED_ROLE:
        return Gate()
    published = template.versions.filter(status=PromptVersion.Status.PUBLISHED).first()
    if published is None or published.pk == version.pk:
        return Gate()
    trials = (
        Trial.objects.filter(
            candidate=version,
            state=Trial.State.DONE,
            model="",
            direct_probability=None,
            relevant_probability=None,
        )
        .select_related("question_set")
        .order_by("-created_at", "-pk")
    )
    newest: dict[int, Trial] = {}
    outdated = False
    content = version.content_hash()
    for trial in trials:
        if trial.candidate_hash == content and trial.baseline_id == published.pk:
            newest.setdefault(trial.question_set_id, trial)
        else:
            outdated = True
    is_required, margin = _terms(template.site)
    return Gate(
        outcomes=[TrialOutcome(one, trial_comparison(trial=one)) for one in newest.values()],
        is_required=is_required,
        margin=margin,
        is_outdated=outdated and not newest,
    )


def gate_pass(*, gate: Gate, reason: str) -> None:
    """Let a version through, or say why not.

    Raises:
        PublishRefused: a trial is missing, or the reason for a worse version.
    """
    if gate.is_missing:
        raise PublishRefused("trial_required")
    if gate.worse and not reason.strip():
        raise PublishRefused("reason_required")


def _terms(site: Site | None) -> tuple[bool, float]:
    """Whether a trial is required, and the margin; of a prompt for every site, the strictest."""
    if site is not None:
        return site.trial_is_required, site.trial_margin / 100
    active = Site.objects.filter(is_active=True)
    margin = active.aggregate(least=Min("trial_margin"))["least"]
    return active.filter(trial_is_required=True).exists(), (margin or 0.0) / 100
