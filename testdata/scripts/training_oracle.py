"""Writes testdata/training/: what PyTorch makes of one batch and of a few steps, for `crates/lab/tests/torch.rs`.

gradients.json   the loss of a batch of token ids on testdata/models/base, and the norm and first values of the gradient of every tensor
adamw            printed: two steps of torch.optim.AdamW on two numbers, for the test of the optimiser

Run from the root of the repository:
    pip install torch==2.15.0 transformers==5.23.0
    python testdata/scripts/training_oracle.py
"""

import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

BASE = Path("testdata/models/base")
OUT = Path("testdata/training")


def gradients():
    model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    generator = torch.Generator().manual_seed(7)
    ids = torch.randint(model.config.vocab_size, (3, 33), generator=generator)
    logits = model(input_ids=ids[:, :-1]).logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="sum")
    loss.backward()
    tensors = {
        name: {"norm": parameter.grad.norm().item(), "first": parameter.grad.flatten()[:8].tolist()}
        for name, parameter in model.named_parameters()
    }
    return {"ids": ids.tolist(), "loss": loss.item(), "gradients": tensors}


def adamw():
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimiser = torch.optim.AdamW([weight], lr=0.1, betas=(0.9, 0.95), weight_decay=0.1)
    for gradient in ([0.5, -0.25], [0.1, 0.4]):
        weight.grad = torch.tensor(gradient)
        optimiser.step()
    return weight.tolist()


OUT.mkdir(parents=True, exist_ok=True)
(OUT / "gradients.json").write_text(json.dumps(gradients(), indent=1) + "\n")
print("AdamW", adamw())
