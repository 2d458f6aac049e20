"""How an engine is set up on this machine, and how fast it is: ``tuning.json`` beside a model.

``manage.py model tune`` measures and writes the file; an engine reads it at its start. It is no
part of the model, so the manifest does not list it, and without it the defaults below hold.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from inference.errors import WeightsError, gettext_noop

TUNING: Final = "tuning.json"
TUNING_PART: Final = "tuning.json.part"
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class EngineTuning:
    """The figures of a machine with one model; the defaults are a 0.5B model's on two cores.

    Attributes:
        inter_threads: workers that share one batch; each takes a part of it.
        intra_threads: cores that one worker uses; 0 takes those that the process may use.
        batch_most: sequences that are decoded together at most.
        prefill_tokens_per_second: speed of reading a prompt, before its length slows it down.
        prefill_square_seconds: what the square of a prompt's tokens adds to its reading, seconds.
        decode_tokens_per_second: speed of writing one answer alone.
        batch_tokens_per_second: speed of writing ``batch_most`` answers together, all added up.
    """

    inter_threads: int = 1
    intra_threads: int = 0
    batch_most: int = 8
    prefill_tokens_per_second: float = 640.0
    prefill_square_seconds: float = 5e-7
    decode_tokens_per_second: float = 24.0
    batch_tokens_per_second: float = 104.0

    def __post_init__(self) -> None:
        """Raises ``ValueError`` for figures that no machine can have."""
        if self.batch_most < 1:
            raise ValueError("batch_most must be at least 1")
        if self.inter_threads < 1:
            raise ValueError("inter_threads must be at least 1")
        if self.intra_threads < 0:
            raise ValueError("intra_threads must not be negative")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not 0 <= value < math.inf:
                raise ValueError(f"{field.name} must be a number from 0 up")
        for name in (
            "prefill_tokens_per_second",
            "decode_tokens_per_second",
            "batch_tokens_per_second",
        ):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")

    @property
    def threads(self) -> int:
        """Cores of one worker: ``intra_threads``, or those that this process may use."""
        return self.intra_threads or len(os.sched_getaffinity(0))

    @property
    def threads_all(self) -> int:
        """Cores that all workers use together."""
        return self.inter_threads * self.threads


def tuning_load(path: Path) -> EngineTuning | None:
    """What was measured for the model directory ``path``; ``None`` when nothing was.

    Raises:
        WeightsError: there is a file, but it cannot be used.
    """
    file = path / TUNING
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise WeightsError(
            gettext_noop("%(file)s cannot be read: %(reason)s. Delete it to do without."),
            file=file,
            reason=error,
        ) from error
    try:
        return _tuning_parse(content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            gettext_noop(
                "%(file)s is damaged or of another version (%(reason)s). Delete it to do without."
            ),
            file=file,
            reason=error,
        ) from error


def tuning_save(path: Path, tuning: EngineTuning) -> None:
    """Write the file into the model directory ``path``, whole or not at all."""
    content = {"format": FORMAT, **asdict(tuning)}
    part = path / TUNING_PART
    part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    part.replace(path / TUNING)


def _tuning_parse(content: dict[str, Any]) -> EngineTuning:
    if content.pop("format") != FORMAT:
        raise ValueError("unknown format")
    # JSON has one kind of number: 24 and 24.0 are the same there.
    kinds = {field.name: type(field.default) for field in fields(EngineTuning)}
    if unknown := set(content) - set(kinds):
        raise ValueError(f"unknown {', '.join(sorted(unknown))}")
    return EngineTuning(**{name: _number(value, kinds[name]) for name, value in content.items()})


def _number(value: object, kind: type) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    if kind is int and value != int(value):
        raise ValueError(f"{value!r} is no whole number")
    return kind(value)
