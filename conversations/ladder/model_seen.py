"""Which model answers at present."""

from __future__ import annotations


class ModelSeen:
    """The model that the settings name, until an engine told of another one.

    ``host`` counts to the hash: the same name on another server may be other weights.
    """

    def __init__(self, name: str, weights: str = "") -> None:
        self.name = name
        self.weights = weights

    def note(self, name: str, weights: str, host: object = "") -> None:
        """An engine told who it is."""
        self.name, self.weights = name, f"{weights}{host or ''}"

    def note_fingerprint(self, fingerprint: str) -> None:
        """The built-in engine told ``name@hash``; what has no hash is let pass."""
        name, at, weights = fingerprint.partition("@")
        if at:
            self.note(name, weights)
