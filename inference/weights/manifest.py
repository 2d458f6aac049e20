"""The manifest of a converted model: what it is, where it came from, and the hash of every file.

``manifest.json`` is written last, so a directory with a manifest is complete. The manifest guards
against damage (a flipped bit, a cut-off copy, a file swapped by mistake), not against somebody who
may write to the directory and can write a new manifest as well.

Hashing half a gigabyte takes a second or more, so a start does not do it every time.
``verified.json`` beside the manifest records the state of each file (size, inode, change time) as of
the last full check. The change time (ctime) is set by the kernel at every write and cannot be set
back, unlike the modification time; as long as all states are the same, nothing wrote to the files
since. Any difference leads to a full check. Only damage below the file system (a failing disk)
escapes the quick check; ``manage.py model verify`` always hashes everything.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from inference.engines.tuning import TUNING, TUNING_PART
from inference.errors import WeightsError, gettext_noop

MANIFEST: Final = "manifest.json"
STAMP: Final = "verified.json"
FORMAT: Final = 1
_CHUNK_BYTES = 2**20

ModelKind = Literal["chat", "embedding"]


@dataclass(frozen=True, slots=True)
class FileRecord:
    """``sha256`` in hexadecimal, ``size`` in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """Describes a directory with a converted model.

    ``source`` tells people where the weights came from; ``source_sha256`` is the hash of the file
    that was converted ("" for a directory of several files). ``context_length`` counts tokens.
    ``eos_token_ids`` end an answer of a chat model. ``vocabulary`` is "full", or the languages that
    the vocabulary was cut to (see vocabulary.py). ``dimensions``, ``pooling`` ("mean" or "cls") and
    the prefixes belong to embedding models: a text gets its prefix, the vectors of its tokens are
    pooled and the result is L2-normalised.
    """

    name: str
    kind: ModelKind
    architecture: str
    source: str
    source_sha256: str
    quantization: str
    context_length: int
    files: Mapping[str, FileRecord]
    eos_token_ids: tuple[int, ...] = ()
    dimensions: int = 0
    pooling: str = ""
    query_prefix: str = ""
    passage_prefix: str = ""
    vocabulary: str = "full"
    format: int = field(default=FORMAT)

    @property
    def model_hash(self) -> str:
        """One hash for the whole model: SHA-256 of what ``sha256sum *`` prints for its files."""
        lines = (f"{record.sha256}  {name}\n" for name, record in sorted(self.files.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def files_record(path: Path) -> dict[str, FileRecord]:
    """Hash every file of the directory ``path``, manifest, stamp and tuning left out."""
    names = sorted(_names(path))
    with ThreadPoolExecutor(max_workers=2) as pool:  # hashlib releases the lock of the interpreter
        hashes = list(pool.map(lambda name: file_sha256(path / name), names))
    return {
        name: FileRecord(sha256, (path / name).stat().st_size)
        for name, sha256 in zip(names, hashes, strict=True)
    }


def manifest_write(path: Path, manifest: Manifest) -> None:
    """Write ``manifest.json`` and the stamp into the directory ``path``.

    Only for a directory whose files were hashed just now.
    """
    content = {**asdict(manifest), "model_hash": manifest.model_hash}
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    (path / MANIFEST).write_text(text, encoding="utf-8")
    stamp_write(path)


def manifest_read(path: Path) -> Manifest:
    """The manifest of the directory ``path``, unchecked against the files.

    Raises:
        WeightsError: No such directory, no manifest, or one that cannot be understood.
    """
    file = path / MANIFEST
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        message = gettext_noop("The model directory %(path)s does not exist.")
        if path.is_dir():
            message = gettext_noop("The model directory %(path)s holds no converted model.")
        raise WeightsError(message, path=path) from error
    except NotADirectoryError as error:
        raise WeightsError(
            gettext_noop("%(path)s is a file, not a model directory."), path=path
        ) from error
    except OSError as error:
        raise WeightsError(
            gettext_noop("%(file)s cannot be read: %(strerror)s."),
            file=file,
            strerror=error.strerror,
        ) from error
    except ValueError as error:
        raise WeightsError(
            gettext_noop("%(file)s is damaged: it is not JSON."), file=file
        ) from error
    try:
        return _manifest_parse(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WeightsError(
            gettext_noop("%(file)s is damaged or of another version."), file=file
        ) from error


def _manifest_parse(content: dict[str, Any]) -> Manifest:
    if content.pop("format") != FORMAT:
        raise ValueError("unknown format")
    model_hash = content.pop("model_hash")
    files = {
        str(name): FileRecord(str(record["sha256"]), int(record["size"]))
        for name, record in content.pop("files").items()
    }
    if content["kind"] not in ("chat", "embedding"):
        raise ValueError("unknown kind")
    if not files or any(Path(name).name != name for name in files):
        raise ValueError("bad file names")
    content["eos_token_ids"] = tuple(int(token) for token in content["eos_token_ids"])
    manifest = Manifest(files=files, **content)
    if manifest.model_hash != model_hash:
        raise ValueError("the hashes were edited")
    return manifest


def manifest_verify(path: Path, *, quick: bool) -> Manifest:
    """Check the directory ``path`` against its manifest.

    ``quick`` trusts the stamp of an earlier full check when no file changed since.

    Raises:
        WeightsError: A file is missing, additional, of another size or of another hash.
    """
    manifest = manifest_read(path)
    if quick and _stamp_holds(path, manifest):
        return manifest
    try:
        _names_check(path, manifest)
        before = _states(path, manifest)
        records = files_record(path)
    except OSError as error:
        raise WeightsError(
            gettext_noop("%(filename)s cannot be read: %(strerror)s."),
            filename=error.filename,
            strerror=error.strerror,
        ) from error
    for name, expected in manifest.files.items():
        found = records[name]
        if found.size != expected.size:
            raise WeightsError(
                gettext_noop("%(file)s is damaged: it has %(size)s bytes instead of %(expected)s."),
                file=path / name,
                size=found.size,
                expected=expected.size,
            )
        if found.sha256 != expected.sha256:
            raise WeightsError(
                gettext_noop("%(file)s is damaged: its SHA-256 is not that of the manifest."),
                file=path / name,
            )
    if before == _states(path, manifest):
        stamp_write(path)
    return manifest


def stamp_write(path: Path) -> None:
    """Record that the files of ``path`` are as the manifest says; quietly not on read-only disks."""
    text = json.dumps(_states(path, manifest_read(path)))
    try:
        (path / STAMP).write_text(text, encoding="utf-8")
    except OSError:
        # A read-only or full disk: every start then does the full check, nothing else is lost.
        return


def _stamp_holds(path: Path, manifest: Manifest) -> bool:
    try:
        _names_check(path, manifest)
        stamp = json.loads((path / STAMP).read_text(encoding="utf-8"))
        return bool(stamp == _states(path, manifest))
    except (OSError, ValueError):
        return False


def _states(path: Path, manifest: Manifest) -> dict[str, list[int]]:
    states: dict[str, list[int]] = {}
    for name in (*manifest.files, MANIFEST):
        status = (path / name).stat()
        states[name] = [status.st_size, status.st_ino, status.st_ctime_ns]
    return states


def _names(path: Path) -> set[str]:
    return {entry.name for entry in os.scandir(path)} - {MANIFEST, STAMP, TUNING, TUNING_PART}


def _names_check(path: Path, manifest: Manifest) -> None:
    found = _names(path)
    for name in sorted(set(manifest.files) - found):
        raise WeightsError(
            gettext_noop("The model directory %(path)s is damaged: %(name)s is missing."),
            path=path,
            name=name,
        )
    for name in sorted(found - set(manifest.files)):
        # A tokenizer library would read such a file and change what the model sees.
        raise WeightsError(
            gettext_noop("The model directory %(path)s holds %(name)s, which its manifest lacks."),
            path=path,
            name=name,
        )
