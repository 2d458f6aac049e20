"""Times questions through the whole ladder over the socket, and what of it the models took.

``engine_ms`` is what a turn waited for the chat model's text, ``encoder_ms`` what it waited for the
vector of its question; ``outside_engine_ms`` is all the rest, from the customer's send to the item: the
socket, the database, rules, search, prompt, checks, and the count of a long prompt's tokens.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
from collections import defaultdict

from benchmarks.customer import Answered, Customer
from benchmarks.desk import Desk

# Worded unlike the demo shop's entries, so that some reach the model.
QUESTIONS = (
    "What happens if the shoes I ordered turn out too small?",
    "我买的衣服尺码不合适，可以寄回去换吗？",
    "Which ways do I have to pay you, and can I split it?",
    "我的包裹寄到外地大概要等多少天？",
    "Could you send me an invoice made out to my company?",
    "你们的会员等级怎么升级？",
    "Do you ship abroad, and what does it cost?",
    "会员有什么好处？",
)


async def ladder_measure(desk: Desk, *, runs: int) -> list[dict[str, object]]:
    """Ask every question ``runs`` times, each run in a conversation of its own; medians by tier."""
    site_key = _query(desk, "SELECT key FROM knowledge_site WHERE is_demo LIMIT 1", ())[0]
    answers: dict[str, list[tuple[Answered, float, float]]] = defaultdict(list)
    for _ in range(runs):
        async with Customer(desk.url, desk.shop_origin, site_key) as customer:
            for question in QUESTIONS:
                answered = await customer.ask(question)
                answers[answered.tier].append(
                    (answered, *_models_ms(desk, customer.conversation, answered.seq))
                )
    return [
        {
            "tier": tier,
            "answers": len(rows),
            "ack_ms": _median(a.ack_ms for a, _, _ in rows),
            "first_text_ms": _median(a.first_text_ms for a, _, _ in rows),
            "total_ms": _median(a.total_ms for a, _, _ in rows),
            "engine_ms": _median(engine for _, engine, _ in rows),
            "encoder_ms": _median(encoder for _, _, encoder in rows),
            "outside_engine_ms": _median(
                a.total_ms - engine - encoder for a, engine, encoder in rows
            ),
        }
        for tier, rows in sorted(answers.items())
    ]


def _models_ms(desk: Desk, conversation: str, seq: int) -> tuple[float, float]:
    """What the turn waited for the engine and for the encoder, from the answer's provenance."""
    row = _query(
        desk,
        "SELECT p.timings FROM conversations_provenance p JOIN conversations_message m"
        " ON m.id = p.message_id WHERE m.conversation_id = ? AND m.seq = ?",
        (conversation.replace("-", ""), seq),
    )
    timings = json.loads(row[0])
    return float(timings.get("engine", 0.0)), float(timings.get("encoder", 0.0))


def _query(desk: Desk, statement: str, values: tuple[object, ...]) -> tuple:
    connection = sqlite3.connect(f"file:{desk.data_dir / 'supportdesk.sqlite3'}?mode=ro", uri=True)
    try:
        row = connection.execute(statement, values).fetchone()
    finally:
        connection.close()
    if row is None:
        raise RuntimeError(f"no row for: {statement}")
    return row


def _median(values: object) -> float:
    return round(statistics.median(values), 1)  # type: ignore[call-overload]
