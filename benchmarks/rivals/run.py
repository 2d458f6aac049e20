"""The whole comparison: gets what it needs, or says what it leaves out and why."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bandwidth import bandwidth_measure
from benchmarks.rivals.build import VERSION, LlamaPrograms, RivalMissing, llama_ensure, llama_find
from benchmarks.rivals.comparison import OUTPUT_TOKENS, all_running, servers_compare
from benchmarks.rivals.goals import OWN, goals_judge
from benchmarks.rivals.prompts import Count, Messages
from benchmarks.rivals.servers import EngineServer, llama_server_running, own_server_running
from benchmarks.rivals.torch_process import TORCH, torch_ensure, torch_find, torch_running
from benchmarks.rivals.weights import (
    checkpoint_ensure,
    gguf_bytes_per_token,
    gguf_ensure,
    q8_ensure,
)
from inference.chat import ChatMessage
from inference.engines.chat_template import ChatTemplate
from inference.weights.store import model_find

SLOTS = 8
TRANSFORMERS = "transformers float32"


@dataclass(frozen=True, slots=True)
class System:
    """One engine of the comparison; ``bytes_per_token`` are the weights that a step reads."""

    name: str
    weights: str
    bytes_per_token: int
    server: AbstractContextManager[EngineServer] | None


def rivals_run(
    model: str, cache_dir: Path, *, runs: int, make: bool, logs: Path
) -> Iterator[dict[str, Any]]:
    """Compare ``model`` (a name of the catalog) with what is there; ``make`` builds and installs
    what is missing; ``logs`` gets what the servers print. Yields all figures after each round, so that a
    run that is cut short has not been for nothing."""
    directory = cache_dir / "bench"
    skipped: list[str] = []
    threads = len(os.sched_getaffinity(0))
    gguf = gguf_ensure(model, directory)
    converted = model_find(model, cache_dir)
    logs.mkdir(parents=True, exist_ok=True)
    systems = [
        System(
            OWN,
            f"int8, converted from {gguf.name}",
            (converted / "model.bin").stat().st_size,
            own_server_running(converted, name=OWN, threads=threads, folder=logs),
        )
    ]
    programs = _llama(directory, make=make, skipped=skipped)
    if programs is not None:
        systems += _llama_systems(programs, gguf, threads=threads, folder=logs)
    python = _torch(directory, make=make, skipped=skipped)
    for note in skipped:
        print(f"Left out: {note}", flush=True)
    bandwidth = bandwidth_measure(threads)
    contexts: list[AbstractContextManager[Any]] = [s.server for s in systems if s.server]
    if python is not None:
        checkpoint = checkpoint_ensure(gguf)
        size = (checkpoint / "model.safetensors").stat().st_size
        systems.append(System(TRANSFORMERS, f"float32, dequantised from {gguf.name}", size, None))
        contexts.append(torch_running(python, checkpoint, threads=threads))
    with all_running(contexts) as running:
        torch = running.pop() if python is not None else None
        for figures in servers_compare(running, torch, count=_counter(converted), runs=runs):
            figures.update(
                model=model,
                threads=threads,
                slots=SLOTS,
                output_tokens=OUTPUT_TOKENS,
                versions={"llama-cpp-python": VERSION, "torch": TORCH},
                bandwidth=bandwidth,
                skipped=skipped,
                systems=[_system_row(system, bandwidth["read_gb_s"]) for system in systems],
            )
            figures["goals"] = goals_judge(figures)
            yield figures


def _counter(converted: Path) -> Count:
    """Counts a prompt's tokens, those of the template included."""
    template = ChatTemplate.load(converted)

    def count(messages: Messages) -> int:
        return len(template.encode([ChatMessage(m["role"], m["content"]) for m in messages]))

    return count


def _llama(directory: Path, *, make: bool, skipped: list[str]) -> LlamaPrograms | None:
    try:
        found = llama_ensure(directory) if make else llama_find(directory)
    except RivalMissing as missing:
        skipped.append(str(missing))
        return None
    if found is None:
        skipped.append('llama-server is not built yet; make bench ARGS="--rivals" builds it')
    return found


def _llama_systems(
    programs: LlamaPrograms, gguf: Path, *, threads: int, folder: Path
) -> Sequence[System]:
    """The official file, and where it can be made, the same weights with as many bits as ours."""
    files = {"llama.cpp Q4_K_M": gguf}
    if programs.quantize is not None:
        files["llama.cpp Q8_0"] = q8_ensure(gguf, programs.quantize)
    return [
        System(
            name,
            file.name,
            gguf_bytes_per_token(file),
            llama_server_running(
                programs.server, file, name=name, threads=threads, slots=SLOTS, folder=folder
            ),
        )
        for name, file in files.items()
    ]


def _torch(directory: Path, *, make: bool, skipped: list[str]) -> Path | None:
    try:
        found = torch_ensure(directory) if make else torch_find(directory)
    except RivalMissing as missing:
        skipped.append(str(missing))
        return None
    if found is None:
        skipped.append('transformers is without torch; make bench ARGS="--rivals" installs it')
    return found


def _system_row(system: System, read_gb_s: float) -> dict[str, Any]:
    """``bound_tokens_per_second``: what one sequence cannot decode faster than."""
    return {
        "system": system.name,
        "weights": system.weights,
        "weights_bytes_per_token": system.bytes_per_token,
        "bound_tokens_per_second": round(read_gb_s * 1e9 / system.bytes_per_token, 1),
    }
