"""The comparison as tables, for the screen and, in both languages, for the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.rivals.goals import SHORT

Figures = Mapping[str, Any]
Rows = list[dict[str, object]]
LONG = 600

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "systems": "The same weights in other engines: median (least to most)",
        "goals": "Goals",
        "engine": "engine",
        "own": "this desk, int8",
        "first": "first token, {size} tokens (ms)",
        "all": "all, {size} tokens (ms)",
        "rate": "requests/s, {clients} clients",
        "decode": "tokens/s written; at most, by memory",
        "memory": "memory (MiB)",
        "goal": "goal",
        "against": "against",
        "wanted": "wanted",
        "measured": "measured",
        "met": "met",
        "missed": "missed",
        "why": "why missed",
        "goal_first_token": "first token, 1 client",
        "goal_total": "40-token answer, 1 client",
        "goal_rate": "requests/s, 8 clients",
        "goal_faster": "times as fast",
        "speeds": "it reads prompts at {read[0]:.0f} tokens/s (rival {read[1]:.0f}) and writes "
        "{written[0]:.1f} tokens/s (rival {written[1]:.1f}); a step reads {weights_mb[0]} MB of "
        "weights (rival {weights_mb[1]} MB)",
        "spread": "{median} ({min} to {max})",
    },
    "zh-CN": {
        "systems": "相同权重在其他引擎上：中位数（最小至最大）",
        "goals": "目标",
        "engine": "引擎",
        "own": "本系统，int8",
        "first": "首个词元，{size} 词元提示（毫秒）",
        "all": "全部，{size} 词元提示（毫秒）",
        "rate": "每秒请求数，{clients} 个客户端",
        "decode": "每秒写出词元；内存带宽上限",
        "memory": "内存（MiB）",
        "goal": "目标",
        "against": "对比",
        "wanted": "要求",
        "measured": "实测",
        "met": "达到",
        "missed": "未达到",
        "why": "未达到的原因",
        "goal_first_token": "首个词元，1 个客户端",
        "goal_total": "40 词元的回答，1 个客户端",
        "goal_rate": "每秒请求数，8 个客户端",
        "goal_faster": "速度倍数",
        "speeds": "读提示每秒 {read[0]:.0f} 词元（对方 {read[1]:.0f}），写出每秒 {written[0]:.1f} 词元"
        "（对方 {written[1]:.1f}）；每步读 {weights_mb[0]} MB 权重（对方 {weights_mb[1]} MB）",
        "spread": "{median}（{min} 至 {max}）",
    },
}


def rivals_tables(figures: Figures, language: str = "en") -> list[tuple[str, Rows]]:
    """Titles with rows: one of all engines, one of the goals."""
    words = WORDS[language]
    return [
        (words["systems"], systems_rows(figures, words)),
        (words["goals"], goals_rows(figures, words)),
    ]


def systems_rows(figures: Figures, words: Mapping[str, str]) -> Rows:
    """One row an engine; a dash where it was not measured."""
    counts = sorted({row["clients"] for row in figures["throughput"]})
    rows: Rows = []
    for system in figures["systems"]:
        name = system["system"]
        row: dict[str, object] = {words["engine"]: engine_name(name, words)}
        for size in (SHORT, LONG):
            for what, key in (("first", "first_token_ms"), ("all", "total_ms")):
                found = _latency(figures, name, size, key)
                row[words[what].format(size=size)] = _spread(found, "{:,.0f}", words)
        for clients in counts:
            found = _rate(figures, name, clients)
            row[words["rate"].format(clients=clients)] = _spread(found, "{:.2f}", words)
        written = _latency(figures, name, SHORT, "decode_tokens_per_second")
        shown = f"{written['median']:.1f}" if written else "–"
        row[words["decode"]] = f"{shown}; {system['bound_tokens_per_second']:.0f}"
        row[words["memory"]] = _memory(figures, name)
        rows.append(row)
    return rows


def goals_rows(figures: Figures, words: Mapping[str, str]) -> Rows:
    """Every goal with its outcome."""
    return [
        {
            words["goal"]: words[f"goal_{row['goal']}"],
            words["against"]: row["rival"],
            words["wanted"]: f"{'≥' if row['least'] else '≤'} {row['limit']:g} ×",
            words["measured"]: f"{row['value']:.2f} ×",
            "": words["met" if row["met"] else "missed"],
            words["why"]: words["speeds"].format(**row["speeds"]) if row["speeds"] else "",
        }
        for row in figures["goals"]
    ]


def engine_name(name: str, words: Mapping[str, str]) -> str:
    """Other programs keep their names."""
    return words["own"] if name == WORDS["en"]["own"] else name


def _latency(figures: Figures, name: str, prompt: int, what: str) -> Mapping[str, float] | None:
    for row in figures["latency"]:
        if (row["system"], row["prompt"]) == (name, prompt):
            return row.get(what)
    return None


def _rate(figures: Figures, name: str, clients: int) -> Mapping[str, float] | None:
    for row in figures["throughput"]:
        if (row["system"], row["clients"]) == (name, clients):
            found: Mapping[str, float] = row["requests_per_second"]
            return found
    return None


def _memory(figures: Figures, name: str) -> str:
    return next((f"{r['pss_mib']:,}" for r in figures["memory"] if r["system"] == name), "–")


def _spread(value: Mapping[str, float] | None, form: str, words: Mapping[str, str]) -> str:
    if value is None:
        return "–"
    return words["spread"].format(**{key: form.format(value[key]) for key in value})
