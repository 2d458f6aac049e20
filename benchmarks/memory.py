"""Memory of a process tree: PSS, which counts shared pages once over all who share them."""

from __future__ import annotations

from pathlib import Path

import psutil


def tree_pss(root_pid: int) -> dict[str, float]:
    """Proportional set size in MiB of a process and its descendants, by what each is.

    Source: ``/proc/<pid>/smaps_rollup`` (Linux 4.14 and later).
    """
    root = psutil.Process(root_pid)
    sizes: dict[str, float] = {}
    for process in [root, *root.children(recursive=True)]:
        try:
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
            name = _process_name(process.cmdline())
        except (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
            continue  # it ended between the listing and the reading
        kilobytes = next(int(x.split()[1]) for x in rollup.splitlines() if x.startswith("Pss:"))
        sizes[name] = round(sizes.get(name, 0.0) + kilobytes / 1024, 1)
    return sizes


def _process_name(command: list[str]) -> str:
    words = " ".join(command)
    for mark, name in (
        ("--embedding-model", "encoder"),
        ("--chat-model", "engine"),
        ("demoshop", "demo shop"),
        ("manage.py web", "web"),
        ("manage.py serve", "supervisor"),
    ):
        if mark in words:
            return name
    return "other"
