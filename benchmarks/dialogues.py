"""``python -m benchmarks.dialogues``: are follow-up questions understood from what was said before?

Asks the last turn of each dialogue of ``tests/answers/dialogues.toml`` through the ladder's steps
without a model, once with the history and once without it, and prints how often the answer rests on
an entry that answers it (or on none, where none does).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import django

from benchmarks.answers import BASE_DIR, HELD_OUT_SHOPS, entries_read, ladder_make
from benchmarks.tables import table_print

DIALOGUES = BASE_DIR / "tests" / "answers" / "dialogues.toml"


@dataclass(frozen=True, slots=True)
class Dialogue:
    """``turns``: what the customer wrote with the keys of the entries that answer it."""

    shop: str
    language: str
    dependent: bool
    turns: tuple[tuple[str, frozenset[str]], ...]


def dialogues_read() -> Iterator[Dialogue]:
    """The dialogues of the test data."""
    for group in tomllib.loads(DIALOGUES.read_text(encoding="utf-8"))["group"]:
        for turns in group["dialogues"]:
            yield Dialogue(
                group["shop"],
                group["language"],
                group["dependent"],
                tuple((text, frozenset(keys.split())) for text, keys in turns),
            )


async def dialogues_measure(*, held_out: bool, verbose: bool) -> list[dict[str, object]]:
    """A row for each shop, language and kind, with the share answered rightly."""
    from conversations.ladder.values import Deadline, Question, Unseen
    from supportdesk.evaluation.match import encoder_open

    encoder = encoder_open()
    counts: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    chosen = [one for one in dialogues_read() if (one.shop in HELD_OUT_SHOPS) == held_out]
    for shop in sorted({one.shop for one in chosen}):
        rows = entries_read(shop)
        ladder = await ladder_make(rows, encoder, None)
        for one in chosen:
            if one.shop != shop:
                continue
            answers = {(row["language"], row["key"]): row["answer"] for row in rows}
            history = tuple(
                (text, answers[one.language, min(keys)]) for text, keys in one.turns[:-1]
            )
            text, expected = one.turns[-1]
            count = counts[shop, one.language, "dependent" if one.dependent else "independent"]
            count["dialogues"] += 1
            for name, said in (("with history", history), ("without", ())):
                question = Question(
                    site_id=0,
                    shop_name="",
                    texts=(text,),
                    language=one.language,
                    now=datetime.now(),
                    history=said,
                    use_model=False,
                )
                climbed = await ladder.climb(question, live=Unseen(), deadline=Deadline.after(60.0))
                cited = {rows[int(each[1:])]["key"] for each in climbed.answer.cited}
                right = bool(cited & expected) if expected else not cited
                count[f"right, {name}"] += right
                count[f"wrong, {name}"] += bool(cited) and not right
                if verbose and said and not right:
                    print(text, sorted(cited), sorted(expected), climbed.walk.standalone)
    names = [
        f"{what}, {name}" for what in ("right", "wrong") for name in ("with history", "without")
    ]
    return [
        {
            "shop": shop,
            "language": language,
            "kind": kind,
            "dialogues": count["dialogues"],
            **{name: count[name] for name in names},
        }
        for (shop, language, kind), count in sorted(counts.items())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.dialogues", description=__doc__)
    parser.add_argument("--held-out", action="store_true", help="the held-out dialogues instead")
    parser.add_argument("--verbose", action="store_true", help="print those answered wrongly")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "supportdesk.settings")
    django.setup()
    rows = asyncio.run(dialogues_measure(held_out=options.held_out, verbose=options.verbose))
    table_print("Follow-up questions", rows)


if __name__ == "__main__":
    main()
