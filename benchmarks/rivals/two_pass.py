"""A shop assistant as tutorials build it: transformers in float32, first sentiment, then a reply.

Runs in a virtual environment of its own, with torch, and imports nothing of the product:
``python two_pass.py MODEL_DIR THREADS``. Reads one JSON object a line (``messages``,
``output_tokens``), answers one JSON object a line; the first line says that the model is loaded.
"""

from __future__ import annotations

import json
import sys
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

_SENTIMENT_TOKENS = 10
_SENTIMENT = (
    "Classify the sentiment of the customer's message as positive, negative or neutral. "
    "Answer with one word.\n\nMessage: {text}"
)


def main() -> None:
    path, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32, local_files_only=True)
    model.eval()
    _say({"ready": True, "torch": torch.__version__})
    for line in sys.stdin:
        request = json.loads(line)
        question = request["messages"][-1]["content"].splitlines()[-1]
        began = time.monotonic()
        first = [{"role": "user", "content": _SENTIMENT.format(text=question)}]
        _generate(model, tokenizer, first, _SENTIMENT_TOKENS, exactly=False)
        sentiment_done = time.monotonic()
        size, written = _generate(
            model, tokenizer, request["messages"], request["output_tokens"], exactly=True
        )
        ended = time.monotonic()
        _say(
            {
                "sentiment_s": sentiment_done - began,
                "reply_s": ended - sentiment_done,
                "total_s": ended - began,
                "prompt_tokens": size,
                "completion_tokens": written,
            }
        )


def _generate(model, tokenizer, messages, tokens: int, *, exactly: bool) -> tuple[int, int]:
    """Greedy; returns the numbers of tokens of the prompt and of what was written."""
    inputs = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    size = inputs["input_ids"].shape[1]
    with torch.inference_mode():
        output = model.generate(
            **inputs,
            max_new_tokens=tokens,
            min_new_tokens=tokens if exactly else 1,
            do_sample=False,
            pad_token_id=tokenizer.eos_token_id,
        )
    tokenizer.decode(output[0, size:], skip_special_tokens=True)
    return size, output.shape[1] - size


def _say(row: dict) -> None:
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
