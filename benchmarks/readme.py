"""``python -m benchmarks.readme``: the figures of the READMEs, from what ``make bench`` wrote.

The JSON of the last run is copied to ``docs/measurements``; tables and picture are made of that copy
alone, so that anybody can make them again. ``--check`` only tells whether they are as they would be
made.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.desk import BASE_DIR
from benchmarks.rivals.plot import rivals_plot
from benchmarks.rivals.tables import rivals_tables
from benchmarks.tables import table_text

OUT_DIR = BASE_DIR / "benchmarks" / "out"
PUBLISHED = BASE_DIR / "docs" / "measurements"
IMAGES = BASE_DIR / "docs" / "images"
READMES = {"en": BASE_DIR / "README.md", "zh-CN": BASE_DIR / "README.zh-CN.md"}
NAMES = ("bench", "rivals")
_QUIET_SPREAD = 2.0
_OUTSIDE_MS = 30

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "machine": "Printed by `make bench` on {cores} cores of an {processor} with {memory_gib} "
        "GiB ({system}), medians of {runs} runs, model {model} int8:",
        "start": "start to first page, to first model answer",
        "engine": "engine, prompt of {prompt_tokens} tokens: first token; decode",
        "decode": "{first:,.0f} ms; {decode:.1f} tokens/s",
        "ack": "acknowledgement of a message",
        "tier_direct": "curated answer sent as it stands (`direct`)",
        "tier_generated": "answer written by the model (`generated`): first text, all",
        "outside": "of it outside the models",
        "outside_missed": "{} (goal: {} ms, missed)",
        "memory": "memory of all processes together (PSS)",
        "seconds": "{:.1f} s",
        "milliseconds": "{:,.0f} ms",
        "and": ", ",
        "to": " to ",
        "rivals": "The same weights, the same prompts, the same {threads} threads, in one run and "
        "by turns (`make bench ARGS=--rivals`; {runs} rounds). llama-server has {slots} slots, "
        "continuous batching and its prefix cache; Q4_K_M is the file that Qwen publishes, int8 and "
        "Q8_0 are made of it. transformers does what small-shop tutorials do: first the "
        "sentiment, then the reply, and shows nothing before the end. Memory was read at "
        "{read_gb_s} GB/s.",
        "disturbed": " **The machine was busy with other work during this run**: least and most lie "
        "far apart, and the ratios below are rough.",
        "skipped": "Left out: {}.",
        "picture": "The same weights in other engines",
    },
    "zh-CN": {
        "machine": "以下由 `make bench` 在 {processor} {cores} 核、{memory_gib} GiB 内存的机器上"
        "测得（{system}；{runs} 次取中位数），模型 {model} int8：",
        "start": "从启动到首页、到模型首次作答",
        "engine": "引擎，{prompt_tokens} 词元的提示词：首词元；生成速度",
        "decode": "{first:,.0f} 毫秒；{decode:.1f} 词元/秒",
        "ack": "消息受理确认",
        "tier_direct": "原文发送的知识答案（`direct`）",
        "tier_generated": "模型撰写的答案（`generated`）：首段文字、全部",
        "outside": "其中模型之外",
        "outside_missed": "{}（目标 {} 毫秒，未达到）",
        "memory": "全部进程合计内存（PSS）",
        "seconds": "{:.1f} 秒",
        "milliseconds": "{:,.0f} 毫秒",
        "and": "、",
        "to": " 至 ",
        "rivals": "相同权重、相同提示词、相同的 {threads} 个线程，同一次运行中轮流测量"
        "（`make bench ARGS=--rivals`，{runs} 轮）。llama-server 有 {slots} 个槽位，启用连续批处理和"
        "前缀缓存；Q4_K_M 是 Qwen 发布的文件，int8 与 Q8_0 由它转换而来。transformers 按小店教程的"
        "写法：先判断情感，再作答，写完才显示。内存读取速度 {read_gb_s} GB/s。",
        "disturbed": "**测量期间机器还在做其他工作**：最小值与最大值相差很大，下面的比值只是粗略的。",
        "skipped": "未测：{}。",
        "picture": "相同权重在其他引擎上的表现",
    },
}


class FiguresMissing(Exception):
    """There is no place for the tables; the text says what is missing."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if outdated")
    check = parser.parse_args().check
    try:
        if not check:
            _publish()
        outdated = [path for path, text in files_made() if _differs(path, text)]
        if check:
            print("\n".join(f"Outdated: {path.relative_to(BASE_DIR)}" for path in outdated))
            return 1 if outdated else 0
        for path, text in files_made():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except FiguresMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


