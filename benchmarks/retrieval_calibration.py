"""Fits the retrieval's ranking and probabilities, and reports how well they hold elsewhere.

    python -m benchmarks.retrieval_calibration --data DIR [--vectors DIR] [--fit-rank]

DIR has pairs ``faq_NAME_kb.jsonl`` (id, question, answer, lang) and ``faq_NAME_queries.jsonl``
(text, gold: list of ids). Printed are the coefficients for ``knowledge/retrieval/calibration.py``
and, for each set, what models fitted on the other sets reach. Nothing of the rows is kept but, with
``--vectors``, their vectors for the next run.

The two shops of ``tests/answers`` that are no held-out ones are sets too: their questions near to an
entry that do not answer it are what a shop hears, and no public set has them.

Samples. For each query: the whole knowledge base; the knowledge base without its answers ("not in
the knowledge base"); a shop of thirty entries with its answer; a shop of thirty without; a shop
of thirty of another set in the same language. Every public set weighs the same, a shop
``SHOP_WEIGHT`` times that, and gives ``QUERIES_MOST`` queries at most, spread over its file.

The probability is fitted on the shops of thirty and our own two alone: a customer's shop is of that
size, and in a knowledge base of a thousand entries the first one is right less often.

The ranking is a conditional logit over the entries of a query (McFadden 1974), the probability a
logistic regression on the first entry of the ranking; both with a ridge, by Newton's method.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import django
import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "supportdesk.settings")
django.setup()

from django.conf import settings  # noqa: E402 (models need the settings)

from benchmarks.answers import entries_read, questions_read  # noqa: E402
from inference.engines.encoder import EncoderEngine  # noqa: E402
from inference.weights.store import model_verify  # noqa: E402
from knowledge.retrieval.calibration import HYBRID, KEYWORDS  # noqa: E402
from knowledge.retrieval.common import common_questions  # noqa: E402
from knowledge.retrieval.entries import IndexedEntry  # noqa: E402
from knowledge.retrieval.features import (  # noqa: E402
    KEYWORD_FEATURES,
    LEAD_MOST,
    VECTOR_FEATURES,
)
from knowledge.retrieval.index import (  # noqa: E402
    Candidate,
    SiteIndex,
    entries_by_id,
    texts_of,
)
from knowledge.retrieval.vectors import QUESTION, WHOLE, VectorTable, question_form  # noqa: E402

Floats = NDArray[np.float64]

SHOP = 30
RIDGE = 1.0
PRECISION = 0.95
SHOP_WEIGHT = 1.0
QUERIES_MOST = 350
SHOPS = ("demo", "bicycles")
RANDOM = np.random.default_rng(20)


@dataclass(frozen=True)
class FaqSet:
    """One set: entries, queries, and the vectors of both."""

    name: str
    language: str
    entries: list[IndexedEntry]
    queries: list[str]
    gold: list[frozenset[int]]
    table: VectorTable
    query_vectors: NDArray[np.float32]
    languages: tuple[str, ...] = ()
    """Of the queries, if they differ."""

    @property
    def is_shop(self) -> bool:
        return bool(self.languages)


@dataclass(frozen=True)
class Sample:
    """One query against one knowledge base: its candidates, and which of them answer it."""

    kind: str
    candidates: list[Candidate]
    right: NDArray[np.bool_]


@dataclass(frozen=True)
class Model:
    """Fitted weights by feature."""

    rank: dict[str, float]
    probability: dict[str, float]
    intercept: float


def set_read(data: Path, name: str, embed: Callable[[str, list[str], str], NDArray]) -> FaqSet:
    rows = _rows(data / f"faq_{name}_kb.jsonl")
    queries = _rows(data / f"faq_{name}_queries.jsonl")
    language = "zh-hans" if rows[0]["lang"] == "zh" else "en"
    entries = [
        IndexedEntry(number, 1, row["question"], (), row["answer"], "", language)
        for number, row in enumerate(rows)
    ]
    number_of = {row["id"]: number for number, row in enumerate(rows)}
    texts = [row["text"] for row in queries]
    return FaqSet(
        name=name,
        language=language,
        entries=entries,
        queries=texts,
        gold=[frozenset(number_of[one] for one in row["gold"]) for row in queries],
        table=_table(name, entries, embed),
        query_vectors=embed(f"{name}-queries", [question_form(text) for text in texts], QUESTION),
    )


def thinned(one: FaqSet) -> FaqSet:
    """The set with :data:`QUERIES_MOST` of its queries."""
    last, count = len(one.queries) - 1, min(len(one.queries), QUERIES_MOST)
    kept = np.unique(np.linspace(0, last, count).astype(int))
    return replace(
        one,
        queries=[one.queries[number] for number in kept],
        gold=[one.gold[number] for number in kept],
        query_vectors=one.query_vectors[kept],
    )


def shop_read(name: str, embed: Callable[[str, list[str], str], NDArray]) -> FaqSet:
    """A shop of ``tests/answers`` with its questions, those across languages left out."""
    asked = [one for one in questions_read() if one.shop == name and one.kind != "other_language"]
    rows = entries_read(name)
    entries = [
        IndexedEntry(
            number,
            1,
            row["question"],
            tuple(row.get("phrasings", ())),
            row["answer"],
            " ".join(row.get("keywords", ())),
            row["language"],
        )
        for number, row in enumerate(rows)
    ]
    texts_asked = [one.text for one in asked]
    return FaqSet(
        name=name,
        language="",
        entries=entries,
        queries=texts_asked,
        gold=[
            frozenset(
                n
                for n, row in enumerate(rows)
                if row["key"] in one.expected and row["language"] == one.language
            )
            for one in asked
        ],
        table=_table(name, entries, embed),
        query_vectors=embed(
            f"{name}-queries", [question_form(text) for text in texts_asked], QUESTION
        ),
        languages=tuple(one.language for one in asked),
    )


def _table(
    name: str, entries: Sequence[IndexedEntry], embed: Callable[[str, list[str], str], NDArray]
) -> VectorTable:
    """The vectors of all that the index wants of some entries."""
    table = VectorTable()
    texts = texts_of(entries)
    for kind in (QUESTION, WHOLE):
        chosen = {key: item.text for key, item in texts.items() if item.kind == kind}
        if chosen:
            vectors = embed(f"{name}-{kind}", list(chosen.values()), kind)
            table.add(dict(zip(chosen, vectors, strict=True)))
    return table


def shop_samples(one: FaqSet, *, vectors: bool) -> list[Sample]:
    """Each question to its own shop; the language's own entries, as a customer is answered."""
    common = common_questions(settings.EMBEDDING_MODEL)
    index = SiteIndex.built(entries_by_id(one.entries), common=common)
    samples = []
    for number, text in enumerate(one.queries):
        language, gold = one.languages[number], one.gold[number]
        found = index.candidates(
            text,
            language=language,
            vector=one.query_vectors[number] if vectors else None,
            table=one.table,
        )
        found = [c for c in found if c.entry.language == language]
        right = np.array([c.entry.entry_id in gold for c in found], dtype=bool)
        samples.append(Sample("whole" if gold else "whole, absent", found, right))
    return samples


