"""``make bench``: times the desk on this machine and beside other programs; tables and JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.desk import BASE_DIR, desk_running
from benchmarks.engine import engine_measure
from benchmarks.ladder import ladder_measure
from benchmarks.machine import machine_describe
from benchmarks.memory import tree_pss
from benchmarks.rivals.run import rivals_run
from benchmarks.rivals.tables import rivals_tables
from benchmarks.tables import table_print

OUT_DIR = BASE_DIR / "benchmarks" / "out"
DEFAULT_MODEL = "Qwen2.5-Coder-0.5B-Instruct"


def main() -> None:
    options = _options()
    # A plain kill, too, must end the servers that were started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    machine = machine_describe()
    print(f"Machine: {machine}. Medians of {options.runs} runs.")
    head = {"machine": machine, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    if options.part in ("all", "desk"):
        _write("bench.json", {**head, **_desk_measure(options.runs)})
    if options.part in ("all", "rivals"):
        cache = os.environ.get("SUPPORTDESK_CACHE") or "~/.cache/supportdesk"
        model = os.environ.get("SUPPORTDESK_MODEL") or DEFAULT_MODEL
        figures: dict[str, Any] = {}
        for figures in rivals_run(
            model,
            Path(cache).expanduser().resolve(),
            runs=options.runs,
            make=options.rivals,
            logs=OUT_DIR / "logs",
        ):
            _write("rivals.json", {**head, **figures})
        for title, rows in rivals_tables(figures):
            table_print(title, rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each figure; medians count")
    parser.add_argument(
        "--rivals",
        action="store_true",
        help="build llama-server and install torch for the comparison, where they are missing",
    )
    parser.add_argument(
        "--part", choices=("all", "desk", "rivals"), default="all", help="what to measure"
    )
    return parser.parse_args()


def _desk_measure(runs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, desk_running(Path(folder)) as desk:
        model = httpx2.get(f"{desk.url}/v1/models").json()["data"][0]["id"]
        start = [
            {
                "first_page_s": desk.first_page_seconds,
                "first_model_answer_s": desk.model_ready_seconds,
            }
        ]
        table_print("Start", start)
        engine = engine_measure(desk.url, model, runs=runs)
        table_print(f"Engine, {model}", engine)
        ladder = asyncio.run(ladder_measure(desk, runs=runs))
        table_print("One question over the socket, by tier", ladder)
        sizes = tree_pss(desk.pid)
        memory = [{**sizes, "whole_tree_mib": round(sum(sizes.values()), 1)}]
        table_print("Memory (PSS, MiB)", memory)
    return {
        "model": model,
        "runs": runs,
        "start": start,
        "engine": engine,
        "ladder": ladder,
        "memory": memory,
    }


def _write(name: str, result: dict[str, Any]) -> None:
    OUT_DIR.mkdir(parents=True, exist_ok=True)
    path = OUT_DIR / name
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"\nWritten: {path.relative_to(BASE_DIR)}", flush=True)


if __name__ == "__main__":
    main()
