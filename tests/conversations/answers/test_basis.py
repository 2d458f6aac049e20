"""What an answer hangs on: when any of it differs, so does the key."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from conversations.answers.basis import AnswerBasis

BASIS = AnswerBasis(
    site_id=1,
    language="zh-hans",
    audiences=(),
    knowledge_revision=4,
    wording_revision=2,
    prompt_version_id=7,
    model="small",
    model_hash="aa",
    shop_name="青禾",
    region="",
)
OTHER: dict[str, Any] = {
    "site_id": 2,
    "language": "en",
    "audiences": (3,),
    "knowledge_revision": 5,
    "wording_revision": 3,
    "prompt_version_id": 8,
    "model": "large",
    "model_hash": "bb",
    "shop_name": "Greenstem",
    "region": "上海",
}


@pytest.mark.parametrize("name", OTHER)
def test_each_part_makes_another_key(name: str) -> None:
    assert replace(BASIS, **{name: OTHER[name]}).key != BASIS.key


def test_no_part_was_forgotten_here() -> None:
    assert {field.name for field in fields(AnswerBasis)} == {*OTHER, "valid_until"}


def test_the_end_of_its_validity_is_no_part_of_the_key() -> None:
    ends = datetime(2026, 12, 24, tzinfo=UTC)

    assert replace(BASIS, valid_until=ends).key == BASIS.key