def _rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def embedder(cache: Path | None) -> Callable[[str, list[str], str], NDArray]:
    """A function that embeds texts one by one with the product's encoder."""
    opened: list[EncoderEngine] = []

    def embed(name: str, texts: list[str], kind: str) -> NDArray:
        path = cache / f"{name}.npy" if cache else None
        if path is not None and path.exists():
            return np.load(path)
        if not opened:
            model = settings.CACHE_DIR / "models" / settings.EMBEDDING_MODEL
            opened.append(EncoderEngine.load(model, model_verify(model), threads=2))
        vectors = asyncio.run(opened[0].embed(texts, kind))
        if path is not None:
            np.save(path, vectors)
        return vectors

    return embed


def samples_make(one: FaqSet, others: Sequence[FaqSet], *, vectors: bool) -> list[Sample]:
    """Every kind of sample of each query of a set."""
    if one.is_shop:
        return shop_samples(one, vectors=vectors)
    samples: list[Sample] = []
    common = common_questions(settings.EMBEDDING_MODEL)
    whole = SiteIndex.built(entries_by_id(one.entries), common=common)
    numbers = np.arange(len(one.entries))
    for query, (text, gold) in enumerate(zip(one.queries, one.gold, strict=True)):
        vector = one.query_vectors[query] if vectors else None

        def sample(kind: str, candidates: list[Candidate], gold: frozenset[int] = gold) -> None:
            right = np.array([c.entry.entry_id in gold for c in candidates], dtype=bool)
            samples.append(Sample(kind, candidates, right))

        def shop(
            source: FaqSet, chosen: NDArray, text: str = text, vector=vector
        ) -> list[Candidate]:
            index = SiteIndex.built({int(n): source.entries[n] for n in chosen}, common=common)
            return index.candidates(
                text, language=source.language, vector=vector, table=source.table
            )

        found = whole.candidates(text, language=one.language, vector=vector, table=one.table)
        sample("whole", found)
        sample("whole, absent", [c for c in found if c.entry.entry_id not in gold])
        if query % 2 == 0:  # building shops takes the time
            absent = np.setdiff1d(numbers, list(gold))
            few = RANDOM.choice(absent, min(SHOP, len(absent) // 2), replace=False)
            sample("shop", shop(one, np.append(few[1:], RANDOM.choice(list(gold)))))
            sample("shop, absent", shop(one, few))
        if query % 4 == 0:
            for other in others:
                if other.language == one.language and not other.is_shop:
                    few = RANDOM.choice(len(other.entries), SHOP, replace=False)
                    sample("other shop", shop(other, few), frozenset())
    return samples


def rank_fit(groups: Sequence[Sequence[Sample]], names: Sequence[str]) -> dict[str, float]:
    """Conditional logit: among a query's candidates, the right ones.

    Evidence never counts against an entry: features with a negative weight are left out and the
    rest is fitted again, for such weights were noise of the one set and harmed the next.
    """
    kept = list(names)
    while True:
        weights = _rank_newton(groups, kept)
        worst = int(weights.argmin())
        if weights[worst] >= 0:
            return dict(zip(kept, weights.tolist(), strict=True))
        kept.pop(worst)


def _rank_newton(groups: Sequence[Sequence[Sample]], names: Sequence[str]) -> Floats:
    batches = []
    for samples in groups:
        usable = [s for s in samples if s.right.any() and not s.right.all()]
        for s in usable:
            batches.append((_matrix(s.candidates, names), s.right, 1000.0 / len(usable)))

    def loss(weights: Floats) -> float:
        total = RIDGE * float(weights @ weights) / 2
        for matrix, right, weight in batches:
            logits = matrix @ weights
            total -= weight * (_log_sum(logits[right]) - _log_sum(logits))
        return total

    weights, current = np.zeros(len(names)), loss(np.zeros(len(names)))
    for _ in range(30):
        gradient, hessian = -RIDGE * weights, RIDGE * np.eye(len(names))
        for matrix, right, weight in batches:
            logits = matrix @ weights
            every = np.exp(logits - _log_sum(logits))
            of_right = np.where(right, np.exp(logits - _log_sum(logits[right])), 0.0)
            mean = every @ matrix
            gradient += weight * (of_right @ matrix - mean)
            centred = matrix - mean
            hessian += weight * (centred.T * every) @ centred
        step = np.linalg.solve(hessian, gradient)
        # Several right entries make the loss slightly non-convex: halve steps that overshoot.
        while (reached := loss(weights + step)) > current and np.abs(step).max() > 1e-6:
            step = step / 2
        weights, gained, current = weights + step, current - reached, reached
        if gained < 1e-4:
            break
    return weights


def _log_sum(logits: Floats) -> float:
    most = logits.max()
    return float(most + np.log(np.exp(logits - most).sum()))


def probability_fit(
    groups: Sequence[Sequence[Sample]],
    weights: Sequence[float],
    rank: dict[str, float],
    names: Sequence[str],
) -> Model:
    """Logistic regression on the first entry of the ranking; no evidence counts against it."""
    kept = list(names)
    while True:
        model = _probability_newton(groups, weights, rank, kept)
        evidence = model.probability
        worst = min(evidence, key=evidence.__getitem__)
        if evidence[worst] >= 0:
            return model
        kept.remove(worst)


def _probability_newton(
    groups: Sequence[Sequence[Sample]],
    group_weights: Sequence[float],
    rank: dict[str, float],
    names: Sequence[str],
) -> Model:
    rows, labels, weights = [], [], []
    for samples, group_weight in zip(groups, group_weights, strict=True):
        firsts = [first_of(s, rank) for s in samples if s.candidates]
        for features, right in firsts:
            rows.append([features[name] for name in names] + [1.0])
            labels.append(right)
            weights.append(500.0 * group_weight / len(firsts))
    matrix, wanted, weight = np.array(rows), np.array(labels, float), np.array(weights)
    found = np.zeros(matrix.shape[1])
    ridge = RIDGE * np.eye(len(found))
    ridge[-1, -1] = 0.0
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(matrix @ found, -30, 30)))
        gradient = matrix.T @ (weight * (wanted - p)) - ridge @ found
        hessian = (matrix.T * (weight * p * (1 - p))) @ matrix + ridge + 1e-9 * np.eye(len(found))
        step = np.linalg.solve(hessian, gradient)
        found = found + step
        if np.abs(step).max() < 1e-6:
            break
    return Model(rank, dict(zip(names, found[:-1].tolist(), strict=True)), float(found[-1]))


