from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
from gguf import GGMLQuantizationType
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from inference.errors import WeightsError
from inference.weights.conversion import weights_convert
from inference.weights.gguf_file import GGUFFile
from inference.weights.safetensors_file import SafetensorsFiles
from tests.inference.weights import tiny_models as tiny

REFERENCE = Path(__file__).parent / "reference"
QWEN2 = tiny.DECODERS[0]


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    return tiny.gguf_write(QWEN2, tmp_path / "tiny.gguf")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tiny.safetensors_write(QWEN2, tmp_path / "tiny-checkpoint")


def _config_change(checkpoint: Path, **changes: object) -> None:
    file = checkpoint / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def _refusal(source: Path, tmp_path: Path) -> str:
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(WeightsError) as caught:
        weights_convert(source, target)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What comes out


@pytest.mark.parametrize("model", tiny.ENCODERS, ids=lambda model: model.name)
def test_an_encoders_states_are_those_of_transformers(
    model: tiny.TinyEncoder, tmp_path: Path
) -> None:
    source = tiny.encoder_safetensors_write(model, tmp_path / "source")
    encoder = ctranslate2.Encoder(str(tiny.converted(source, tmp_path / "out", int8=False)))
    states = np.asarray(encoder.forward_batch([tiny.ENCODER_IDS]).last_hidden_state)[0]
    with np.load(REFERENCE / f"{model.name}.npz") as kept:
        assert np.abs(states - kept["states"]).max() <= 1e-4


def test_an_encoder_knows_its_dimensions_and_pooling(tmp_path: Path) -> None:
    source = tiny.encoder_safetensors_write(tiny.ENCODERS[1], tmp_path / "source")
    (source / "1_Pooling").mkdir()
    (source / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    (tmp_path / "out").mkdir()
    converted = weights_convert(source, tmp_path / "out")
    assert (converted.kind, converted.dimensions, converted.pooling) == ("embedding", 48, "cls")
    assert converted.context_length == 64


@pytest.mark.parametrize("kind", ["gguf", "safetensors"])
def test_a_chat_model_has_all_files_that_the_engine_reads(
    gguf: Path, checkpoint: Path, tmp_path: Path, kind: str
) -> None:
    source = gguf if kind == "gguf" else checkpoint
    path = tiny.converted(source, tmp_path / "out", int8=True)
    assert {file.name for file in path.iterdir()} == {
        "model.bin",
        "config.json",
        "vocabulary.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    tokenizer = PreTrainedTokenizerFast.from_pretrained(path)
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer.chat_template == "{{ 1 }}"
    vocabulary = json.loads((path / "vocabulary.json").read_text())
    assert len(vocabulary) == len(set(vocabulary)) == QWEN2.vocab


def test_a_gguf_file_without_a_chat_template_gets_chatml(tmp_path: Path) -> None:
    source = tiny.gguf_write(QWEN2, tmp_path / "old.gguf", template=None)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(
        tiny.converted(source, tmp_path / "out", int8=True)
    )
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "hi"}], tokenize=False, add_generation_prompt=True
    )
    assert text == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_bfloat16_shards_are_read_like_one_float32_file(checkpoint: Path, tmp_path: Path) -> None:
    weights = tiny.decoder_weights(QWEN2)
    # Values that bfloat16 holds exactly: the lower half of each float32 is zero.
    exact = {
        name: (value.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
        for name, value in weights.items()
    }
    save_file(exact, checkpoint / "model.safetensors")
    whole = SafetensorsFiles(checkpoint)
    (checkpoint / "model.safetensors").rename(tmp_path / "whole")
    names = sorted(exact)
    shards = {f"model-0000{i + 1}-of-00002.safetensors": names[i::2] for i in range(2)}
    for file, members in shards.items():
        _bfloat16_write(checkpoint / file, {name: exact[name] for name in members})
    index = {name: file for file, members in shards.items() for name in members}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    parts = SafetensorsFiles(checkpoint)
    for name in names:
        assert np.array_equal(parts.tensor(name).load(), exact[name])
    assert "lm_head.weight" in parts
    assert "lm_head.weight" in whole


def _bfloat16_write(file: Path, weights: tiny.Weights) -> None:
    header, data = {}, b""
    for name, value in weights.items():
        raw = (value.view(np.uint32) >> 16).astype("<u2").tobytes()
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": "BF16", "shape": list(value.shape), "data_offsets": offsets}
        data += raw
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + data)


def test_a_gguf_tensor_is_read_in_rows_as_in_whole(tmp_path: Path) -> None:
    source = tiny.gguf_write(QWEN2, tmp_path / "q8.gguf", GGMLQuantizationType.Q8_0)
    tensor = GGUFFile(source).tensor("model.embed_tokens.weight")
    rows = [tensor.read(start, start + 40) for start in range(0, 320, 40)]
    assert np.array_equal(np.concatenate(rows), tensor.load())


# What is refused


