"""An answer beside the one of today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from conversations.models import Replay
from knowledge.admin.differences import difference_html


@dataclass(frozen=True, slots=True)
class PassageThenNow:
    """One entry among the passages then and now; ``None`` where it was not found."""

    entry_id: int | None
    title: str
    revision_then: int | None
    revision_now: int | None
    score_then: float | None
    score_now: float | None
    cited_then: bool = False
    cited_now: bool = False

    @property
    def is_changed(self) -> bool:
        """Found only once, in another revision, or cited only once."""
        return self.revision_then != self.revision_now or self.cited_then != self.cited_now


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs; ``difference`` is the text of today with what is new and what is gone."""

    same_text: bool
    difference: SafeString
    same_tier: bool
    same_model: bool
    same_prompt: bool
    passages: Sequence[PassageThenNow]


def replay_comparison(*, replay: Replay) -> Comparison:
    """The old answer of a finished replay against the new one."""
    then = replay.message
    made = getattr(then, "provenance", None)
    return Comparison(
        same_text=then.text == replay.text,
        difference=difference_html(then.text, replay.text),
        same_tier=then.tier == replay.tier and then.reason == replay.reason,
        same_model=made is None or not made.model or not replay.model
        or (made.model, made.model_hash) == (replay.model, replay.model_hash),
        same_prompt=made is None or not made.prompt_version_id or not replay.prompt_version_id
        or made.prompt_version_id == replay.prompt_version_id,
        passages=_passages(replay),
    )  # fmt: skip


def _passages(replay: Replay) -> list[PassageThenNow]:
    made = getattr(replay.message, "provenance", None)
    then = {
        each.entry_id or -each.pk: each
        for each in (made.passages.select_related("entry") if made is not None else ())
    }
    now = {int(each["entry"]): each for each in replay.passages}
    rows = []
    for key in [*now, *(key for key in then if key not in now)]:
        before, after = then.get(key), now.get(key)
        title = after["title"] if after else before.text.partition("\n")[0] if before else ""
        rows.append(
            PassageThenNow(
                entry_id=key if key > 0 else None,
                title=title,
                revision_then=before.entry_revision if before else None,
                revision_now=after["revision"] if after else None,
                score_then=before.score if before else None,
                score_now=after["score"] if after else None,
                cited_then=before.cited if before else False,
                cited_now=after["cited"] if after else False,
            )
        )
    return rows