def first_of(sample: Sample, rank: dict[str, float]) -> tuple[dict[str, float], bool]:
    """Features of the candidate that the ranking puts first, with its lead; whether it is right."""
    scores = _matrix(sample.candidates, list(rank)) @ np.array(list(rank.values()))
    best = int(scores.argmax())
    first = sample.candidates[best]
    rest = [
        score
        for score, other in zip(scores, sample.candidates, strict=True)
        if other is not first and not _same_answer(other, first)
    ]
    lead = min(float(scores[best]) - max(rest, default=0.0), LEAD_MOST)
    return {**first.features, "lead": lead}, bool(sample.right[best])


def _same_answer(one: Candidate, other: Candidate) -> bool:
    return bool(one.entry.answer) and one.entry.answer == other.entry.answer


def _matrix(candidates: Sequence[Candidate], names: Sequence[str]) -> Floats:
    return np.array([[c.features.get(name, 0.0) for name in names] for c in candidates])


def probability_of(model: Model, features: dict[str, float]) -> float:
    total = model.intercept + sum(w * features[name] for name, w in model.probability.items())
    return float(1 / (1 + np.exp(-np.clip(total, -30, 30))))


def judge(samples: Sequence[Sample], model: Model) -> list[tuple[float, bool, str]]:
    """Of each sample the probability of its first entry, whether that is right, and the kind."""
    judged = []
    for sample in samples:
        if sample.candidates:
            features, right = first_of(sample, model.rank)
            judged.append((probability_of(model, features), right, sample.kind))
        else:
            judged.append((0.0, False, sample.kind))
    return judged


