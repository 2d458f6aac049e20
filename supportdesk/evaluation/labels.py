"""``evaluate sentiment`` and ``evaluate intent``: the product's labels on labelled rows.

With ``--examples`` the set of the same name there is learnt from, with ``--hold-out`` the rest of the
same file, with ``--shipped`` the examples that ship with the product. Without any of these the
product's own prompt decides alone ("zero-shot"): by the chat model where each label has words, else
by the likeness to the labels' names. The labels are those that occur in the rows; a set as shipped
keeps its own, and of those the likeliest one that occurs in the rows is scored. Prompts are those
of ``knowledge/defaults/labels.toml``.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from django.conf import settings

from inference.labels.classifier import LabelClassifier
from inference.labels.fitting import revision_of
from inference.labels.labelling import Labeller, label_head
from inference.labels.learning import classifier_learn
from inference.labels.ridge import macro_f1
from inference.labels.storage import classifier_dump, classifier_load
from inference.labels.values import Label, LabelExample, Labelling, LabelSet
from inference.labels.views import MODEL
from inference.text.language import language_of
from knowledge.services.label_defaults import label_default
from supportdesk.evaluation.engines import LocalChat
from supportdesk.evaluation.rows import Row, Score

OUT_OF_SCOPE: Final = "oos"
_PATIENCE = 600.0
_BINS = 10
_PROBABILITY_LEAST = 1e-6
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LabelTools:
    """What labels are made with.

    ``model`` is the chat model's name, "" for none; ``shipped`` learns from the shipped examples;
    ``coarse`` leaves out the finer labels of rows that have groups. With ``chat``, a model in this
    process, a set's instructions are kept read, as a desk keeps them.
    """

    labeller: Labeller
    say: Say
    model: str = ""
    shipped: bool = False
    coarse: bool = False
    chat: LocalChat | None = None

    @property
    def use_model(self) -> bool:
        return bool(self.model)

    def way(self, examples: object) -> str:
        """How labels are found: "shipped", "learnt" or "zero-shot"."""
        return "shipped" if self.shipped else "zero-shot" if examples is None else "learnt"


async def labels_score(
    task: str, name: str, rows: Sequence[Row], examples: Sequence[Row] | None, tools: LabelTools
) -> Score:
    """Score one file. Rows with ``bot`` are learnt and scored for each bot apart, and the mean of
    the bots is told; rows with ``group_full`` also by that coarser label."""
    parts: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        parts[str(row.get("bot", ""))].append(row)
    metrics: dict[str, list[float]] = defaultdict(list)
    single: dict[str, float] = {}
    times: list[float] = []
    for bot, some in sorted(parts.items()):
        known = None if examples is None else [r for r in examples if str(r.get("bot", "")) == bot]
        got, spent = await _part_score(task, name, some, known, tools)
        times += spent
        for metric, value in got.items():
            metrics[metric].append(value)
            if bot:
                single[f"{metric}_{bot}"] = value
    means = {metric: float(np.mean(values)) for metric, values in metrics.items()}
    return Score(
        task, name, len(rows), {**means, **single}, statistics.median(times or [0.0]),
        tools.model, tools.way(examples),
    )  # fmt: skip


async def _part_score(
    task: str, name: str, rows: Sequence[Row], examples: Sequence[Row] | None, tools: LabelTools
) -> tuple[dict[str, float], list[float]]:
    grouped = all("group_full" in row for row in rows)
    metrics: dict[str, float] = {}
    times: list[float] = []
    fine = () if tools.coarse else ("label",)
    for key in ("group_full", *fine) if grouped else ("label",):
        said, classifier, spent = await _labelled(task, name, key, rows, examples, tools)
        true = [str(row[key]) for row in rows]
        got = _metrics(said, true, classifier, shipped=tools.shipped)
        if grouped and key == "label":
            got = {f"{metric}_fine": value for metric, value in got.items()}
        metrics |= got
        times += spent if not times else []
    return metrics, times


def _metrics(
    said: Sequence[Labelling],
    true: Sequence[str],
    classifier: LabelClassifier | None,
    *,
    shipped: bool,
) -> dict[str, float]:
    predicted = [_best(labelling, set(true) if shipped else None) for labelling in said]
    if classifier is not None and OUT_OF_SCOPE in true and OUT_OF_SCOPE not in classifier.names:
        predicted = [labelling.label or OUT_OF_SCOPE for labelling in said]
    metrics = {
        "accuracy": sum(p == t for p, t in zip(predicted, true, strict=True)) / len(true),
        "macro_f1": macro_f1(predicted, true),
    }
    metrics |= _probability_metrics(said, true)
    outside = [p for p, t in zip(predicted, true, strict=True) if t == OUT_OF_SCOPE]
    if outside:
        metrics["oos_recall"] = outside.count(OUT_OF_SCOPE) / len(outside)
    if classifier is not None:
        # The better the more rows: every example is scored by the others.
        for views, score in classifier.fit.scores.items():
            metrics[f"left_out_accuracy {views}"] = score.accuracy
            metrics[f"left_out_macro_f1 {views}"] = score.macro_f1
            metrics[f"left_out_log_loss {views}"] = score.log_loss
    if classifier is not None and classifier.model is not None:
        gain = classifier.fit.gain
        metrics["model_adds"] = float(classifier.fit.model_adds)
        metrics["model_gain_log_loss"] = 0.0 if gain is None else gain.log_loss
        metrics["model_gain_error"] = 0.0 if gain is None else gain.error
        metrics["model_gain_decisions"] = 0.0 if gain is None else gain.decisions
        metrics["model_gain_decisions_error"] = 0.0 if gain is None else gain.decisions_error
        metrics["model_asked"] = sum(MODEL in one.views for one in said) / len(said)
    return metrics


def _probability_metrics(said: Sequence[Labelling], true: Sequence[str]) -> dict[str, float]:
    """How good the probabilities are; none where the set knows none of the true labels.

    ``log_loss`` is in nats a row whose label the set knows. ``calibration_error`` is the mean distance between the likeliest
    label's probability and how often it is right, over tenths of the probability (expected
    calibration error). ``told`` is the share of rows whose label reached its threshold.
    """
    pairs = [(dict(one.probabilities), t) for one, t in zip(said, true, strict=True)]
    known = [probabilities[t] for probabilities, t in pairs if t in probabilities]
    if not known:
        return {}
    sure = np.array([one.probability for one in said])
    right = np.array([one.best == t for one, t in zip(said, true, strict=True)])
    tenths = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    gaps = [float((right[tenths == tenth] - sure[tenths == tenth]).sum()) for tenth in set(tenths)]
    return {
        "log_loss": float(-np.mean(np.log(np.maximum(known, _PROBABILITY_LEAST)))),
        "calibration_error": sum(abs(gap) for gap in gaps) / len(said),
        "told": sum(one.label is not None for one in said) / len(said),
    }


def _best(labelling: Labelling, among: Collection[str] | None) -> str:
    """The likeliest label, of all or among these."""
    names = (name for name, _ in labelling.probabilities if among is None or name in among)
    return next(names, labelling.best)


async def _labelled(
    task: str,
    name: str,
    key: str,
    rows: Sequence[Row],
    examples: Sequence[Row] | None,
    tools: LabelTools,
) -> tuple[list[Labelling], LabelClassifier | None, list[float]]:
    label_set = label_set_of(task, key, rows, examples or (), shipped=tools.shipped)
    await prefixes_keep(tools.chat, [label_set])
    classifier: LabelClassifier | None = None
    if label_set.examples:
        classifier = await label_learn(f"{name}.{key}", label_set, tools)
        tools.say(f"{name} {key}: {_views_told(classifier)}")
    said: list[Labelling] = []
    times: list[float] = []
    for row in rows:
        started = time.perf_counter()
        said += await tools.labeller.label(
            label_set, [str(row["text"])], classifier=classifier, timeout=_PATIENCE
        )
        times.append((time.perf_counter() - started) * 1000)
    return said, classifier, times


def label_set_of(
    task: str, key: str, rows: Sequence[Row], examples: Sequence[Row], *, shipped: bool = False
) -> LabelSet:
    """The product's own set for this task in the rows' language, with the rows' labels and examples;
    or as it ships."""
    language = Counter(language_of(str(row["text"])) for row in rows).most_common(1)[0][0]
    default = label_default(task, language)
    if shipped:
        return default
    own = {label.name: label for label in default.labels}
    names = sorted({str(row[key]) for row in examples or rows})
    labels = tuple(
        own.get(label) or Label(label, description=label.replace("_", " ")) for label in names
    )
    # The same text twice would be judged by itself.
    texts = {str(row["text"]): LabelExample(str(row["text"]), str(row[key])) for row in examples}
    return LabelSet(default.name, labels, default.system, default.user, tuple(texts.values()))


async def prefixes_keep(chat: LocalChat | None, sets: Sequence[LabelSet]) -> None:
    """Have the engine keep the instructions of these sets."""
    if chat is not None:
        await chat.prefixes_keep([head for one in sets if (head := label_head(one))])


async def label_learn(name: str, label_set: LabelSet, tools: LabelTools) -> LabelClassifier:
    """The classifier of these examples: kept in the cache directory, or learnt now."""
    revision = revision_of(label_set, tools.model, settings.EMBEDDING_MODEL)
    kept = Path(settings.CACHE_DIR) / "labels" / f"{revision[:32]}.npz"
    if kept.exists():
        return classifier_load(kept.read_bytes())
    classifier = await classifier_learn(
        label_set,
        tools.labeller,
        revision=revision,
        use_model=tools.use_model,
        progress=lambda line: tools.say(f"{name}: {line}"),
    )
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(classifier_dump(classifier))
    return classifier


def _views_told(classifier: LabelClassifier) -> str:
    scores = "; ".join(
        f"{views} {score.accuracy:.3f}" for views, score in sorted(classifier.fit.scores.items())
    )
    share = classifier.fit.cascade.asked
    verdict = f"asked of {share:.2f} of the examples" if classifier.wants_model else "not asked"
    return f"accuracy on left-out examples: {scores}; the model is {verdict}"


def labels_score_run(
    task: str, name: str, rows: Sequence[Row], examples: Sequence[Row] | None, tools: LabelTools
) -> Score:
    """See :func:`labels_score`; runs the event loop."""
    return asyncio.run(labels_score(task, name, rows, examples, tools))
