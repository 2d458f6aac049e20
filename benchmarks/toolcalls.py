"""``python -m benchmarks.toolcalls URL``: how often a model calls the right tool over ``/v1``.

Own sentences in both languages: half of them need one of two tools, half need none. Greedy, so the
same model gives the same figures everywhere. ``--model`` is the name that the server knows.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx2

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "order_status",
            "description": "Look up where an order is, by its number.",
            "parameters": {
                "type": "object",
                "properties": {
                    "order_id": {"type": "string", "description": "The number of the order."}
                },
                "required": ["order_id"],
                "additionalProperties": False,
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "store_hours",
            "description": "Opening hours of the store in a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
                "additionalProperties": False,
            },
        },
    },
]
SYSTEM = "You are the assistant of a small online shop. Be brief."
# Language, sentence, and the tool that it needs with the argument's value.
CASES: list[tuple[str, str, tuple[str, str] | None]] = [
    ("en", "Where is my order 123456?", ("order_status", "123456")),
    ("en", "Has order 88231 been shipped yet?", ("order_status", "88231")),
    ("en", "My parcel is late, the number is 4471190.", ("order_status", "4471190")),
    ("en", "Can you check on A20931 for me please?", ("order_status", "A20931")),
    ("en", "status of #550017", ("order_status", "550017")),
    ("en", "When does your store in Berlin open?", ("store_hours", "Berlin")),
    ("en", "Is the shop in Leeds still open at seven?", ("store_hours", "Leeds")),
    ("en", "How long can I come by in Paris on Saturday?", ("store_hours", "Paris")),
    ("zh", "我的订单123456到哪里了？", ("order_status", "123456")),
    ("zh", "帮我查一下订单号 20231105 的物流", ("order_status", "20231105")),
    ("zh", "770812这单怎么还没发货", ("order_status", "770812")),
    ("zh", "单号B5520098，麻烦看看什么时候能到", ("order_status", "B5520098")),
    ("zh", "订单 99120 现在是什么状态？", ("order_status", "99120")),
    ("zh", "上海的门店几点关门？", ("store_hours", "上海")),
    ("zh", "请问广州店周末营业到几点", ("store_hours", "广州")),
    ("zh", "我想去成都的店里看看，早上几点开门？", ("store_hours", "成都")),
    ("en", "Can I return shoes after ten days?", None),
    ("en", "Do you ship to Norway?", None),
    ("en", "Thank you, that was all.", None),
    ("en", "What is the difference between linen and cotton?", None),
    ("en", "I want to speak to a person.", None),
    ("en", "Hello!", None),
    ("en", "How do I wash a wool jumper?", None),
    ("en", "Which payment methods do you take?", None),
    ("zh", "你们支持货到付款吗？", None),
    ("zh", "鞋子穿了十天还能退吗？", None),
    ("zh", "好的，谢谢，没有别的问题了。", None),
    ("zh", "你好", None),
    ("zh", "羊毛衫怎么洗不会缩水？", None),
    ("zh", "我要找人工客服", None),
    ("zh", "可以开发票吗？", None),
    ("zh", "亚麻和棉哪个更透气？", None),
]


@dataclass(slots=True)
class Tally:
    """Sentences that needed a tool, those whose call was right, and calls that nobody needed."""

    needed: int = 0
    right: int = 0
    unneeded: int = 0
    calls: int = 0


def calls_measure(url: str, model: str, key: str, *, limit: int, clients: int) -> dict[str, Any]:
    """Ask the sentences, so many at once; counts by language. What goes wrong is printed."""
    tallies = {"en": Tally(), "zh": Tally()}
    cases = CASES[:: max(1, len(CASES) // limit) if limit else 1]
    with ThreadPoolExecutor(clients) as pool:
        answers = pool.map(lambda case: _calls(url, model, key, case[1]), cases)
        rows = list(zip(cases, answers, strict=True))
    for (language, sentence, wanted), made in rows:
        tally = tallies[language]
        if made != ([] if wanted is None else [wanted]):
            print(f"{sentence} wanted {wanted}, called {made}", file=sys.stderr)
        if wanted is None:
            tally.unneeded += 1
            tally.calls += bool(made)
        else:
            tally.needed += 1
            tally.right += made == [wanted]
    return {
        language: {
            "needed": tally.needed,
            "right": tally.right,
            "not_needed": tally.unneeded,
            "called_all_the_same": tally.calls,
        }
        for language, tally in tallies.items()
    }


def _calls(url: str, model: str, key: str, sentence: str) -> list[tuple[str, str]]:
    """The tools that the model calls, each with the value of its argument."""
    body = {
        "model": model,
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": sentence},
        ],
        "tools": TOOLS,
        "temperature": 0,
        "max_tokens": 80,
    }
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer = httpx2.post(
        f"{url.removesuffix('/v1')}/v1/chat/completions", json=body, headers=headers, timeout=600
    )
    answer.raise_for_status()
    message = answer.json()["choices"][0]["message"]
    found = []
    for call in message.get("tool_calls", []):
        arguments = json.loads(call["function"]["arguments"])
        found.append((call["function"]["name"], str(next(iter(arguments.values()), ""))))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.toolcalls", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--model", required=True)
    parser.add_argument("--key", default="")
    parser.add_argument("--limit", type=int, default=0, help="about so many sentences; 0 is all")
    parser.add_argument("--clients", type=int, default=4, help="sentences asked at once")
    options = parser.parse_args()
    figures = calls_measure(
        options.url, options.model, options.key, limit=options.limit, clients=options.clients
    )
    print(json.dumps({"task": "toolcalls", "model": options.model, **figures}))


if __name__ == "__main__":
    main()