def report(name: str, samples: Sequence[Sample], model: Model) -> None:
    """Print what a model reaches on samples that it was not fitted on."""
    judged = judge(samples, model)
    line = [f"{name:13}"]
    for kind in ("whole", "shop"):
        right = [r for _, r, k in judged if k == kind]
        line.append(f"{kind} hit@1 {np.mean(right):.3f}")
    whole = [(p, r) for p, r, k in judged if k == "whole"]
    line.append(f"coverage@95 {coverage_at(whole):.3f}")
    for kind in ("whole", "whole, absent", "shop", "shop, absent", "other shop"):
        chosen = [p for p, _, k in judged if k == kind]
        if chosen:
            quantiles = "/".join(f"{np.quantile(chosen, q):.2f}" for q in (0.1, 0.5, 0.9))
            line.append(f"[{kind}: {quantiles}]")
    print("  ".join(line))


def coverage_at(judged: Sequence[tuple[float, bool]], precision: float = PRECISION) -> float:
    """The largest share of queries that can be answered with at least this precision."""
    ordered = np.array([right for _, right in sorted(judged, key=lambda pair: -pair[0])])
    reached = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    enough = np.flatnonzero(reached >= precision)
    return float((enough[-1] + 1) / len(ordered)) if len(enough) else 0.0


