"""How fast this machine reads memory: the physical limit of decoding.

A decoding step of one sequence reads every weight once, so that tokens a second are at most bytes
read a second over bytes of weights. The arrays are far larger than any cache, each thread has its
own, and the best of several runs counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import numpy as np

_MIB = 2**20
_RUNS = 7


def bandwidth_measure(threads: int) -> dict[str, float]:
    """GB/s (10^9 bytes) of reading alone, and of STREAM's triad ``a = b + s*c``.

    In a process of its own, because numpy's BLAS reads its number of threads when it is loaded.
    """
    shown = subprocess.run(
        [sys.executable, "-m", "benchmarks.bandwidth", str(threads)],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    result: dict[str, float] = json.loads(shown.stdout)
    return result


def _measure(threads: int, *, mib: int = 192) -> dict[str, float]:
    """numpy does the triad in two passes, which together move five arrays.

    Source of the triad: https://www.cs.virginia.edu/stream/ref.html
    """
    count = mib * _MIB // 4
    sets = [[np.ones(count, np.float32) for _ in range(3)] for _ in range(threads)]

    def read(arrays: list[np.ndarray]) -> None:
        for array in arrays:
            float(np.dot(array, array))

    def triad(arrays: list[np.ndarray]) -> None:
        a, b, c = arrays
        np.multiply(c, np.float32(3), out=a)
        np.add(a, b, out=a)

    size = threads * count * 4
    return {
        "read_gb_s": round(3 * size / _best(read, sets) / 1e9, 1),
        "triad_gb_s": round(5 * size / _best(triad, sets) / 1e9, 1),
    }


def _best(work: Callable[[list[np.ndarray]], None], sets: list[list[np.ndarray]]) -> float:
    seconds = []
    for _ in range(_RUNS):
        workers = [threading.Thread(target=work, args=(arrays,)) for arrays in sets]
        began = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]))))
