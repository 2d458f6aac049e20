"""BERT and XLM-RoBERTa encoders (E5, BGE) as CTranslate2 models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ctranslate2.specs import common_spec, transformer_spec

from inference.weights.tensors import Floats, Tensor, TensorFile, VariableMaker, tensor_checked


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """The numbers that define an encoder (names as in ``config.json`` of transformers).

    ``first_position`` is the row of the position matrix that the first token uses: 0 in BERT, 2 in
    XLM-RoBERTa (its padding index plus one). ``positions`` counts the usable rows after it.
    """

    layers: int
    hidden_size: int
    intermediate_size: int
    heads: int
    vocab_size: int
    positions: int
    first_position: int
    layer_norm_eps: float


def encoder_write(
    path: Path,
    *,
    shape: EncoderShape,
    vocabulary: Sequence[str],
    unknown: str,
    tensors: TensorFile,
    int8: bool,
) -> None:
    """Write ``model.bin``, ``config.json`` and ``vocabulary.json`` into the directory ``path``.

    ``tensors`` has the names of transformers' ``BertModel`` and ``XLMRobertaModel``. Texts have one
    segment only, so the embedding of segment 0 is added to the positions once and for all.

    Raises:
        WeightsError: A tensor is missing or has the wrong shape.
        OSError: The directory cannot be written.
    """
    encoder = transformer_spec.TransformerEncoderSpec(
        shape.layers,
        shape.heads,
        pre_norm=False,
        activation=common_spec.Activation.GELU,
        layernorm_embedding=True,
    )
    model = transformer_spec.TransformerEncoderModelSpec(encoder)
    model.config.unk_token = unknown
    model.config.layer_norm_epsilon = shape.layer_norm_eps
    words = list(vocabulary)
    words += [f"<extra_id_{i}>" for i in range(shape.vocab_size - len(words))]
    model.register_vocabulary(words)

    hidden, inner = shape.hidden_size, shape.intermediate_size
    with VariableMaker(int8=int8) as make:

        def tensor(name: str, *size: int) -> Tensor:
            return tensor_checked(tensors, name, *size)

        def norm(spec: common_spec.LayerNormSpec, name: str) -> None:
            spec.gamma = make.vector(tensor(f"{name}.weight", hidden))
            spec.beta = make.vector(tensor(f"{name}.bias", hidden))

        def linear(spec: common_spec.LinearSpec, rows: int, columns: int, *names: str) -> None:
            make.matrix(spec, *(tensor(f"{name}.weight", rows, columns) for name in names))
            spec.bias = make.vector(*(tensor(f"{name}.bias", rows) for name in names))

        encoder.scale_embeddings = False
        make.matrix(
            encoder.embeddings[0],
            tensor("embeddings.word_embeddings.weight", shape.vocab_size, hidden),
        )
        encoder.position_encodings.encodings = _positions(shape, tensors)
        norm(encoder.layernorm_embedding, "embeddings.LayerNorm")
        for index, layer in enumerate(encoder.layer):
            name = f"encoder.layer.{index}"
            query, key, value = (f"{name}.attention.self.{p}" for p in ("query", "key", "value"))
            linear(layer.self_attention.linear[0], hidden, hidden, query, key, value)
            linear(layer.self_attention.linear[1], hidden, hidden, f"{name}.attention.output.dense")
            norm(layer.self_attention.layer_norm, f"{name}.attention.output.LayerNorm")
            linear(layer.ffn.linear_0, inner, hidden, f"{name}.intermediate.dense")
            linear(layer.ffn.linear_1, hidden, inner, f"{name}.output.dense")
            norm(layer.ffn.layer_norm, f"{name}.output.LayerNorm")
        model.validate()
        model.save(str(path))


def _positions(shape: EncoderShape, tensors: TensorFile) -> Floats:
    rows = shape.first_position + shape.positions
    positions = tensor_checked(
        tensors, "embeddings.position_embeddings.weight", rows, shape.hidden_size
    )
    segments = tensors.tensor("embeddings.token_type_embeddings.weight")
    values = positions.read(shape.first_position, rows) + segments.read(0, 1)
    return np.asarray(values, np.float32)
