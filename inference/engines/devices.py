"""Which processor runs a model, and in which arithmetic."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from inference.errors import WeightsError, gettext_noop

DEVICE_VARIABLE: Final = "SUPPORTDESK_DEVICE"
COMPUTE_TYPE_VARIABLE: Final = "SUPPORTDESK_COMPUTE_TYPE"

# What to take, the best first. On a GPU, weights stay in int8 and the rest is computed in 16 bits;
# bfloat16 has the range that Qwen was trained with, but only newer devices know it.
_PREFERRED: Final[Mapping[str, Sequence[str]]] = {
    "cpu": ("int8", "int8_float32", "float32"),
    "cuda": ("int8_bfloat16", "int8_float16", "bfloat16", "float16", "int8", "float32"),
}


class Runtime(Protocol):
    """What is asked of the ``ctranslate2`` package."""

    def get_cuda_device_count(self) -> int: ...

    def get_supported_compute_types(self, device: str) -> set[str]: ...


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """``device`` is ``cpu`` or ``cuda``; ``compute_type`` is one that CTranslate2 knows."""

    device: str
    compute_type: str


def device_choose(
    runtime: Runtime, *, stored: str = "int8", environment: Mapping[str, str] = os.environ
) -> DeviceChoice:
    """A GPU if there is one, and the best arithmetic that it knows.

    A model that is ``stored`` in float32 is meant to be computed so. ``SUPPORTDESK_DEVICE`` (auto,
    cpu, cuda) and ``SUPPORTDESK_COMPUTE_TYPE`` (auto, or a type of CTranslate2) overrule the
    choice.

    Raises:
        WeightsError: the device is not there, or does not know the arithmetic that is asked for.
    """
    device = environment.get(DEVICE_VARIABLE) or "auto"
    if device not in ("auto", "cpu", "cuda"):
        raise WeightsError(
            gettext_noop("%(variable)s must be auto, cpu or cuda, not %(value)s."),
            variable=DEVICE_VARIABLE,
            value=device,
        )
    gpus = runtime.get_cuda_device_count()
    if device == "cuda" and not gpus:
        raise WeightsError(
            gettext_noop("%(variable)s asks for a GPU, but CTranslate2 finds none here."),
            variable=DEVICE_VARIABLE,
        )
    if device == "auto":
        device = "cuda" if gpus else "cpu"
    known = runtime.get_supported_compute_types(device)
    wanted = environment.get(COMPUTE_TYPE_VARIABLE) or "auto"
    if wanted == "auto":
        preferred = ("float32",) if stored == "float32" else _PREFERRED[device]
        return DeviceChoice(device, next((name for name in preferred if name in known), "default"))
    if wanted not in known:
        raise WeightsError(
            gettext_noop("%(variable)s is %(value)s, but this %(device)s knows only %(known)s."),
            variable=COMPUTE_TYPE_VARIABLE,
            value=wanted,
            device=device,
            known=", ".join(sorted(known)),
        )
    return DeviceChoice(device, wanted)
