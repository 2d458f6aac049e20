"""Servers of another make, for the tests that put them behind the pool of engines.

    python -m benchmarks.rivals.another_make

gets what is missing: llama.cpp's own server, llama-cpp-python's (in a virtual environment), and the
GGUF file that both run. That one holds one lock and cuts a running stream when another request
comes, so it is no baseline for speed; but an engine that does so must not spoil an answer.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rivals.build import (
    PROJECT,
    VERSION,
    LlamaPrograms,
    RivalMissing,
    llama_ensure,
    llama_find,
)
from benchmarks.rivals.environments import environment_ensure, environment_find
from benchmarks.rivals.weights import gguf_ensure, gguf_find
from inference.errors import WeightsError

# The library and its Python server alone.
_OPTIONS = (
    "-DGGML_NATIVE=ON -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF"
    " -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF"
)


@dataclass(frozen=True, slots=True)
class AnotherMake:
    """What is there: llama.cpp's programs, the interpreter that has llama-cpp-python, the weights."""

    programs: LlamaPrograms | None
    python: Path | None
    weights: Path | None


def another_make_find(model: str, directory: Path) -> AnotherMake:
    """What was built or installed before.

    Raises:
        RivalMissing: ``LLAMA_SERVER`` names nothing that can be run.
    """
    return AnotherMake(
        llama_find(directory),
        environment_find(_environment(directory)),
        gguf_find(model, directory),
    )


def another_make_ensure(model: str, directory: Path) -> AnotherMake:
    """Build and install what is missing; takes minutes, and a compiler.

    Raises:
        RivalMissing: something cannot be had here.
        WeightsError: the weights cannot.
    """
    programs = llama_ensure(directory)
    if (python := environment_find(_environment(directory))) is None:
        if shutil.which("c++") is None:
            raise RivalMissing(
                "llama-cpp-python cannot be built: no c++ (Debian: apt-get install g++)"
            )
        python = environment_ensure(
            _environment(directory),
            [f"{PROJECT}[server]=={VERSION}"],
            variables={
                "CMAKE_ARGS": _OPTIONS,
                "CMAKE_BUILD_PARALLEL_LEVEL": str(len(os.sched_getaffinity(0))),
            },
        )
    return AnotherMake(programs, python, gguf_ensure(model, directory))


def _environment(directory: Path) -> Path:
    return directory / f"{PROJECT}-{VERSION}"


def main() -> int:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "supportdesk.settings")
    django.setup()
    from django.conf import settings

    try:
        another_make_ensure(settings.MODEL, settings.CACHE_DIR / "bench")
    except (RivalMissing, WeightsError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
