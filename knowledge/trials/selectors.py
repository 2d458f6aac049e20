"""Reads of trials: how far they are, what they found, and on which questions the sides differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from django.db.models import Count, QuerySet

from knowledge.models import PromptVersion, Trial, TrialAnswer, TrialQuestion
from knowledge.trials.paired import PairedComparison, paired_compare

Side = TrialAnswer.Side


@dataclass(frozen=True, slots=True)
class TrialProgress:
    """Answers that are there, and how many there will be."""

    done: int
    total: int

    @property
    def percent(self) -> int:
        return round(100 * self.done / self.total) if self.total else 0


@dataclass(frozen=True, slots=True)
class AnswerPair:
    """A question with what each side said; a side may not have answered yet."""

    question: TrialQuestion
    baseline: TrialAnswer | None
    candidate: TrialAnswer | None

    @property
    def kind(self) -> str:
        """``lost``, ``gained``, ``both``, ``neither`` or ``open``."""
        if self.baseline is None or self.candidate is None:
            return "open"
        if self.baseline.is_right == self.candidate.is_right:
            return "both" if self.baseline.is_right else "neither"
        return "gained" if self.candidate.is_right else "lost"


@dataclass(frozen=True, slots=True)
class SideFigures:
    """How one side worked.

    Attributes:
        written: answers that the model wrote and customers would have read.
        refused: texts of the model that the support check did not let through.
        first_token_ms, total_ms, completion_tokens: medians over all texts of the model; ``None``
            when it wrote none.
    """

    side: str
    written: int
    refused: int
    first_token_ms: float | None
    total_ms: float | None
    completion_tokens: float | None


def trials_listed() -> QuerySet[Trial]:
    """Trials with what their list shows."""
    return Trial.objects.select_related(
        "question_set__site", "candidate__template", "baseline", "created_by"
    ).annotate(question_count=Count("questions", distinct=True))


def trials_running(*, version: PromptVersion) -> QuerySet[Trial]:
    """Trials of a draft that are not over, the newest first."""
    unfinished = (Trial.State.WAITING, Trial.State.RUNNING)
    trials = Trial.objects.filter(candidate=version, state__in=unfinished)
    return trials.select_related("question_set").order_by("-created_at", "-pk")


def trial_progress(*, trial: Trial) -> TrialProgress:
    """How far a trial is."""
    done = TrialAnswer.objects.filter(question__trial=trial).count()
    return TrialProgress(done, len(Side.values) * trial.questions.count())


def trial_comparison(*, trial: Trial) -> PairedComparison:
    """The sides compared on the questions that both have answered."""
    rows: dict[int, dict[str, bool]] = {}
    answers = TrialAnswer.objects.filter(question__trial=trial)
    for question, side, right in answers.values_list("question_id", "side", "is_right"):
        rows.setdefault(question, {})[side] = right
    return paired_compare(
        (row[Side.BASELINE], row[Side.CANDIDATE])
        for row in rows.values()
        if len(row) == len(Side.values)
    )


_ORDER = {"lost": 0, "gained": 1, "neither": 2, "open": 3, "both": 4}


def trial_pairs(*, trial: Trial) -> list[AnswerPair]:
    """Every question with both answers: what was lost first, then what was gained, then the rest."""
    pairs = []
    for question in trial.questions.prefetch_related("answers"):
        said = {answer.side: answer for answer in question.answers.all()}
        pairs.append(AnswerPair(question, said.get(Side.BASELINE), said.get(Side.CANDIDATE)))
    return sorted(pairs, key=lambda pair: (_ORDER[pair.kind], pair.question.position))


def side_figures(*, pairs: Sequence[AnswerPair]) -> list[SideFigures]:
    """How fast each side wrote."""
    figures = []
    for side in (Side.BASELINE, Side.CANDIDATE):
        answers = [getattr(pair, side.value) for pair in pairs]
        written = [one for one in answers if one is not None and one.first_token_ms is not None]
        refused = [one for one in written if one.rejected]
        figures.append(
            SideFigures(
                side=str(side.label),
                written=len(written) - len(refused),
                refused=len(refused),
                first_token_ms=_median([one.first_token_ms for one in written]),
                total_ms=_median([one.total_ms for one in written if one.total_ms is not None]),
                completion_tokens=_median([one.completion_tokens for one in written]),
            )
        )
    return figures


def _median(values: Sequence[float]) -> float | None:
    return float(median(values)) if values else None
