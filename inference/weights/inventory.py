"""What there is of each model: on this disk, in memory, and how fast it was measured to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from inference.engines.tuning import EngineTuning, tuning_load
from inference.errors import WeightsError
from inference.weights.catalog import Catalog, ModelCard, catalog_load
from inference.weights.manifest import MANIFEST, Manifest, ModelKind, manifest_read
from inference.weights.memory import memory_estimate, memory_needed
from inference.weights.store import model_dir


@dataclass(frozen=True, slots=True)
class InventoryEntry:
    """One model; sizes in bytes.

    Attributes:
        card: its entry in the catalog; None for weights of one's own.
        manifest: what the converted model says of itself; None while it is not here.
        size: on disk; an estimate while it is not here.
        memory: what a process that runs it needs, about.
        tuning: what was measured of it on this machine, if anything.
        problem: why what lies on the disk cannot be used, as a sentence.
    """

    name: str
    kind: ModelKind
    card: ModelCard | None
    manifest: Manifest | None
    size: int
    memory: int
    tuning: EngineTuning | None = None
    problem: str = ""


def inventory(cache_dir: Path, catalog: Catalog | None = None) -> Iterator[InventoryEntry]:
    """Every model of the catalog, in its order, then the others that were converted here."""
    cards = catalog or catalog_load()
    for card in cards.values():
        yield _entry(card.name, card, model_dir(card.name, cache_dir))
    for path in sorted((cache_dir / "models").glob("*")):
        if path.name not in cards and (path / MANIFEST).exists():
            yield _entry(path.name, None, path)


def _entry(name: str, card: ModelCard | None, path: Path) -> InventoryEntry:
    kind = card.kind if card is not None else "chat"
    estimate = card.converted_bytes if card is not None else 0
    if not path.exists():
        return InventoryEntry(name, kind, card, None, estimate, memory_estimate(estimate))
    size = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
    try:
        manifest = manifest_read(path)
        tuning = tuning_load(path)
        memory = memory_needed(path)
    except WeightsError as error:
        return InventoryEntry(
            name, kind, card, None, size, memory_estimate(size), problem=str(error)
        )
    return InventoryEntry(name, manifest.kind, card, manifest, size, memory, tuning)
