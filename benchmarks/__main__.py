"""``make bench``: times the desk on this machine, prints tables, writes JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

import httpx2

from benchmarks.desk import BASE_DIR, desk_running
from benchmarks.engine import engine_measure
from benchmarks.ladder import ladder_measure
from benchmarks.machine import machine_describe
from benchmarks.memory import tree_pss
from benchmarks.tables import table_print

OUT_DIR = BASE_DIR / "benchmarks" / "out"


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each figure; medians count")
    runs = parser.parse_args().runs
    machine = machine_describe()
    print(f"Machine: {machine}. Medians of {runs} runs.")
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
    result = {
        "machine": machine,
        "model": model,
        "runs": runs,
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "start": start,
        "engine": engine,
        "ladder": ladder,
        "memory": memory,
    }
    OUT_DIR.mkdir(parents=True, exist_ok=True)
    path = OUT_DIR / "bench.json"
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    print(f"\nWritten: {path.relative_to(BASE_DIR)}")


if __name__ == "__main__":
    main()
