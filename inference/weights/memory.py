"""How much memory a model needs, and how much there is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from inference.errors import WeightsError, gettext_noop
from inference.weights.progress import size_text

# Resident memory of the engine's process, measured with the 0.5B and the 1.5B model in int8 on a
# CPU: the libraries, tokenizer and template take a fixed part; caches and buffers grow with the
# model.
_FIXED_BYTES: Final = 500_000_000
_FACTOR: Final = 1.2
_MEMINFO: Final = Path("/proc/meminfo")
_CGROUPS: Final = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


def memory_estimate(weights_bytes: int) -> int:
    """About how many bytes a process needs that runs a model with weights of that size."""
    return _FIXED_BYTES + int(_FACTOR * weights_bytes)


def memory_needed(path: Path) -> int:
    """The same for the converted model in the directory ``path``.

    Raises:
        WeightsError: there is none.
    """
    try:
        return memory_estimate((path / "model.bin").stat().st_size)
    except OSError as error:
        raise WeightsError(
            gettext_noop("The model directory %(path)s holds no converted model."), path=path
        ) from error


def memory_available() -> int | None:
    """Bytes that processes may still take, by the kernel and the control group; None if unknown."""
    rooms = [room for room in (_kernel_room(), *map(_cgroup_room, _CGROUPS)) if room is not None]
    return min(rooms, default=None)


def memory_check(path: Path, *, available: int | None = None) -> None:
    """See whether the model in ``path`` can be loaded beside what runs now.

    Raises:
        WeightsError: it needs more memory than is free; says how much.
    """
    room = memory_available() if available is None else available
    needed = memory_needed(path)
    if room is not None and needed > room:
        raise WeightsError(
            gettext_noop(
                "%(name)s needs about %(needed)s of memory, and only %(room)s are free; stop other"
                " programs, or take a smaller model."
            ),
            name=path.name,
            needed=size_text(needed),
            room=size_text(room),
        )


def _kernel_room() -> int | None:
    try:
        for line in _MEMINFO.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return None  # not Linux: nobody tells
    return None


def _cgroup_room(files: tuple[Path, Path]) -> int | None:
    """What the control group leaves; its limit may be "max"."""
    try:
        limit, used = (int(file.read_text(encoding="ascii")) for file in files)
    except (OSError, ValueError):
        return None
    return max(0, limit - used)
