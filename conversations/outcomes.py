"""Turns what the ladder decided into what is stored."""

from __future__ import annotations

from conversations.answers.values import AnswerKept
from conversations.enums import Outcome, Reason, Tier
from conversations.ladder import wording
from conversations.ladder.again import answer_to_keep
from conversations.ladder.values import Climbed, Question, Walk
from conversations.services.turns import PassageRecord, ProvenanceRecord, Reply

CITATION_LIMIT = 1000
"""Most characters of a passage in a citation; staff see all of it in the provenance."""


def reply_make(climbed: Climbed) -> Reply:
    """The outcome of a climb, with its provenance."""
    answer, walk = climbed.answer, climbed.walk
    return Reply(
        outcome=answer.outcome,
        text=answer.text,
        tier=answer.tier,
        reason=answer.reason,
        language=answer.language,
        citations=citations_make(walk, answer.cited)
        if walk.reused is None
        else walk.reused.citations,
        action=answer.action,
        choices=answer.choices,
        keep=answer_to_keep(climbed),
        reused_id=walk.reused.cached_id if walk.reused is not None else None,
        provenance=ProvenanceRecord(
            model=walk.model,
            model_hash=walk.model_hash,
            prompt_version_id=walk.prompt_version_id,
            rule_id=walk.rule_id,
            standalone_question=walk.standalone,
            rendered_prompt=[
                {"role": message.role, "content": message.content} for message in walk.prompt
            ],
            rejected_text=walk.rejected,
            details=_details(walk),
            prompt_tokens=walk.usage.prompt_tokens,
            completion_tokens=walk.usage.completion_tokens,
            timings=walk.timings,
            reused_message_id=walk.reused.message_id if walk.reused is not None else None,
            passages=_passages_kept(walk.reused)
            if walk.reused is not None
            else [
                PassageRecord(
                    entry_id=passage.entry_id,
                    revision=passage.revision,
                    score=passage.probability,
                    cited=passage.id in answer.cited,
                    text=f"{passage.question}\n{passage.answer}",
                )
                for passage in walk.passages
            ],
        ),
    )


def _passages_kept(kept: AnswerKept) -> list[PassageRecord]:
    """An answer that is given again was made from what it was made from the first time."""
    return [
        PassageRecord(each.entry_id, each.revision, each.score, each.cited, each.text)
        for each in kept.passages
    ]


def reply_apologise(question: Question, *, reason: Reason | None) -> Reply:
    """The outcome for when the ladder itself failed."""
    return Reply(
        outcome=Outcome.ANSWER,
        text=wording.apology(question.language, reason),
        tier=Tier.APOLOGY,
        reason=reason,
        language=question.language,
    )


def citations_make(walk: Walk, cited: tuple[str, ...]) -> list[dict[str, str]]:
    """Citations as customers see them, in the order of the marks in the text."""
    passages = {passage.id: passage for passage in walk.passages}
    return [
        {
            "id": passages[each].id,
            "title": passages[each].question,
            "text": passages[each].answer[:CITATION_LIMIT],
        }
        for each in cited
        if each in passages
    ]


def _details(walk: Walk) -> dict[str, object]:
    """What the steps noted, and what the model thought, for the transcript that staff read."""
    return {**walk.details, "reasoning": walk.reasoning} if walk.reasoning else walk.details
