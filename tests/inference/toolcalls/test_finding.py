"""What a customer named before fills in what a message leaves out."""

from __future__ import annotations

import pytest

from inference.toolcalls.finding import arguments_recall, finding_check, schema_for_model

SCHEMA = {
    "type": "object",
    "properties": {
        "order": {
            "type": "string",
            "x-find": ["#([0-9]{6})"],
            "x-alone": "([0-9]{6})",
            "x-recall": True,
        },
        "address": {"type": "string", "x-find": ["改成(.+)"]},
    },
}


@pytest.mark.parametrize(
    ("text", "before", "recalled"),
    [
        ("快递到哪了？", ["订单#123456呢？"], {"order": "123456"}),
        ("快递到哪了？", ["123456", "订单#123456"], {"order": "123456"}),
        ("快递到哪了？", ["订单#123456", "订单#234567"], {}),
        ("另一个订单呢？", ["订单#123456"], {}),
        ("And my other order?", ["#123456"], {}),
        ("改好了吗？", ["改成上海市"], {}),
        ("快递到哪了？", [], {}),
    ],
)
def test_what_was_named_once_is_recalled(
    text: str, before: list[str], recalled: dict[str, str]
) -> None:
    assert arguments_recall(text, before, SCHEMA) == recalled


def test_the_keyword_is_true_or_false_and_not_for_the_model() -> None:
    finding_check(SCHEMA)
    with pytest.raises(ValueError, match="x-recall of order"):
        finding_check({"properties": {"order": {"x-recall": "yes"}}})
    assert schema_for_model(SCHEMA)["properties"]["order"] == {"type": "string"}