def test_damaged_gguf_files_are_refused_wherever_they_end(gguf: Path, tmp_path: Path) -> None:
    content = gguf.read_bytes()
    for length in (3, 4, 20, 200, 5_000, 12_000, len(content) // 2, len(content) - 40):
        cut = tmp_path / "cut.gguf"
        cut.write_bytes(content[:length])
        with pytest.raises(WeightsError, match=r"cut off|damaged|not usable|not a GGUF|no weights"):
            weights_convert(cut, tmp_path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.gguf").touch()
    assert "is no weights file" in _refusal(tmp_path / "empty.gguf", tmp_path)
    with pytest.raises(WeightsError, match="is empty"):
        GGUFFile(tmp_path / "empty.gguf")


def test_a_gguf_file_of_another_architecture_is_refused_with_what_can_be_used(
    tmp_path: Path,
) -> None:
    source = tiny.gguf_write(QWEN2, tmp_path / "llama.gguf", architecture="llama")
    sentence = _refusal(source, tmp_path)
    assert "architecture 'llama'" in sentence
    assert "qwen2 (Qwen1.5, Qwen2, Qwen2.5) and qwen3 can be converted" in sentence


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({"quant_method": "bitsandbytes"}, "BITSANDBYTES"),
        ({"quant_method": "compressed-tensors"}, "COMPRESSED-TENSORS"),
        ({"quant_method": "gptq", "bits": 3, "group_size": 128}, r"GPTQ (3 bits)"),
        ({"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"}, "(format marlin)"),
        ({"quant_method": "awq", "bits": 4, "version": "gemv"}, "AWQ (version gemv)"),
        ({"quant_method": "awq", "bits": 4, "group_size": 0}, "AWQ (groups of 0)"),
        ({"quant_method": "fp8", "fmt": "e5m2"}, "FP8"),
        ("something", "SOMETHING"),
    ],
)
def test_other_quantisations_are_refused_with_what_to_use(
    checkpoint: Path, tmp_path: Path, config: object, what: str
) -> None:
    _config_change(checkpoint, quantization_config=config)
    sentence = _refusal(checkpoint, tmp_path)
    assert f"is quantised with {what}" in sentence or what in sentence
    assert "use the model's official GGUF (Q8_0 or Q4_K_M) or unquantised safetensors" in sentence


def test_an_unknown_architecture_is_refused_with_the_known_ones(
    checkpoint: Path, tmp_path: Path
) -> None:
    _config_change(checkpoint, model_type="mamba")
    sentence = _refusal(checkpoint, tmp_path)
    assert "architecture 'mamba'; qwen2, qwen3, bert and xlm-roberta can be converted" in sentence


def test_stretched_rope_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    _config_change(checkpoint, rope_scaling={"type": "yarn", "factor": 4.0})
    assert "yarn RoPE" in _refusal(checkpoint, tmp_path)


def test_pickles_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
    assert "pickle (.bin), which could run any code" in _refusal(checkpoint, tmp_path)


def test_cut_off_safetensors_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    file = checkpoint / "model.safetensors"
    os.truncate(file, file.stat().st_size - 1000)
    assert "is cut off: tensor" in _refusal(checkpoint, tmp_path)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_directory_that_lacks_a_file_is_refused(
    checkpoint: Path, tmp_path: Path, name: str
) -> None:
    (checkpoint / name).unlink()
    assert name in _refusal(checkpoint, tmp_path)


def test_a_missing_number_in_the_configuration_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    _config_change(checkpoint, hidden_size=None)
    assert "config.json is not usable" in _refusal(checkpoint, tmp_path)


def test_shapes_that_contradict_the_configuration_are_refused(
    checkpoint: Path, tmp_path: Path
) -> None:
    _config_change(checkpoint, intermediate_size=161)
    assert "has shape (160, 64), but the model's configuration asks for" in _refusal(
        checkpoint, tmp_path
    )


def test_an_index_cannot_name_files_elsewhere(checkpoint: Path, tmp_path: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    index = {"weight_map": {"a": "../../secret.safetensors"}}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "names files outside its directory" in _refusal(checkpoint, tmp_path)


# How it behaves


def test_converting_never_loads_torch_and_holds_a_part_of_the_model_only(tmp_path: Path) -> None:
    big = tiny.TinyDecoder(
        "big", "qwen2", tied=True, seed=1, hidden=512, inner=2048, layers=24, heads=8, head_dim=64
    )
    source = tiny.gguf_write(big, tmp_path / "big.gguf", GGMLQuantizationType.F16)
    (tmp_path / "out").mkdir()
    script = (
        "import sys, resource; from pathlib import Path\n"
        "from inference.weights.conversion import weights_convert\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "weights_convert(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, 'torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, source, tmp_path / "out"],
        capture_output=True,
        text=True,
        check=True,
    )
    grown, torch = done.stdout.split()
    assert torch == "False"
    float32_kilobytes = 2 * source.stat().st_size // 1024
    # The mapped file itself counts as resident; beside it, a few blocks of rows.
    assert int(grown) < 0.75 * float32_kilobytes


def test_the_tokenizer_splits_digits_and_keeps_special_tokens_whole(
    gguf: Path, tmp_path: Path
) -> None:
    path = tiny.converted(gguf, tmp_path / "out", int8=True)
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    encoded = tokenizer.encode("<|im_start|>the 77<tool_call>")
    assert encoded.tokens == ["<|im_start|>", "t", "he", "Ġ", "7", "7", "<tool_call>"]
    assert tokenizer.decode(encoded.ids) == "the 77<tool_call>"
    # NFC: e and a combining accent become one letter of two bytes.
    assert tokenizer.encode("e\u0301").ids == tokenizer.encode("é").ids
