"""``python -m benchmarks.answers``: which questions are answered, refused, answered wrongly.

Asks the questions of ``tests/answers`` of two shops through the ladder's own steps. Retrieval is in
memory, so no database is touched. Without ``--engine`` no model is asked: what would be generated is
then answered in the entry's own words, which tells the same of the decision whether to answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django

from benchmarks.tables import table_print

if TYPE_CHECKING:
    from conversations.ladder.climb import Ladder
    from inference.chat import ChatClient
    from inference.engines.encoder import EncoderEngine

BASE_DIR = Path(__file__).resolve().parent.parent
QUESTIONS = BASE_DIR / "tests" / "answers" / "questions.toml"
HELD_OUT = BASE_DIR / "tests" / "answers" / "held_out.toml"
LANGUAGES = BASE_DIR / "tests" / "answers" / "languages.toml"
HELD_OUT_SHOPS = frozenset({"cosmetics"})
SHOPS = {
    shop: BASE_DIR / "tests" / "answers" / f"{shop}.toml" for shop in ("bicycles", "cosmetics")
}
DEFAULTS = BASE_DIR / "knowledge" / "defaults"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the keys of the entries that answer it; none: it cannot be answered."""

    shop: str
    language: str
    kind: str
    text: str
    expected: frozenset[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``verdict``: right, offered ("cannot confirm", with the title of an entry that answers it),
    refused, wrong (an answer from an entry that does not answer it)."""

    asked: Asked
    verdict: str
    tier: str
    reason: str
    text: str
    cited: str
    probability: float
    rejected: str
    problems: str
    first_token_ms: float | None


def questions_read(paths: Sequence[Path] = (QUESTIONS, HELD_OUT)) -> Iterator[Asked]:
    """The questions of the test data, those held out last."""
    for path in paths:
        for group in tomllib.loads(path.read_text(encoding="utf-8"))["group"]:
            for text, expected in group["questions"]:
                keys = frozenset(expected.split())
                yield Asked(group["shop"], group["language"], group["kind"], text, keys)


def entries_read(shop: str) -> list[dict[str, Any]]:
    """The entries of a shop with ``key`` and ``language``."""
    if shop in SHOPS:
        own: list[dict[str, Any]] = tomllib.loads(SHOPS[shop].read_text(encoding="utf-8"))["entry"]
        return own
    keys = tomllib.loads(QUESTIONS.read_text(encoding="utf-8"))["demo_keys"]
    entries = []
    for language in ("en", "zh-hans"):
        path = DEFAULTS / f"demo_entries.{language}.toml"
        rows = tomllib.loads(path.read_text(encoding="utf-8"))["entry"]
        for key, row in zip(keys, rows, strict=True):
            entries.append({**row, "key": key, "language": language})
    return entries


async def ladder_make(
    entries: Sequence[Mapping[str, Any]], encoder: EncoderEngine, client: ChatClient | None
) -> Ladder:
    """The steps that decide about knowledge, as the desk puts them together."""
    from inference.engines.scripted import ScriptedChatClient
    from knowledge.retrieval.entries import IndexedEntry
    from supportdesk.evaluation.shop import shop_ladder

    indexed = [
        IndexedEntry(
            entry_id=place,
            revision=1,
            question=row["question"],
            phrasings=tuple(row.get("phrasings", ())),
            answer=row["answer"],
            keywords=" ".join(row.get("keywords", ())),
            language=row["language"],
        )
        for place, row in enumerate(entries)
    ]
    return await shop_ladder(encoder, client or ScriptedChatClient(), indexed, with_rules=False)


async def outcomes_measure(engine: str | None, chosen: Sequence[Asked]) -> list[Outcome]:
    """Ask every question in a conversation of its own."""
    from conversations.ladder.values import Deadline, Question, Unseen
    from inference.client import OpenAIChatClient
    from inference.text.language import language_of
    from supportdesk.evaluation.match import encoder_open

    encoder = encoder_open()
    client = OpenAIChatClient(engine, os.environ.get("MODEL", "default"), "") if engine else None
    outcomes = []
    for shop in sorted({asked.shop for asked in chosen}):
        rows = entries_read(shop)
        ladder = await ladder_make(rows, encoder, client)
        for asked in chosen:
            if asked.shop != shop:
                continue
            question = Question(
                site_id=0,
                shop_name="",
                texts=(asked.text,),
                language=language_of(asked.text, asked.language),
                now=datetime.now(),
                use_model=client is not None,
            )
            climbed = await ladder.climb(question, live=Unseen(), deadline=Deadline.after(120.0))
            answer, walk = climbed.answer, climbed.walk
            cited = [rows[int(each[1:])]["key"] for each in answer.cited]
            offered = [rows[int(each[1:])]["key"] for each in _offered(walk.details)]
            outcomes.append(
                Outcome(
                    asked=asked,
                    verdict=_verdict(asked, cited, offered),
                    tier=answer.tier,
                    reason=answer.reason or "",
                    text=answer.text,
                    cited=" ".join(cited),
                    probability=round(walk.retrieval.probability, 3) if walk.retrieval else 0.0,
                    rejected=walk.rejected,
                    problems=str(walk.details.get("problems", "")),
                    first_token_ms=walk.timings.get("first_token"),
                )
            )
    return outcomes


def _offered(details: Mapping[str, Any]) -> Sequence[str]:
    offered: Sequence[str] = details.get("offered", ())
    return offered


def _verdict(asked: Asked, cited: Sequence[str], offered: Sequence[str]) -> str:
    if not cited and asked.expected & set(offered):
        return "offered"
    if not cited:
        return "refused" if asked.expected else "right"
    return "right" if asked.expected & set(cited) else "wrong"


def tables_print(outcomes: Sequence[Outcome]) -> None:
    """What became of the questions, by shop, language and kind; then the tiers."""
    groups: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        asked = outcome.asked
        groups[asked.shop, asked.kind, asked.language][outcome.verdict] += 1
    table_print(
        "Questions",
        [
            {
                "shop": shop,
                "kind": kind,
                "language": language,
                "questions": counts.total(),
                "right": counts["right"],
                "offered": counts["offered"],
                "wrongly_refused": counts["refused"],
                "wrongly_answered": counts["wrong"],
            }
            for (shop, kind, language), counts in sorted(groups.items())
        ],
    )
    tiers = Counter((o.tier, o.reason) for o in outcomes if o.asked.expected)
    table_print(
        "Tiers of the answerable",
        [{"tier": t, "reason": r, "answers": n} for (t, r), n in tiers.most_common()],
    )
    first = [o.first_token_ms for o in outcomes if o.first_token_ms is not None]
    if first:
        print(f"\nFirst token: median {statistics.median(first):.0f} ms of {len(first)}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.answers", description=__doc__)
    parser.add_argument("--engine", help="base URL of an engine; without it no model is asked")
    parser.add_argument("--shop", help="only this shop's questions")
    parser.add_argument(
        "--held-out", action="store_true", help="the held-out questions too, or alone with --shop"
    )
    parser.add_argument(
        "--languages",
        action="store_true",
        help="questions in languages that the shop has no entries in, instead of the others",
    )
    parser.add_argument("--kind", help="only this kind")
    parser.add_argument("--limit", type=int, help="at most so many of each group")
    parser.add_argument("--json", type=Path, help="writes every answer there, one a line")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "supportdesk.settings")
    django.setup()
    seen: Counter[tuple[str, str, str]] = Counter()
    chosen = []
    paths = (LANGUAGES,) if options.languages else (QUESTIONS, HELD_OUT)
    for asked in questions_read(paths):
        group = (asked.shop, asked.language, asked.kind)
        seen[group] += 1
        if asked.shop in HELD_OUT_SHOPS and not options.held_out:
            continue
        if options.shop not in (None, asked.shop) or options.kind not in (None, asked.kind):
            continue
        if options.limit is None or seen[group] <= options.limit:
            chosen.append(asked)
    outcomes = asyncio.run(outcomes_measure(options.engine, chosen))
    tables_print(outcomes)
    if options.json:
        lines = [
            json.dumps(
                {**asdict(o), "asked": {**asdict(o.asked), "expected": sorted(o.asked.expected)}},
                ensure_ascii=False,
            )
            for o in outcomes
        ]
        options.json.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
