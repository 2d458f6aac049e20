"""Measures when it pays to ask a customer which of several entries they mean.

    python -m benchmarks.clarifying --data DIR [--vectors DIR] [--sets zh_jddc,en_covid]

DIR as in ``benchmarks.retrieval_calibration``. Each query is asked of shops of thirty entries with
its answer among them, as the desk's ladder sees it. Printed is, by how far the second entry is
behind the first in probability, how often the first is right and how often one of the first three
is: a question back pays where the first is often wrong and a choice of three mostly holds the right
one.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.retrieval_calibration import (  # sets Django up
    SHOP,
    FaqSet,
    embedder,
    set_read,
    shop_read,
)
from conversations.ladder.clarify import CLOSE_SHARE
from knowledge.retrieval.calibration import DIRECT_PROBABILITY, RELEVANT_PROBABILITY
from knowledge.retrieval.common import common_questions
from knowledge.retrieval.index import SiteIndex, entries_by_id

SHARES = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.01)
CHOICES = 3


@dataclass(frozen=True)
class Asked:
    """What one query found: probabilities of the first two, and whether the right one is there."""

    first: float
    second: float
    first_right: bool
    choice_right: bool

    @property
    def share(self) -> float:
        return self.second / self.first if self.first else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--vectors", type=Path, help="directory that keeps vectors between runs")
    parser.add_argument("--sets", default="zh_jddc,en_covid")
    arguments = parser.parse_args()
    embed = embedder(arguments.vectors)
    sets = [set_read(arguments.data, name, embed) for name in arguments.sets.split(",")]
    sets += [shop_read(name, embed) for name in ("demo", "bicycles")]
    for one in sets:
        _report(one, asked_all(one))


def asked_all(one: FaqSet) -> list[Asked]:
    """Every query of a set that has an answer, asked of a shop with that answer."""
    random = np.random.default_rng(20)
    common = common_questions("multilingual-e5-small")
    found = []
    for number, text in enumerate(one.queries):
        gold = one.gold[number]
        if not gold:
            continue
        entries = one.entries
        if not one.is_shop:
            others = [entry for entry in entries if entry.entry_id not in gold]
            chosen = random.choice(len(others), size=min(SHOP - 1, len(others)), replace=False)
            right = one.entries[sorted(gold)[0]]
            entries = [right, *(others[index] for index in chosen)]
        index = SiteIndex.built(entries_by_id(entries), common=common)
        language = one.languages[number] if one.languages else one.language
        passages = [
            passage
            for passage in index.search(
                text, language=language, vector=one.query_vectors[number], table=one.table
            )
            if passage.language == language
        ]
        if not passages:
            continue
        hits = [passage.entry_id in gold for passage in passages]
        second = passages[1].probability if len(passages) > 1 else 0.0
        found.append(Asked(passages[0].probability, second, hits[0], any(hits[:CHOICES])))
    return found


def _report(one: FaqSet, asked: Sequence[Asked]) -> None:
    open_ = [each for each in asked if RELEVANT_PROBABILITY <= each.first < DIRECT_PROBABILITY]
    print(f"{one.name}: {len(asked)} answered queries, {len(open_)} neither sure nor unknown")
    for low, high in itertools.pairwise(SHARES):
        here = [each for each in open_ if low <= each.share < high]
        if here:
            first = sum(each.first_right for each in here) / len(here)
            choice = sum(each.choice_right for each in here) / len(here)
            print(
                f"  second/first {low:.1f}-{min(high, 1.0):.1f}{'*' if low >= CLOSE_SHARE else ' '}"
                f"  {len(here):4d}  first right {first:.2f}  one of three {choice:.2f}"
            )


if __name__ == "__main__":
    main()
