"""Tiny models with the real architectures, the same on every machine.

Their weights come from ``RandomState``, whose numbers never change between versions of numpy; the
reference logits in ``reference/`` belong to exactly these weights. Sizes are such that nothing can
be mixed up: heads are grouped, and Qwen3's heads are wider than hidden_size / heads.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import quantize
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from inference.weights.conversion import weights_convert

Weights = dict[str, NDArray[np.float32]]

TEXT = (
    "Goods can be sent back within 7 days if they are complete and unused; the refund arrives on the "
    "card within 3 to 5 working days. 退货政策：自签收之日起7天内可无理由退货，商品需保持完好，"
    "退款将在3至5个工作日内原路返回。Orders placed before 16:00 leave our warehouse the same day. "
    "下午四点前的订单当天发货，一般地区3到5天送达，偏远地区可能需要7天。\n"
)
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
DEFINED = ("<tool_call>", "</tool_call>")


@dataclass(frozen=True, slots=True)
class TinyDecoder:
    name: str
    architecture: str
    tied: bool
    seed: int
    hidden: int = 64
    inner: int = 160
    layers: int = 3
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 16
    vocab: int = 320
    rope_theta: float = 10000.0
    eps: float = 1e-6
    context: int = 1024


DECODERS = (
    TinyDecoder("qwen2-untied", "qwen2", tied=False, seed=11),
    TinyDecoder("qwen2-tied", "qwen2", tied=True, seed=12),
    TinyDecoder("qwen3-untied", "qwen3", tied=False, seed=13, head_dim=32, rope_theta=1e6),
    TinyDecoder("qwen3-tied", "qwen3", tied=True, seed=14, head_dim=32, rope_theta=1e6),
)


def decoder_weights(model: TinyDecoder) -> Weights:
    """Weights under the names of transformers.

    Matrices keep the size of what passes through them (deviation 1 / sqrt(columns)). The output
    matrix resembles the embeddings in another order, as in a model that has learned which token
    follows which: most positions then have a clear winner, which attention and the feed-forward
    layers overrule here and there. In a wholly random model the best two of 320 logits lie so close
    together that no winner means anything.
    """
    random = np.random.RandomState(model.seed)

    def matrix(rows: int, columns: int) -> NDArray[np.float32]:
        return (random.standard_normal((rows, columns)) / np.sqrt(columns)).astype(np.float32)

    def vector(size: int, middle: float = 0.0) -> NDArray[np.float32]:
        return (middle + 0.2 * random.standard_normal(size)).astype(np.float32)

    embeddings = matrix(model.vocab, model.hidden)
    weights = {
        "model.embed_tokens.weight": embeddings * np.float32(8),
        "model.norm.weight": vector(model.hidden, 1.0),
    }
    if not model.tied:
        order = random.permutation(model.vocab)
        noise = np.float32(0.5) * matrix(model.vocab, model.hidden)
        weights["lm_head.weight"] = embeddings[order] + noise
    wide, narrow = model.heads * model.head_dim, model.kv_heads * model.head_dim
    for index in range(model.layers):
        layer: Weights = {
            "input_layernorm.weight": vector(model.hidden, 1.0),
            "self_attn.q_proj.weight": matrix(wide, model.hidden),
            "self_attn.k_proj.weight": matrix(narrow, model.hidden),
            "self_attn.v_proj.weight": matrix(narrow, model.hidden),
            "self_attn.o_proj.weight": matrix(model.hidden, wide),
            "post_attention_layernorm.weight": vector(model.hidden, 1.0),
            "mlp.gate_proj.weight": matrix(model.inner, model.hidden),
            "mlp.up_proj.weight": matrix(model.inner, model.hidden),
            "mlp.down_proj.weight": matrix(model.hidden, model.inner),
        }
        if model.architecture == "qwen2":
            layer["self_attn.q_proj.bias"] = vector(wide)
            layer["self_attn.k_proj.bias"] = vector(narrow)
            layer["self_attn.v_proj.bias"] = vector(narrow)
        else:
            layer["self_attn.q_norm.weight"] = vector(model.head_dim, 1.0)
            layer["self_attn.k_norm.weight"] = vector(model.head_dim, 1.0)
        weights.update({f"model.layers.{index}.{name}": value for name, value in layer.items()})
    return weights


def decoder_config(model: TinyDecoder) -> dict[str, Any]:
    """``config.json`` as transformers writes it."""
    return {
        "architectures": [
            "Qwen2ForCausalLM" if model.architecture == "qwen2" else "Qwen3ForCausalLM"
        ],
        "model_type": model.architecture,
        "hidden_size": model.hidden,
        "intermediate_size": model.inner,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads,
        "num_key_value_heads": model.kv_heads,
        "head_dim": model.head_dim,
        "vocab_size": model.vocab,
        "rope_theta": model.rope_theta,
        "rms_norm_eps": model.eps,
        "max_position_embeddings": model.context,
        "tie_word_embeddings": model.tied,
        "hidden_act": "silu",
        "eos_token_id": 300,
        "torch_dtype": "float32",
    }


def vocabulary() -> tuple[list[str], list[str]]:
    """All 256 bytes, a few merges, then the special tokens; the id is the place in the list."""
    words = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = ["Ġ t", "h e", "Ġt he", "i n", "Ġ a", "r e", "Ġ 7", "e r", "a n", "o n"]
    words += [merge.replace(" ", "") for merge in merges]
    words += [f"unused{index}" for index in range(298 - len(words))]
    return [*words, *CONTROL, *DEFINED], merges


def text_ids() -> list[int]:
    """The text as ids of the tiny vocabulary (about 400)."""
    words, merges = vocabulary()
    pairs = [(first, second) for first, second in (merge.split(" ") for merge in merges)]
    tokenizer = Tokenizer(models.BPE({w: i for i, w in enumerate(words)}, pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer.encode(TEXT).ids


def tokenizer_files_write(directory: Path, *, eos: str = "<|im_end|>") -> None:
    words, merges = vocabulary()
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": words.index(token),
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": token in CONTROL,
            }
            for token in (*CONTROL, *DEFINED)
        ],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": False,
            "use_regex": True,
        },
        "post_processor": None,
        "decoder": {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": False,
            "use_regex": True,
        },
        "model": {
            "type": "BPE",
            "vocab": {word: index for index, word in enumerate(words[:298])},
            "merges": merges,
        },
    }
    (directory / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    config = {
        "eos_token": eos,
        "pad_token": {"content": "<|endoftext|>"},
        "chat_template": "{{ 1 }}",
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


def safetensors_write(model: TinyDecoder, directory: Path) -> Path:
    """A checkpoint directory in float32."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(decoder_config(model)), encoding="utf-8")
    tokenizer_files_write(directory)
    save_file(decoder_weights(model), directory / "model.safetensors")
    return directory


