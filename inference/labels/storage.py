"""A classifier as bytes: arrays of numbers in NumPy's own format, without pickle, and JSON."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from inference.errors import LabelsError, gettext_noop
from inference.labels.cascade import ALWAYS, Cascade
from inference.labels.classifier import Fit, LabelClassifier, LabelReport, Score
from inference.labels.combination import Combination, Gain
from inference.labels.ngrams import NgramTable, Postings
from inference.labels.views import MeaningView, ModelView, WordsView

_FORMAT: Final = 4
# The first two had no such cascade, the first three one weight a view and no more: their sets are
# labelled without one, and with these, until they are learnt anew.
_READABLE: Final = (1, 2, 3, 4)
_CASCADE_SINCE: Final = 3
_COMBINATIONS_SINCE: Final = 4


def classifier_dump(classifier: LabelClassifier) -> bytes:
    """Everything of a classifier; about 2 kB an example with few labels."""
    head = {
        "format": _FORMAT,
        "names": classifier.names,
        "revision": classifier.revision,
        "candidates": classifier.candidates,
        "combinations": {key: asdict(one) for key, one in classifier.fit.combinations.items()},
        "scores": {key: asdict(score) for key, score in classifier.fit.scores.items()},
        "gain": None if classifier.fit.gain is None else asdict(classifier.fit.gain),
        "labels": [asdict(report) for report in classifier.fit.labels],
        "cascade": asdict(classifier.fit.cascade),
    }
    words, meaning, model = classifier.words, classifier.meaning, classifier.model
    arrays: dict[str, Any] = {
        "head": np.frombuffer(json.dumps(head).encode(), dtype=np.uint8),
        "examples": classifier.examples.astype(np.int32),
        "words_hashes": words.table.hashes,
        "words_idf": words.table.idf,
        "words_rows": words.rows.rows,
        "words_values": words.rows.values.astype(np.float16),
        "words_starts": words.rows.starts,
        "words_dual": words.dual.astype(np.float32),
    }
    if meaning is not None:
        arrays |= {
            "meaning_centre": meaning.centre,
            "meaning_vectors": meaning.vectors.astype(np.float16),
            "meaning_dual": meaning.dual.astype(np.float32),
        }
    if model is not None:
        arrays |= {
            "model_centre": model.centre,
            "model_scale": model.scale,
            "model_rows": model.rows.astype(np.float16),
            "model_dual": model.dual.astype(np.float32),
        }
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def classifier_load(data: bytes) -> LabelClassifier:
    """Read what :func:`classifier_dump` wrote.

    Raises:
        LabelsError: it is damaged or of another version.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        head = json.loads(arrays["head"].tobytes())
        if head["format"] not in _READABLE:
            raise ValueError(head["format"])
        return _classifier(head, arrays)
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise LabelsError(gettext_noop("The stored classifier cannot be read.")) from error


def _classifier(head: dict[str, Any], arrays: dict[str, Any]) -> LabelClassifier:
    meaning: MeaningView | None = None
    model: ModelView | None = None
    if "meaning_dual" in arrays:
        meaning = MeaningView(
            arrays["meaning_centre"],
            arrays["meaning_vectors"].astype(np.float32),
            arrays["meaning_dual"].astype(np.float64),
        )
    if "model_dual" in arrays:
        model = ModelView(
            arrays["model_centre"],
            arrays["model_scale"],
            arrays["model_rows"].astype(np.float32),
            arrays["model_dual"].astype(np.float64),
        )
    return LabelClassifier(
        names=tuple(head["names"]),
        revision=head["revision"],
        candidates=tuple(head["candidates"]),
        examples=arrays["examples"].astype(np.int64),
        words=WordsView(
            NgramTable(arrays["words_hashes"], arrays["words_idf"]),
            Postings(
                len(arrays["examples"]),
                arrays["words_rows"],
                arrays["words_values"].astype(np.float32),
                arrays["words_starts"],
            ),
            arrays["words_dual"].astype(np.float64),
        ),
        meaning=meaning,
        model=model,
        fit=Fit(
            combinations=_combinations(head),
            scores={key: Score(**value) for key, value in head["scores"].items()},
            gain=None if head["gain"] is None else Gain(**head["gain"]),
            labels=tuple(LabelReport(**row) for row in head["labels"]),
            cascade=Cascade(**head["cascade"]) if head["format"] >= _CASCADE_SINCE else ALWAYS,
        ),
    )


def _combinations(head: dict[str, Any]) -> dict[str, Combination]:
    if head["format"] < _COMBINATIONS_SINCE:
        return {key: Combination.straight(value) for key, value in head["weights"].items()}
    return {
        key: Combination(tuple(value["weights"]), value["slope"], value["bend"])
        for key, value in head["combinations"].items()
    }
