"""Which device and arithmetic a model gets, on machines of every kind."""

from __future__ import annotations

import pytest

from inference.engines.devices import DeviceChoice, device_choose
from inference.errors import WeightsError


class Machine:
    """A runtime with GPUs that know certain compute types; its CPU is an ordinary one."""

    def __init__(self, *gpu_types: str) -> None:
        self._gpu_types = set(gpu_types)

    def get_cuda_device_count(self) -> int:
        return 1 if self._gpu_types else 0

    def get_supported_compute_types(self, device: str) -> set[str]:
        cpu = {"int8", "int8_float32", "float32", "int16", "int8_float16"}
        return self._gpu_types if device == "cuda" else cpu


AMPERE = Machine("float32", "float16", "bfloat16", "int8", "int8_float16", "int8_bfloat16")
TURING = Machine("float32", "float16", "int8", "int8_float16", "int8_float32")
PASCAL_WITHOUT_INT8 = Machine("float32", "float16")
OLD = Machine("float32")


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (Machine(), DeviceChoice("cpu", "int8")),
        (AMPERE, DeviceChoice("cuda", "int8_bfloat16")),
        (TURING, DeviceChoice("cuda", "int8_float16")),
        (PASCAL_WITHOUT_INT8, DeviceChoice("cuda", "float16")),
        (OLD, DeviceChoice("cuda", "float32")),
    ],
)
def test_the_best_that_the_machine_has_is_taken(machine: Machine, expected: DeviceChoice) -> None:
    assert device_choose(machine, environment={}) == expected


def test_a_model_kept_in_float32_is_computed_in_float32() -> None:
    choice = device_choose(Machine(), stored="float32", environment={})
    assert choice == DeviceChoice("cpu", "float32")


def test_the_environment_overrules() -> None:
    cpu = {"SUPPORTDESK_DEVICE": "cpu", "SUPPORTDESK_COMPUTE_TYPE": "float32"}
    assert device_choose(AMPERE, environment=cpu) == DeviceChoice("cpu", "float32")
    half = {"SUPPORTDESK_COMPUTE_TYPE": "float16"}
    assert device_choose(AMPERE, environment=half) == DeviceChoice("cuda", "float16")
    auto = {"SUPPORTDESK_DEVICE": "auto", "SUPPORTDESK_COMPUTE_TYPE": ""}
    assert device_choose(TURING, environment=auto) == DeviceChoice("cuda", "int8_float16")


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"SUPPORTDESK_DEVICE": "tpu"}, "SUPPORTDESK_DEVICE must be auto, cpu or cuda, not tpu"),
        ({"SUPPORTDESK_DEVICE": "cuda"}, "CTranslate2 finds none here"),
        (
            {"SUPPORTDESK_COMPUTE_TYPE": "int4"},
            r"SUPPORTDESK_COMPUTE_TYPE is int4, but this cpu knows only float32, int16, int8",
        ),
    ],
)
def test_what_cannot_be_is_refused(environment: dict[str, str], complaint: str) -> None:
    with pytest.raises(WeightsError, match=complaint):
        device_choose(Machine(), environment=environment)