_GGUF_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def _gguf_name(name: str) -> str:
    stem, _, kind = name.rpartition(".")
    whole = {
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "lm_head": "output",
    }
    if stem in whole:
        return f"{whole[stem]}.{kind}"
    _, _, index, part = stem.split(".", 3)
    return f"blk.{index}.{_GGUF_NAMES[part]}.{kind}"


def gguf_write(
    model: TinyDecoder,
    path: Path,
    kind: GGMLQuantizationType = GGMLQuantizationType.F32,
    *,
    architecture: str | None = None,
    template: str | None = "{{ 1 }}",
    output_too: bool = False,
) -> Path:
    """The model as llama.cpp's converter would write it; matrices in the given quantisation.

    ``output_too`` writes a tied matrix twice as llama.cpp's quantiser does: coarse as embeddings,
    finer as output.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(path, architecture or model.architecture)
    writer.add_block_count(model.layers)
    writer.add_context_length(model.context)
    writer.add_embedding_length(model.hidden)
    writer.add_feed_forward_length(model.inner)
    writer.add_head_count(model.heads)
    writer.add_head_count_kv(model.kv_heads)
    writer.add_rope_freq_base(model.rope_theta)
    writer.add_layer_norm_rms_eps(model.eps)
    writer.add_key_length(model.head_dim)
    words, merges = vocabulary()
    types = [1] * 298 + [3] * len(CONTROL) + [4] * len(DEFINED)
    padding = range(len(words), model.vocab)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([*words, *(f"[PAD{index}]" for index in padding)])
    writer.add_token_types([*types, *(5 for _ in padding)])
    writer.add_token_merges(merges)
    writer.add_eos_token_id(words.index("<|im_end|>"))
    writer.add_pad_token_id(words.index("<|endoftext|>"))
    if template is not None:
        writer.add_chat_template(template)
    weights = decoder_weights(model)
    if output_too:
        fine = weights["model.embed_tokens.weight"]
        writer.add_tensor("output.weight", fine)
        coarse = quantize(fine, GGMLQuantizationType.Q5_0)
        writer.add_tensor("token_embd.weight", coarse, raw_dtype=GGMLQuantizationType.Q5_0)
        del weights["model.embed_tokens.weight"]
    for name, value in weights.items():
        if value.ndim == 1 or kind == GGMLQuantizationType.F32:
            writer.add_tensor(_gguf_name(name), value)
        else:
            writer.add_tensor(_gguf_name(name), quantize(value, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def converted(source: Path, target: Path, *, int8: bool) -> Path:
    target.mkdir(parents=True)
    weights_convert(source, target, int8=int8)
    return target


@dataclass(frozen=True, slots=True)
class TinyEncoder:
    name: str
    architecture: str
    seed: int
    hidden: int = 48
    inner: int = 128
    layers: int = 2
    heads: int = 4
    vocab: int = 90
    positions: int = 64
    eps: float = 1e-5


ENCODERS = (
    TinyEncoder("bert", "bert", seed=21),
    TinyEncoder("xlm-roberta", "xlm-roberta", seed=22, positions=66),
)
# Id 1 is padding in XLM-RoBERTa and must not occur: transformers derives positions from it.
ENCODER_IDS = [0, *(3 + (7 * step * step + step) % 87 for step in range(40)), 2]


def encoder_config(model: TinyEncoder) -> dict[str, Any]:
    return {
        "model_type": model.architecture,
        "hidden_size": model.hidden,
        "intermediate_size": model.inner,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads,
        "vocab_size": model.vocab,
        "max_position_embeddings": model.positions,
        "type_vocab_size": 2 if model.architecture == "bert" else 1,
        "layer_norm_eps": model.eps,
        "pad_token_id": 0 if model.architecture == "bert" else 1,
        "hidden_act": "gelu",
    }


def encoder_weights(model: TinyEncoder) -> Weights:
    """Weights under the names of transformers' ``BertModel`` and ``XLMRobertaModel``."""
    random = np.random.RandomState(model.seed)

    def matrix(rows: int, columns: int) -> NDArray[np.float32]:
        return (random.standard_normal((rows, columns)) / np.sqrt(columns)).astype(np.float32)

    weights: Weights = {
        "embeddings.word_embeddings.weight": matrix(model.vocab, model.hidden) * 5,
        "embeddings.position_embeddings.weight": matrix(model.positions, model.hidden) * 3,
        "embeddings.token_type_embeddings.weight": matrix(
            int(encoder_config(model)["type_vocab_size"]), model.hidden
        ),
    }

    def both(name: str, rows: int, columns: int = 0) -> None:
        weight = matrix(rows, columns) if columns else 1 + matrix(rows, 4)[:, 0]
        weights[f"{name}.weight"] = weight.astype(np.float32)
        weights[f"{name}.bias"] = matrix(rows, 4)[:, 0].copy()

    both("embeddings.LayerNorm", model.hidden)
    for index in range(model.layers):
        layer = f"encoder.layer.{index}"
        for part in ("query", "key", "value"):
            both(f"{layer}.attention.self.{part}", model.hidden, model.hidden)
        both(f"{layer}.attention.output.dense", model.hidden, model.hidden)
        both(f"{layer}.attention.output.LayerNorm", model.hidden)
        both(f"{layer}.intermediate.dense", model.inner, model.hidden)
        both(f"{layer}.output.dense", model.hidden, model.inner)
        both(f"{layer}.output.LayerNorm", model.hidden)
    return weights


def encoder_safetensors_write(model: TinyEncoder, directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(encoder_config(model)), encoding="utf-8")
    special = ["<s>", "<pad>", "</s>"]
    words = special + [f"w{index}" for index in range(3, model.vocab)]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<pad>"))
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {"unk_token": "<pad>", "pad_token": "<pad>", "eos_token": "</s>"}
    (directory / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(encoder_weights(model), directory / "model.safetensors")
    return directory
