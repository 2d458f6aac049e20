"""``manage.py evaluate``: scores of the product's parts on labelled files, one JSON object a line."""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from inference.errors import InferenceError
from supportdesk.evaluation.rows import EvaluationError, Row, Score, rows_read, sets_find

if TYPE_CHECKING:
    from supportdesk.evaluation.grounded import GroundedTools

# Seconds that the model may take for one look; nobody waits for it.
_PATIENCE = 120.0
TASKS = ("retrieval", "match", "intent", "sentiment", "grounded", "support", "gaps", "security")


class Command(BaseCommand):
    _tools: GroundedTools | None = None
    help = "Scores the product's parts on labelled JSONL files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("task", choices=TASKS)
        parser.add_argument("--data", type=Path, required=True, help="directory with the files")
        parser.add_argument("--examples", type=Path, help="directory with rows to learn from")
        parser.add_argument("--set", dest="name", help="one set: its file's name without ending")
        parser.add_argument("--limit", type=int, help="at most so many rows of each set")
        parser.add_argument(
            "--no-model", action="store_true", help="labels, grounded: without the chat model"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        task: str = options["task"]
        if options["limit"] is not None and options["limit"] < 1:
            raise CommandError("--limit must be 1 or more.", returncode=2)
        try:
            scores = (
                self._labels(task, options)
                if task in ("intent", "sentiment")
                else self._scores(
                    task,
                    options["data"],
                    options["name"],
                    options["limit"],
                    use_model=not options["no_model"],
                )
            )
            for score in scores:
                self.stdout.write(score.as_json() if options["json"] else _line(score))
                self.stdout.flush()
        except (EvaluationError, InferenceError) as error:
            raise CommandError(str(error)) from error

    def _scores(
        self, task: str, data: Path, name: str | None, limit: int | None, *, use_model: bool
    ) -> Iterator[Score]:
        if task == "match":
            from supportdesk.evaluation.match import encoder_open, match_score

            encoder = encoder_open()
            for one in sets_find(data, "match_", name):
                yield match_score(one, rows_read(data / f"{one}.jsonl", limit), encoder)
            return
        if task == "gaps":
            from supportdesk.evaluation.gaps import gaps_score
            from supportdesk.evaluation.match import encoder_open

            encoder = encoder_open()
            for one in sets_find(data, "intent_", name):
                yield gaps_score(one, rows_read(data / f"{one}.jsonl", limit), encoder)
            return
        if task == "retrieval":
            from supportdesk.evaluation.match import encoder_open
            from supportdesk.evaluation.retrieval import retrieval_score

            encoder = encoder_open()
            for one in sets_find(data, "faq_", name, "_kb"):
                yield asyncio.run(retrieval_score(one, data, encoder, limit))
            return
        if task == "security":
            yield from self._security(data, name, limit)
            return
        for one in sets_find(data, "grounded_", name):
            rows = rows_read(data / f"{one}.jsonl", limit)
            if not any("answers" in row for row in rows):
                self.stderr.write(f"{one}: its rows have no short answers; left out.")
                continue
            if task == "support":
                from supportdesk.evaluation.support import support_score

                yield support_score(one, rows)
            else:
                yield self._grounded(one, rows, use_model=use_model)

    def _labels(self, task: str, options: dict[str, Any]) -> Iterator[Score]:
        from inference.labels.labelling import Labeller
        from supportdesk.evaluation.engines import LocalEncoder, chat_open
        from supportdesk.evaluation.labels import LabelTools, labels_score_run
        from supportdesk.evaluation.match import encoder_open

        data: Path = options["data"]
        learnt: Path | None = options["examples"]
        names = sets_find(data, f"{task}_", options["name"])
        model = None if options["no_model"] else chat_open()
        tools = LabelTools(
            Labeller(model, LocalEncoder(encoder_open())), self.stderr.write, model is not None
        )
        for one in names:
            rows = rows_read(data / f"{one}.jsonl", options["limit"])
            examples = None if learnt is None else rows_read(learnt / f"{one}.jsonl")
            yield labels_score_run(task, one, rows, examples, tools)

    def _security(self, data: Path, name: str | None, limit: int | None) -> Iterator[Score]:
        from supportdesk.evaluation.engines import chat_open
        from supportdesk.evaluation.match import encoder_open
        from supportdesk.evaluation.security import security_score
        from supportdesk.evaluation.shop import entries_shipped

        encoder, chat = encoder_open(), chat_open()
        for one in sets_find(data, "security_", name):
            rows = rows_read(data / f"{one}.jsonl", limit)
            yield asyncio.run(security_score(one, rows, entries_shipped(), encoder, chat))

    def _grounded(self, name: str, rows: list[Row], *, use_model: bool) -> Score:
        from inference.support.verification import ExtractReader
        from supportdesk.evaluation.engines import chat_open
        from supportdesk.evaluation.grounded import GroundedTools, grounded_score
        from supportdesk.evaluation.match import encoder_open

        if self._tools is None:
            reader = ExtractReader(chat_open(), seconds=_PATIENCE) if use_model else None
            self._tools = GroundedTools(encoder_open(), reader)
        return asyncio.run(grounded_score(name, rows, self._tools))


def _line(score: Score) -> str:
    metrics = "  ".join(f"{name} {value:.3f}" for name, value in score.metrics.items())
    return f"{score.task} {score.set} n={score.n}  {metrics}  p50 {score.milliseconds:.0f} ms"
