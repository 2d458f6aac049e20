"""Which column of a file is which field of an entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

FIELDS: Final = (
    "question", "answer", "phrasings", "keywords", "language", "status",
    "audience", "valid_from", "valid_until",
)  # fmt: skip
NEEDED: Final = ("question", "answer")

# Headings as other products and people write them; the product's own come first.
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "question": ("question", "questions", "q", "title", "faq", "问题", "标准问题", "标准问", "提问", "标题", "问"),
    "answer": ("answer", "answers", "a", "reply", "response", "content", "答案", "回答", "回复", "内容", "答"),
    "phrasings": (
        "phrasings", "similar questions", "variants", "alternatives", "other phrasings",
        "相似问题", "相似问", "扩展问", "其他问法", "问法",
    ),
    "keywords": ("keywords", "keyword", "tags", "关键词", "关键字", "标签"),
    "language": ("language", "lang", "locale", "语言"),
    "status": ("status", "state", "状态"),
    "audience": ("audience", "visible to", "受众", "可见范围"),
    "valid_from": ("valid from", "start date", "生效时间", "生效日期", "开始日期"),
    "valid_until": ("valid until", "expires", "end date", "失效时间", "失效日期", "截止日期", "结束日期"),
}  # fmt: skip


def columns_guess(columns: Sequence[str]) -> dict[str, str]:
    """For each field the column that bears its name in Chinese or English; others are left out."""
    known = {_folded(column): column for column in reversed(columns) if column}
    found: dict[str, str] = {}
    for field, names in _NAMES.items():
        column = next((known[name] for name in names if name in known), None)
        if column is not None:
            found[field] = column
    return found


def columns_missing(mapping: Mapping[str, str]) -> tuple[str, ...]:
    """The needed fields that no column is named for."""
    return tuple(field for field in NEEDED if not mapping.get(field))


def _folded(name: str) -> str:
    return " ".join(name.strip().lower().replace("_", " ").split())