def files_made() -> Iterator[tuple[Path, str]]:
    """Every file with generated figures, and what should be in it; figures that were never
    published leave their region as it is."""
    figures = {name: _published(name) for name in NAMES if (PUBLISHED / f"{name}.json").exists()}
    regions = {"bench": desk_region, "rivals": rivals_region}
    for language, path in READMES.items():
        text = path.read_text(encoding="utf-8")
        for name, content in figures.items():
            text = region_replace(text, name, regions[name](content, language))
        yield path, text
        if "rivals" in figures:
            yield IMAGES / f"rivals.{language}.svg", rivals_plot(figures["rivals"], language)


def region_replace(text: str, name: str, content: str) -> str:
    """``text`` with what stands between ``<!-- name -->`` and ``<!-- /name -->`` replaced.

    Raises:
        FiguresMissing: there is no such region.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise FiguresMissing(f"The marks {begin.strip()} and {end} are missing.")
    return f"{head}{begin}{content.strip()}\n{end}{tail}"


def desk_region(figures: Mapping[str, Any], language: str) -> str:
    """The desk's own figures as a table of two columns."""
    words = _WORDS[language]
    seconds = words["seconds"].format
    [start], [memory] = figures["start"], figures["memory"]
    rows = [
        (
            words["start"],
            words["and"].join(map(seconds, (start["first_page_s"], start["first_model_answer_s"]))),
        )
    ]
    rows += [
        (
            words["engine"].format(**row),
            words["decode"].format(
                first=row["first_token_ms"], decode=row["decode_tokens_per_second"]
            ),
        )
        for row in figures["engine"][1:]
    ]
    rows += _ladder_rows(figures["ladder"], words)
    rows.append((words["memory"], f"{memory['whole_tree_mib']:,.0f} MiB"))
    head = words["machine"].format(
        **figures["machine"], runs=figures["runs"], model=figures["model"]
    )
    table = ["| | |", "|---|---|", *(f"| {left} | {right} |" for left, right in rows)]
    return "\n".join([head, "", *table])


def _ladder_rows(
    tiers: Sequence[Mapping[str, Any]], words: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    milliseconds, seconds = words["milliseconds"].format, words["seconds"].format
    acks = sorted(row["ack_ms"] for row in tiers)
    yield words["ack"], words["to"].join(dict.fromkeys(map(milliseconds, (acks[0], acks[-1]))))
    for row in tiers:
        if row["tier"] == "direct":
            yield words["tier_direct"], milliseconds(row["total_ms"])
        elif row["tier"] == "generated":
            times = (row["first_text_ms"] / 1000, row["total_ms"] / 1000)
            yield words["tier_generated"], words["and"].join(map(seconds, times))
            outside = milliseconds(row["outside_engine_ms"])
            if row["outside_engine_ms"] > _OUTSIDE_MS:
                outside = words["outside_missed"].format(outside, _OUTSIDE_MS)
            yield words["outside"], outside


def rivals_region(figures: Mapping[str, Any], language: str) -> str:
    """Picture and tables of the comparison."""
    words = _WORDS[language]
    head = words["rivals"].format(read_gb_s=figures["bandwidth"]["read_gb_s"], **figures)
    if _disturbed(figures):
        head += words["disturbed"]
    parts = [head, f"![{words['picture']}](docs/images/rivals.{language}.svg)"]
    for title, rows in rivals_tables(figures, language):
        parts.append(f"**{title}**\n\n{table_text(rows)}")
    parts += [words["skipped"].format(note) for note in figures["skipped"]]
    return "\n\n".join(parts)


def _disturbed(figures: Mapping[str, Any]) -> bool:
    """Whether one engine's times of one case lie further apart than an idle machine lets them."""
    times = [row["total_ms"] for row in figures["latency"]]
    return any(time["max"] > _QUIET_SPREAD * time["min"] for time in times)


def _publish() -> None:
    PUBLISHED.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        if (OUT_DIR / f"{name}.json").exists():
            shutil.copy(OUT_DIR / f"{name}.json", PUBLISHED / f"{name}.json")


def _published(name: str) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((PUBLISHED / f"{name}.json").read_text(encoding="utf-8"))
    return figures


def _differs(path: Path, text: str) -> bool:
    return not path.exists() or path.read_text(encoding="utf-8") != text


if __name__ == "__main__":
    sys.exit(main())