def thresholds_report(judged: dict[str, list[tuple[float, bool, str]]]) -> None:
    """What each threshold does to each set in shops of thirty, judged by models of the other sets.

    Of questions whose answer is there: precision and share answered; then the share answered of
    those whose answer is not, in the same field and in another.
    """
    print(f"threshold {'  '.join(f'{name:>23}' for name in judged)}")
    for threshold in (
        0.08,
        0.1,
        0.12,
        0.13,
        0.15,
        0.2,
        0.3,
        0.5,
        0.6,
        0.7,
        0.75,
        0.8,
        0.85,
        0.9,
        0.95,
    ):
        cells = []
        for rows in judged.values():
            present = [(p >= threshold, r) for p, r, k in rows if k in ("whole", "shop")]
            taken = [right for above, right in present if above]
            near = [p >= threshold for p, _, k in rows if k.endswith("absent")]
            far = [p >= threshold for p, _, k in rows if k == "other shop"]
            precision = float(np.mean(taken)) if taken else 1.0
            cells.append(
                f"{precision:.3f} {len(taken) / len(present):.3f} {np.mean(near):.3f} {np.mean(far):.3f}"
            )
        print(f"  {threshold:.2f}    {'  '.join(cells)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, help="directory that keeps vectors between runs")
    parser.add_argument(
        "--fit-rank", action="store_true", help="fit the ranking too; else it is the product's"
    )
    arguments = parser.parse_args()
    names = sorted(
        path.name.removeprefix("faq_").removesuffix("_kb.jsonl")
        for path in arguments.data.glob("faq_*_kb.jsonl")
    )
    if not names:
        parser.error(f"{arguments.data} has no faq_*_kb.jsonl")
    if arguments.vectors:
        arguments.vectors.mkdir(parents=True, exist_ok=True)
    embed = embedder(arguments.vectors)
    sets = [thinned(set_read(arguments.data, name, embed)) for name in names]
    sets += [shop_read(name, embed) for name in SHOPS]
    weights = [SHOP_WEIGHT if one.is_shop else 1.0 for one in sets]
    for title, product, vectors in (("HYBRID", HYBRID, True), ("KEYWORDS", KEYWORDS, False)):
        print(f"\n== {title}")
        rank_names = [*KEYWORD_FEATURES, *(VECTOR_FEATURES if vectors else ())]
        probability_names = [*rank_names, "lead"]
        fixed = None if arguments.fit_rank else dict(product.rank)
        started = time.perf_counter()
        samples = [
            samples_make(one, [o for o in sets if o is not one], vectors=vectors) for one in sets
        ]
        small = [
            [sample for sample in made if one.is_shop or "shop" in sample.kind]
            for one, made in zip(sets, samples, strict=True)
        ]
        print(f"samples: {time.perf_counter() - started:.0f} s")
        judged: dict[str, list[tuple[float, bool, str]]] = {}
        for held, one in enumerate(sets):
            others = [s for number, s in enumerate(samples) if number != held]
            model = probability_fit(
                [s for number, s in enumerate(small) if number != held],
                [w for number, w in enumerate(weights) if number != held],
                fixed or rank_fit(others, rank_names),
                probability_names,
            )
            report(one.name, samples[held], model)
            judged[one.name] = judge(small[held], model)
        thresholds_report(judged)
        final = probability_fit(
            small, weights, fixed or rank_fit(samples, rank_names), probability_names
        )
        print({name: round(w, 3) for name, w in final.rank.items()})
        print({name: round(w, 3) for name, w in final.probability.items()})
        print("intercept", round(final.intercept, 3))
        print("on its own samples:")
        for number, one in enumerate(sets):
            report(one.name, samples[number], final)


if __name__ == "__main__":
    main()
