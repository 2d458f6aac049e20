"""``evaluate labelling``: how long sentiment and intent of one message take together.

Both sets are learnt from rows first (``sentiment_*`` and ``intent_*`` of one language), so the choice
of examples is part of every labelling, as is the message's vector, made once for both. Each message
is labelled in every way in turn, so that what else the machine does meets all ways alike. Beside the
time that passed stands the processor's time: on a busy machine, and with one core (``taskset -c 0``),
it is what a quiet one would need.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.labels.classifier import LabelClassifier
from inference.labels.values import LabelSet
from inference.labels.views import Vectors
from supportdesk.evaluation.labels import LabelTools, label_learn, label_set_of, prefixes_keep
from supportdesk.evaluation.rows import Row, Score, rows_read, rows_spread, sets_find

_MESSAGES: Final = 100
_PATIENCE: Final = 600.0
# Rows of sentiment in the language of a set of intents.
_SENTIMENT: Final = {"en": "sentiment_en_uci_reviews", "zh": "sentiment_zh_online_shopping"}


@dataclass(frozen=True, slots=True)
class _Learnt:
    label_set: LabelSet
    classifier: LabelClassifier


def labelling_scores(
    data: Path, name: str | None, limit: int | None, tools: LabelTools
) -> Iterator[Score]:
    """Times in milliseconds for each set of intents, its rows being the messages.

    ``as_learnt``: the model is asked of the messages that the fit says (``inference/labels/cascade.py``);
    ``asked`` and ``unasked``: always for both sets, and never. ``sentiment_asked``, ``intent_asked``
    and ``any_asked`` are the shares of the messages of which it was asked as learnt.
    """
    for one in sets_find(data, "intent_", name):
        language = one.split("_")[1]
        rows = rows_read(data / f"{one}.jsonl")
        key = "group_full" if all("group_full" in row for row in rows) else "label"
        feelings = rows_read(data / f"{_SENTIMENT[language]}.jsonl")
        pairs = (("sentiment", "label", feelings), ("intent", key, rows))
        yield asyncio.run(_score(one, pairs, rows_spread(rows, limit or _MESSAGES), tools))


async def _score(
    name: str,
    pairs: Sequence[tuple[str, str, Sequence[Row]]],
    messages: Sequence[Row],
    tools: LabelTools,
) -> Score:
    learnt: list[_Learnt] = []
    for task, key, rows in pairs:
        label_set = label_set_of(task, key, rows, rows, shipped=tools.shipped)
        await prefixes_keep(tools.chat, [label_set])
        classifier = await label_learn(f"{name} {task}", label_set, tools)
        learnt.append(_Learnt(label_set, classifier))
    await prefixes_keep(tools.chat, [one.label_set for one in learnt])
    ways = ("as_learnt", "asked", "unasked") if tools.use_model else ("unasked",)
    times: dict[str, list[float]] = {way: [] for way in ways}
    worked: dict[str, list[float]] = {way: [] for way in ways}
    asked: list[list[bool]] = []
    for number, message in enumerate(messages):
        # Whoever comes first pays for what the processor has forgotten meanwhile.
        turn = number % len(ways)
        for way in (*ways[turn:], *ways[:turn]):
            started, began = time.perf_counter(), time.process_time()
            put = await _labelled(str(message["text"]), learnt, way, tools)
            if way == "as_learnt":
                asked.append(put)
            worked[way].append((time.process_time() - began) * 1000)
            times[way].append((time.perf_counter() - started) * 1000)
    metrics = {f"ms_p50_{way}": statistics.median(spent) for way, spent in times.items()}
    metrics |= {f"processor_ms_p50_{way}": statistics.median(w) for way, w in worked.items()}
    metrics |= {
        f"ms_p95_{way}": statistics.quantiles(spent, n=20)[-1]
        for way, spent in times.items()
        if len(spent) > 1
    }
    metrics |= {
        f"{pair[0]}_wants_model": float(one.classifier.wants_model)
        for pair, one in zip(pairs, learnt, strict=True)
    }
    if asked:
        for (task, _key, _rows), column in zip(pairs, zip(*asked, strict=True), strict=True):
            metrics[f"{task}_asked"] = statistics.fmean(column)
        metrics["any_asked"] = statistics.fmean(any(row) for row in asked)
    metrics["examples"] = float(sum(len(one.label_set.examples) for one in learnt))
    milliseconds = metrics[f"ms_p50_{ways[0]}"]
    way = tools.way(learnt)
    return Score("labelling", name, len(messages), metrics, milliseconds, tools.model, way)


async def _labelled(
    text: str, learnt: Sequence[_Learnt], way: str, tools: LabelTools
) -> list[bool]:
    """Label by every set; tells for each whether the model was asked."""
    vectors = await tools.labeller.vectors([text], timeout=_PATIENCE)
    asked: list[bool] = []
    for one in learnt:
        look = one.classifier.look(text, None if vectors is None else vectors[0])
        asks = way == "asked" or (way == "as_learnt" and not look.is_enough)
        said: Vectors | None = None
        if asks:
            [said] = await tools.labeller.logprobs(
                one.label_set, one.classifier.candidates, [text], timeout=_PATIENCE
            )
        one.classifier.look_label(one.label_set, look, said)
        asked.append(asks)
    return asked
