"""Qwen2 and Qwen3 decoders as CTranslate2 models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from ctranslate2.specs import common_spec, transformer_spec

from inference.errors import WeightsError, gettext_noop
from inference.weights.tensors import Tensor, TensorFile, VariableMaker, tensor_checked

DecoderArchitecture = Literal["qwen2", "qwen3"]


@dataclass(frozen=True, slots=True)
class DecoderShape:
    """The numbers that define a Qwen decoder (names as in ``config.json`` of transformers)."""

    architecture: DecoderArchitecture
    layers: int
    hidden_size: int
    intermediate_size: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    rope_theta: float
    rms_norm_eps: float
    context_length: int
    tied: bool


@dataclass(frozen=True, slots=True)
class DecoderTokens:
    """The vocabulary in id order and the tokens that begin and end a text."""

    vocabulary: Sequence[str]
    bos: str
    eos: str


def decoder_write(
    path: Path, *, shape: DecoderShape, tokens: DecoderTokens, tensors: TensorFile, int8: bool
) -> None:
    """Write ``model.bin``, ``config.json`` and ``vocabulary.json`` into the directory ``path``.

    ``tensors`` has the names of transformers' ``Qwen2ForCausalLM`` and ``Qwen3ForCausalLM``.
    The layout follows ``Qwen2Loader`` and ``Qwen3Loader`` in ctranslate2/converters/transformers.py.

    Raises:
        WeightsError: A tensor is missing or has the wrong shape.
        OSError: The directory cannot be written.
    """
    vocabulary = list(tokens.vocabulary)
    # The matrices may have more rows than there are tokens (padding to a round number).
    vocabulary += [f"<extra_id_{i}>" for i in range(shape.vocab_size - len(vocabulary))]
    qk_norm = shape.architecture == "qwen3"
    model = transformer_spec.TransformerDecoderModelSpec.from_config(
        shape.layers,
        shape.heads,
        activation=common_spec.Activation.SWISH,
        pre_norm=True,
        ffn_glu=True,
        rms_norm=True,
        rotary_dim=shape.head_dim,
        rotary_interleave=False,
        rotary_base=shape.rope_theta,
        num_heads_kv=shape.kv_heads if shape.kv_heads != shape.heads else None,
        head_dim=shape.head_dim if qk_norm else None,
        qk_norm=qk_norm,
        quant_type=common_spec.Quantization.CT2,
    )
    model.config.bos_token = tokens.bos
    model.config.eos_token = tokens.eos
    model.config.unk_token = ""
    model.config.layer_norm_epsilon = shape.rms_norm_eps
    # Not read by CTranslate2: transformers would take a config.json without it for an old Mistral's
    # and warn that the tokenizer is wrong.
    model.config.add_attribute("model_type", shape.architecture)
    model.register_vocabulary(vocabulary)

    with VariableMaker(int8=int8) as make:
        tied = _embeddings_fill(model.decoder, shape, tensors, make)
        model.decoder.layer_norm.gamma = make.vector(
            tensor_checked(tensors, "model.norm.weight", shape.hidden_size)
        )
        for index, layer in enumerate(model.decoder.layer):
            _layer_fill(layer, f"model.layers.{index}", shape, tensors, make)
        model.validate()
        if tied:
            # A string names the variable to share; validate() would take it for text.
            model.decoder.projection.weight = "decoder/embeddings/weight"
        model.save(str(path))


def _embeddings_fill(
    decoder: transformer_spec.TransformerDecoderSpec,
    shape: DecoderShape,
    tensors: TensorFile,
    make: VariableMaker,
) -> bool:
    """Set the token matrix and the output matrix; tells whether one matrix serves as both."""
    decoder.scale_embeddings = False
    size = (shape.vocab_size, shape.hidden_size)
    embeddings = tensor_checked(tensors, "model.embed_tokens.weight", *size)
    if "lm_head.weight" in tensors:
        output = tensor_checked(tensors, "lm_head.weight", *size)
        tied = _same_matrix(embeddings, output)
        if tied and output.bits > embeddings.bits:
            embeddings = output
    elif shape.tied:
        output, tied = embeddings, True
    else:
        raise WeightsError(
            gettext_noop(
                "The weights are not usable: the output matrix (lm_head.weight) is "
                "missing and the configuration does not tie it to the embeddings."
            )
        )
    make.matrix(decoder.embeddings, embeddings)
    if tied:
        decoder.projection.weight = decoder.embeddings.weight
    else:
        make.matrix(decoder.projection, output)
    return tied


def _same_matrix(first: Tensor, second: Tensor) -> bool:
    """Whether two matrices hold the same values but for their quantisation.

    Quantised GGUF files of tied models hold the matrix twice, the output in higher precision.
    Separately trained matrices differ by about their own size in nearly every row; 5-bit and 8-bit
    copies of one matrix differ by a few percent.
    """
    rows = min(first.shape[0], 512)
    one, other = first.read(0, rows), second.read(0, rows)
    size = float(np.linalg.norm(one)) or 1.0
    return float(np.linalg.norm(one - other)) < 0.15 * size


def _layer_fill(
    layer: transformer_spec.TransformerDecoderLayerSpec,
    prefix: str,
    shape: DecoderShape,
    tensors: TensorFile,
    make: VariableMaker,
) -> None:
    hidden, inner = shape.hidden_size, shape.intermediate_size
    rows = {"q": shape.heads * shape.head_dim}
    rows["k"] = rows["v"] = shape.kv_heads * shape.head_dim

    def tensor(name: str, *size: int) -> Tensor:
        return tensor_checked(tensors, f"{prefix}.{name}", *size)

    attention = layer.self_attention
    attention.layer_norm.gamma = make.vector(tensor("input_layernorm.weight", hidden))
    make.matrix(
        attention.linear[0],
        *(tensor(f"self_attn.{p}_proj.weight", rows[p], hidden) for p in "qkv"),
    )
    if f"{prefix}.self_attn.q_proj.bias" in tensors:
        attention.linear[0].bias = make.vector(
            *(tensor(f"self_attn.{p}_proj.bias", rows[p]) for p in "qkv")
        )
    make.matrix(attention.linear[1], tensor("self_attn.o_proj.weight", hidden, rows["q"]))
    if shape.architecture == "qwen3":
        attention.q_norm.gamma = make.vector(tensor("self_attn.q_norm.weight", shape.head_dim))
        attention.k_norm.gamma = make.vector(tensor("self_attn.k_norm.weight", shape.head_dim))

    layer.ffn.layer_norm.gamma = make.vector(tensor("post_attention_layernorm.weight", hidden))
    make.matrix(layer.ffn.linear_0, tensor("mlp.gate_proj.weight", inner, hidden))
    make.matrix(layer.ffn.linear_0_noact, tensor("mlp.up_proj.weight", inner, hidden))
    make.matrix(layer.ffn.linear_1, tensor("mlp.down_proj.weight", hidden, inner))
