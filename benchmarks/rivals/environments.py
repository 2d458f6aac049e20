"""Virtual environments of their own for what the product's must not hold."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.rivals.build import RivalMissing

_COMPLETE = "complete"


def environment_find(target: Path) -> Path | None:
    """The interpreter of an environment that :func:`environment_ensure` has made."""
    return _python(target) if (target / _COMPLETE).exists() else None


def environment_ensure(
    target: Path, requirements: Sequence[str], *, variables: Mapping[str, str] | None = None
) -> Path:
    """Make an environment with these requirements if it is not there; returns its interpreter.

    ``variables`` are added to those that the installation sees. Packages come from wherever pip is
    told to get them.

    Raises:
        RivalMissing: it cannot be made.
    """
    if (found := environment_find(target)) is not None:
        return found
    print(f"Installing {', '.join(requirements)} into {target} ...", flush=True)
    install = [str(_python(target)), "-m", "pip", "install", "-q", "--progress-bar", "off"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(target)],
        [*install, *requirements],
    ):
        if subprocess.run(command, env={**os.environ, **(variables or {})}, check=False).returncode:
            raise RivalMissing(f"{', '.join(requirements)} cannot be installed")
    (target / _COMPLETE).touch()
    return _python(target)


def _python(target: Path) -> Path:
    return target / "bin" / "python"
