"""A tiny random Qwen3 with the real chat template and the control tokens that it uses."""

from __future__ import annotations

import json
from pathlib import Path

from tests.inference.weights import tiny_models as tiny

TEMPLATE = (Path(__file__).parent / "qwen3.jinja").read_text(encoding="utf-8")
# The ids after those of the tiny vocabulary; none of them is special in Qwen3, either.
TOKENS = ("<think>", "</think>", "<tool_response>", "</tool_response>")


def checkpoint_write(directory: Path, *, template: str = TEMPLATE) -> Path:
    """A checkpoint directory, as transformers keeps one."""
    tiny.safetensors_write(tiny.DECODERS[3], directory)
    words, _ = tiny.vocabulary()
    path = directory / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for index, token in enumerate(TOKENS):
        row = {**content["added_tokens"][-1], "id": len(words) + index, "content": token}
        content["added_tokens"].append(row)
    path.write_text(json.dumps(content), encoding="utf-8")
    config = {
        "tokenizer_class": "Qwen2Tokenizer",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "chat_template": template,
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return directory
