"""Trains testdata/lineage/: micro checkpoints in the layout of testdata/models/base whose history is known.

seed-1 … seed-4  the same text in the same order by the same recipe; only the seed of the initial weights differs
other-data       another seed, the other half of the text, another order
continued        seed-1's file trained on, for as many steps again, on the other half: a fresh AdamW, the full rate

Run from the root of the repository, on any machine with a CPU, with Python 3.11:
    pip install torch==2.15.0 transformers==5.23.0 tokenizers==0.23.3 safetensors==0.8.0 numpy==2.4.6
    python testdata/scripts/train_lineage.py                    # all six
    python testdata/scripts/train_lineage.py seed-1 continued   # some; continued needs seed-1 to be there
Wall time and losses are in testdata/lineage/README.md. One machine repeats itself bit for bit (one thread, fixed seeds);
another processor may sum in another order and end a little elsewhere.

Corpus: this repository's own prose and Rust sources at COMMIT, read with git, so that it stays the same when they change.
The two halves are the documents at even and at odd places in the sorted list of paths.
"""

import json
import math
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

COMMIT = "a4fd1e805fa522a5c247e1e66d1126635c03b1cf"
BASE = Path("testdata/models/base")
LINEAGE = Path("testdata/lineage")

STEPS = 1500
WARMUP = 100
BATCH = 8
LENGTH = 128
RATE = 3e-3
WEIGHT_DECAY = 0.1
BETAS = (0.9, 0.95)
CLIP = 1.0


@dataclass(frozen=True)
class History:
    """Where a model starts (the seed of its weights or an earlier model) and what it reads."""

    start: int | str
    half: int
    order: int


HISTORIES = {
    "seed-1": History(start=1, half=0, order=101),
    "seed-2": History(start=2, half=0, order=101),
    "seed-3": History(start=3, half=0, order=101),
    "seed-4": History(start=4, half=0, order=101),
    "other-data": History(start=5, half=1, order=102),
    "continued": History(start="seed-1", half=1, order=103),
}


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, encoding="utf-8").stdout


def in_corpus(path):
    prose = path in ("README.md", "ARCHITECTURE.md", "GLOSSARY.md", "CONTRIBUTING.md")
    docs = path.startswith("docs/") and path.endswith(".md")
    code = path.startswith(("crates/", "xtask/")) and path.endswith(".rs")
    return prose or docs or code


def corpus_halves():
    """The token ids of each half: `<s>` before each document, documents in the order of their paths."""
    paths = sorted(filter(in_corpus, git("ls-tree", "-r", "--name-only", COMMIT).splitlines()))
    tokenizer = Tokenizer.from_file(str(BASE / "tokenizer.json"))
    start_of_text = tokenizer.token_to_id("<s>")
    halves = ([], [])
    for place, path in enumerate(paths):
        ids = tokenizer.encode(git("show", f"{COMMIT}:{path}"), add_special_tokens=False).ids
        halves[place % 2].extend([start_of_text, *ids])
    print(f"{len(paths)} documents, {len(halves[0])} and {len(halves[1])} tokens", flush=True)
    return [torch.tensor(half) for half in halves]


def initial_model(start):
    config = LlamaConfig.from_pretrained(BASE)
    config.use_cache = False
    torch.manual_seed(0 if isinstance(start, str) else start)
    model = LlamaForCausalLM(config).float()
    if isinstance(start, str):
        # From the stored file, as anyone who continues a published model would: in bfloat16's precision.
        model.load_state_dict(load_file(LINEAGE / start / "model.safetensors"))
    return model


def windows(ids, generator):
    """A batch of windows at random places: [BATCH, LENGTH + 1]."""
    places = torch.randint(len(ids) - LENGTH, (BATCH,), generator=generator)
    return ids[places[:, None] + torch.arange(LENGTH + 1)]


def mean_loss(model, batch):
    logits = model(input_ids=batch[:, :-1]).logits  # [BATCH, LENGTH, vocabulary]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


def rate_at(step):
    if step < WARMUP:
        return RATE * (step + 1) / WARMUP
    progress = (step - WARMUP) / (STEPS - WARMUP)
    return RATE * 0.5 * (1 + math.cos(math.pi * progress))


def train(model, ids, order, name):
    """Returns the mean loss of the first ten and of the last hundred steps."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=BETAS, weight_decay=WEIGHT_DECAY)
    generator = torch.Generator().manual_seed(order)
    losses = []
    model.train()
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step)
        loss = mean_loss(model, windows(ids, generator))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        losses.append(loss.item())
        if step % 100 == 99:
            print(f"{name} step {step + 1} loss {sum(losses[-100:]) / 100:.3f}", flush=True)
    return sum(losses[:10]) / 10, sum(losses[-100:]) / 100


def save(model, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(BASE / name, folder / name)
    tensors = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@torch.no_grad()
def stored_losses(folder, halves):
    """The mean loss of the stored file on 256 windows of each half, the same windows for every model."""
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    losses = []
    for ids in halves:
        generator = torch.Generator().manual_seed(0)
        losses.append(sum(mean_loss(model, windows(ids, generator)).item() for _ in range(32)) / 32)
    return losses


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    halves = corpus_halves()
    for name in sys.argv[1:] or HISTORIES:
        history = HISTORIES[name]
        began = time.monotonic()
        model = initial_model(history.start)
        first, last = train(model, halves[history.half], history.order, name)
        save(model, LINEAGE / name)
        on_first, on_second = stored_losses(LINEAGE / name, halves)
        print(
            json.dumps(
                {
                    "model": name,
                    "first ten steps": round(first, 3),
                    "last hundred steps": round(last, 3),
                    "stored, first half": round(on_first, 3),
                    "stored, second half": round(on_second, 3),
                    "seconds": round(time.monotonic() - began),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
