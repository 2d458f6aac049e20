"""transformers with torch, in a virtual environment and a process of its own.

In the product's environment torch would be imported by transformers at every start of the engine.
"""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.rivals.environments import environment_ensure, environment_find
from benchmarks.rivals.prompts import BenchPrompt

TORCH = "2.13.0"
_SCRIPT = Path(__file__).with_name("two_pass.py")


@dataclass(frozen=True, slots=True)
class TwoPassTimed:
    """Seconds; nothing is shown to the customer before ``total``."""

    sentiment: float
    reply: float
    total: float
    prompt_tokens: int
    completion_tokens: int


class TorchProcess:
    """The running script; one question at a time."""

    def __init__(self, process: subprocess.Popen[str], version: str) -> None:
        self.pid, self.version = process.pid, version
        self._process = process

    def answer_time(self, prompt: BenchPrompt, output_tokens: int) -> TwoPassTimed:
        """Raises: RuntimeError if the process ended."""
        request = {"messages": prompt.messages, "output_tokens": output_tokens}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        row = _line_read(self._process.stdout)
        if row["completion_tokens"] != output_tokens:
            raise RuntimeError(f"transformers wrote {row['completion_tokens']} tokens.")
        return TwoPassTimed(
            row["sentiment_s"],
            row["reply_s"],
            row["total_s"],
            row["prompt_tokens"],
            row["completion_tokens"],
        )


def torch_find(directory: Path) -> Path | None:
    """The interpreter of the environment with torch, if it was made before."""
    return environment_find(_environment(directory))


def torch_ensure(directory: Path) -> Path:
    """Make the environment if it is not there (some hundred megabytes from the package index).

    Raises:
        RivalMissing: it cannot be made.
    """
    transformers = importlib.metadata.version("transformers")
    requirements = [f"torch=={TORCH}", f"transformers=={transformers}"]
    return environment_ensure(_environment(directory), requirements)


@contextmanager
def torch_running(python: Path, checkpoint: Path, *, threads: int) -> Iterator[TorchProcess]:
    """Load the model; the process ends with the block."""
    process = subprocess.Popen(
        [str(python), str(_SCRIPT), str(checkpoint), str(threads)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield TorchProcess(process, str(_line_read(process.stdout)["torch"]))
    finally:
        process.kill()
        process.wait()


def _environment(directory: Path) -> Path:
    return directory / f"torch-{TORCH}"


def _line_read(stream: IO[str] | None) -> dict:
    assert stream is not None
    line = stream.readline()
    if not line:
        raise RuntimeError("transformers ended; run the script by hand to see why")
    return json.loads(line)
