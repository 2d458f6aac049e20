"""``manage.py evaluate``: scores of the product's parts on labelled files, one JSON object a line."""

from __future__ import annotations

import asyncio
import json
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from inference.errors import InferenceError
from supportdesk.evaluation.rows import (
    EvaluationError,
    Score,
    rows_read,
    rows_split,
    rows_spread,
    sets_find,
)

if TYPE_CHECKING:
    from supportdesk.evaluation.grounded import GroundedOutcome, GroundedTools
    from supportdesk.evaluation.labels import LabelTools

# Seconds that the model may take for one look; nobody waits for it.
_PATIENCE = 120.0
TASKS = (
    "retrieval", "match", "intent", "sentiment", "labelling", "grounded", "support", "gaps",
    "security",
)  # fmt: skip


class Command(BaseCommand):
    help = "Scores the product's parts on labelled JSONL files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("task", choices=TASKS)
        parser.add_argument("--data", type=Path, required=True, help="directory with the files")
        parser.add_argument("--set", dest="name", help="one set: its file's name without ending")
        parser.add_argument("--limit", type=int, help="at most so many rows of each set")
        parser.add_argument("--model", help="a chat model by name; without it that of the settings")
        parser.add_argument(
            "--no-model", action="store_true", help="labels, grounded: without the chat model"
        )
        learnt = parser.add_mutually_exclusive_group()
        learnt.add_argument(
            "--examples", type=Path, help="labels: directory with rows to learn from"
        )
        learnt.add_argument(
            "--hold-out",
            type=float,
            metavar="SHARE",
            help="labels: score this share of each file and learn from the rest of it",
        )
        learnt.add_argument(
            "--shipped", action="store_true", help="labels: learn from the shipped examples"
        )
        parser.add_argument(
            "--coarse", action="store_true", help="labels: groups alone, not the labels in them"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object a line")
        parser.add_argument(
            "--outcomes",
            type=Path,
            metavar="FILE",
            help="grounded: what came of each question, a JSON object a line, as soon as it is known",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["limit"] is not None and options["limit"] < 1:
            raise CommandError("--limit must be 1 or more.", returncode=2)
        if options["hold_out"] is not None and not 0 < options["hold_out"] < 1:
            raise CommandError("--hold-out must lie between 0 and 1.", returncode=2)
        try:
            for score in self._scores(options["task"], options):
                self.stdout.write(score.as_json() if options["json"] else _line(score))
                self.stdout.flush()
        except (EvaluationError, InferenceError) as error:
            raise CommandError(str(error)) from error

    def _scores(self, task: str, options: dict[str, Any]) -> Iterator[Score]:
        data: Path = options["data"]
        name: str | None = options["name"]
        limit: int | None = options["limit"]
        if task in ("intent", "sentiment"):
            yield from self._labels(task, options)
        elif task == "labelling":
            yield from self._labelling(options)
        elif task == "match":
            from supportdesk.evaluation.match import encoder_open, match_score

            encoder = encoder_open()
            for one in sets_find(data, "match_", name):
                yield match_score(one, rows_read(data / f"{one}.jsonl", limit), encoder)
        elif task == "gaps":
            from supportdesk.evaluation.gaps import gaps_score
            from supportdesk.evaluation.match import encoder_open

            encoder = encoder_open()
            for one in sets_find(data, "intent_", name):
                yield gaps_score(one, rows_read(data / f"{one}.jsonl", limit), encoder)
        elif task == "retrieval":
            from supportdesk.evaluation.match import encoder_open
            from supportdesk.evaluation.retrieval import retrieval_score

            encoder = encoder_open()
            for one in sets_find(data, "faq_", name, "_kb"):
                yield asyncio.run(retrieval_score(one, data, encoder, limit))
        elif task == "security":
            yield from self._security(options)
        else:
            yield from self._documents(task, options)

    def _documents(self, task: str, options: dict[str, Any]) -> Iterator[Score]:
        from supportdesk.evaluation.grounded import grounded_score
        from supportdesk.evaluation.support import support_score

        data: Path = options["data"]
        tools: GroundedTools | None = None
        for one in sets_find(data, "grounded_", options["name"]):
            rows = rows_read(data / f"{one}.jsonl", options["limit"])
            if not any("answers" in row for row in rows):
                self.stderr.write(f"{one}: its rows have no short answers; left out.")
            elif task == "support":
                yield support_score(one, rows)
            else:
                tools = tools or _grounded_tools(options)
                with _outcomes_open(options["outcomes"]) as tell:
                    score = asyncio.run(grounded_score(one, rows, tools, tell))
                yield score

    def _label_tools(self, options: dict[str, Any]) -> LabelTools:
        from inference.labels.labelling import Labeller
        from supportdesk.evaluation.engines import LocalChat, LocalEncoder, chat_open
        from supportdesk.evaluation.labels import LabelTools
        from supportdesk.evaluation.match import encoder_open

        chat = None if options["no_model"] else chat_open(options["model"])
        return LabelTools(
            Labeller(chat, LocalEncoder(encoder_open())),
            self.stderr.write,
            _model_name(options),
            options["shipped"],
            options["coarse"],
            chat if isinstance(chat, LocalChat) else None,
        )

    def _labels(self, task: str, options: dict[str, Any]) -> Iterator[Score]:
        from supportdesk.evaluation.labels import labels_score_run

        data: Path = options["data"]
        learnt: Path | None = options["examples"]
        names = sets_find(data, f"{task}_", options["name"])
        tools = self._label_tools(options)
        for one in names:
            rows = rows_read(data / f"{one}.jsonl")
            examples = None if learnt is None else rows_read(learnt / f"{one}.jsonl")
            if options["hold_out"] is not None:
                examples, rows = rows_split(rows, options["hold_out"])
            yield labels_score_run(task, one, rows_spread(rows, options["limit"]), examples, tools)

    def _labelling(self, options: dict[str, Any]) -> Iterator[Score]:
        from supportdesk.evaluation.labelling import labelling_scores

        yield from labelling_scores(
            options["data"], options["name"], options["limit"], self._label_tools(options)
        )

    def _security(self, options: dict[str, Any]) -> Iterator[Score]:
        from supportdesk.evaluation.engines import chat_open
        from supportdesk.evaluation.match import encoder_open
        from supportdesk.evaluation.security import security_score
        from supportdesk.evaluation.shop import entries_shipped

        data: Path = options["data"]
        names = sets_find(data, "security_", options["name"])
        encoder, chat = encoder_open(), chat_open(options["model"])
        for one in names:
            rows = rows_read(data / f"{one}.jsonl", options["limit"])
            score = asyncio.run(
                security_score(one, rows, entries_shipped(), encoder, chat, self.stderr.write)
            )
            yield replace(score, model=_model_name(options))


def _grounded_tools(options: dict[str, Any]) -> GroundedTools:
    from inference.support.verification import ExtractReader
    from supportdesk.evaluation.engines import chat_open
    from supportdesk.evaluation.grounded import GroundedTools
    from supportdesk.evaluation.match import encoder_open

    reader: ExtractReader | None = None
    if not options["no_model"]:
        reader = ExtractReader(chat_open(options["model"]), seconds=_PATIENCE)
    return GroundedTools(encoder_open(), reader, _model_name(options))


@contextmanager
def _outcomes_open(path: Path | None) -> Iterator[Callable[[GroundedOutcome], None]]:
    """A function that adds outcomes to a file, if there is to be one."""
    if path is None:
        yield lambda outcome: None
        return
    try:
        lines = path.open("a", encoding="utf-8", buffering=1)
    except OSError as error:
        raise EvaluationError(f"{path} cannot be written: {error.strerror}.") from error
    with lines:
        yield lambda outcome: print(json.dumps(asdict(outcome)), file=lines)


def _model_name(options: dict[str, Any]) -> str:
    """The chat model that takes part, "" for none."""
    return "" if options["no_model"] else options["model"] or settings.MODEL


def _line(score: Score) -> str:
    metrics = "  ".join(f"{name} {value:.3f}" for name, value in score.metrics.items())
    how = " ".join(part for part in (score.model, score.way) if part)
    return f"{score.task} {score.set} {how} n={score.n}  {metrics}  p50 {score.milliseconds:.0f} ms"
