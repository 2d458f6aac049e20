"""Records what transformers computes for the tiny models of ``tiny_models.py``.

Requires the ``reference`` dependency group (torch) beside the ordinary packages; run it from the
repository's root when tiny_models.py changes:

    python -m tests.inference.weights.reference.record
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from transformers import (
    BertConfig,
    BertModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from tests.inference.weights import tiny_models as tiny

# Logits of so many positions are kept; of the others the best token only.
KEPT = 48


def main() -> None:
    directory = Path(__file__).parent
    ids = torch.tensor([tiny.text_ids()])
    for model in tiny.DECODERS:
        config_class, model_class = (
            (Qwen2Config, Qwen2ForCausalLM)
            if model.architecture == "qwen2"
            else (Qwen3Config, Qwen3ForCausalLM)
        )
        reference = model_class(config_class(**tiny.decoder_config(model))).eval()
        logits = _run(reference, tiny.decoder_weights(model), ids, "logits")
        np.savez_compressed(
            directory / f"{model.name}.npz",
            logits=logits[:KEPT],
            best=logits.argmax(-1).astype(np.int16),
        )
    for encoder in tiny.ENCODERS:
        config_class, model_class = (
            (BertConfig, BertModel)
            if encoder.architecture == "bert"
            else (XLMRobertaConfig, XLMRobertaModel)
        )
        config = config_class(**tiny.encoder_config(encoder))
        reference = model_class(config, add_pooling_layer=False).eval()
        ids = torch.tensor([tiny.ENCODER_IDS])
        states = _run(reference, tiny.encoder_weights(encoder), ids, "last_hidden_state")
        np.savez_compressed(directory / f"{encoder.name}.npz", states=states)


def _run(
    reference: torch.nn.Module, weights: tiny.Weights, ids: torch.Tensor, output: str
) -> np.ndarray:
    state = {name: torch.from_numpy(value) for name, value in weights.items()}
    missing, unexpected = reference.load_state_dict(state, strict=False)
    # A tied output matrix is the embeddings; position_ids are no weights.
    allowed = {"lm_head.weight"} if "model.embed_tokens.weight" in weights else set()
    if unexpected or set(missing) - allowed:
        sys.exit(f"names differ: {missing} {unexpected}")
    with torch.no_grad():
        return getattr(reference(ids), output)[0].numpy()


if __name__ == "__main__":
    main()
