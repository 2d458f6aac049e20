"""Builds llama.cpp's server from the sources that lie in llama-cpp-python's source package.

``LLAMA_SERVER=/path/to/llama-server`` names one that is there already; ``llama-quantize`` is looked
for beside it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from inference.errors import WeightsError
from inference.weights.downloads import Download, Downloader, client_open
from inference.weights.package_index import index_settings

PROJECT, VERSION = "llama-cpp-python", "0.3.36"
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
SIZE = 76_589_250
TARGETS = ("llama-server", "llama-quantize")
# Without what a comparison does not use: TLS, the page in the browser, tests and examples.
OPTIONS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_NATIVE=ON",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_APP=OFF",
)


class RivalMissing(Exception):
    """A program to compare with cannot be had here; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class LlamaPrograms:
    """``quantize`` is None where only a server is there."""

    server: Path
    quantize: Path | None


def llama_find(directory: Path) -> LlamaPrograms | None:
    """The programs that ``LLAMA_SERVER`` names, or that were built before.

    Raises:
        RivalMissing: ``LLAMA_SERVER`` names nothing that can be run.
    """
    named = os.environ.get("LLAMA_SERVER", "")
    server = Path(named) if named else _programs(directory) / "llama-server"
    if not os.access(server, os.X_OK):
        if named:
            raise RivalMissing(f"LLAMA_SERVER names {named}, which cannot be run.")
        return None
    quantize = server.with_name("llama-quantize")
    return LlamaPrograms(server, quantize if os.access(quantize, os.X_OK) else None)


def llama_ensure(directory: Path) -> LlamaPrograms:
    """The programs, built into ``directory`` if they are not there; takes minutes.

    Raises:
        RivalMissing: no compiler, no sources, or they do not build.
    """
    found = llama_find(directory)
    if found is not None:
        return found
    lacking = [name for name in ("cmake", "c++") if shutil.which(name) is None]
    if lacking:
        raise RivalMissing(
            f"llama-server is not there and cannot be built: no {' and no '.join(lacking)}"
            " (Debian: apt-get install cmake g++), or set LLAMA_SERVER=/path/to/llama-server"
        )
    try:
        sources = _sources_ensure(directory)
    except (WeightsError, OSError) as error:
        raise RivalMissing(f"The sources of llama-server cannot be had: {error}") from error
    build = directory / f"llama-{VERSION}-build"
    log = directory / "llama-build.log"
    jobs = str(len(os.sched_getaffinity(0)))
    print(f"Building llama-server (minutes; {log}) ...", flush=True)
    with log.open("w") as output:
        for command in (
            ["cmake", "-S", str(sources), "-B", str(build), *OPTIONS],
            ["cmake", "--build", str(build), "-j", jobs, "--target", *TARGETS],
        ):
            if subprocess.run(command, stdout=output, stderr=output, check=False).returncode:
                raise RivalMissing(f"llama-server could not be built; see {log}")
    _programs(directory).mkdir(exist_ok=True)
    for name in TARGETS:
        shutil.copy2(build / "bin" / name, _programs(directory) / name)
    shutil.rmtree(build)
    shutil.rmtree(sources)
    return LlamaPrograms(*(_programs(directory) / name for name in TARGETS))


def _programs(directory: Path) -> Path:
    return directory / f"llama-{VERSION}"


def _sources_ensure(directory: Path) -> Path:
    target = directory / f"llama-{VERSION}-sources"
    if target.exists():
        return target
    directory.mkdir(parents=True, exist_ok=True)
    archive = _archive_fetch(directory)
    part = target.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    with tarfile.open(archive) as file:
        file.extractall(part, filter="data")
    [top] = part.iterdir()
    (top / "vendor" / "llama.cpp").rename(target)
    shutil.rmtree(part)
    archive.unlink()
    return target


def _archive_fetch(directory: Path) -> Path:
    """The source package from whichever index of pip's has it, checked by its hash."""
    settings = index_settings()
    name = f"{PROJECT.replace('-', '_')}-{VERSION}.tar.gz"
    with client_open(settings.certificates) as client:
        accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
        for index in settings.urls:
            page = client.get(urljoin(index.rstrip("/") + "/", f"{PROJECT}/"), headers=accept)
            if page.status_code != 200 or "json" not in page.headers.get("Content-Type", ""):
                continue
            for file in page.json()["files"]:
                if file["filename"] == name:
                    item = Download(urljoin(str(page.url), file["url"]), name, SIZE, SHA256)
                    with Downloader(directory, print) as downloader:
                        [path] = downloader.fetch_all([item], "llama.cpp's sources")
                    return path
    raise WeightsError(f"no package index within reach has {name}.")
