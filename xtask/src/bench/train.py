"""Training of a folder through transformers and PyTorch: one JSON line with seconds and losses.

    train.py FOLDER STEPS BATCH LENGTH THREADS RATE
"""

import json
import sys
import time

import torch
import transformers

folder, (steps, batch, length, threads), rate = sys.argv[1], map(int, sys.argv[2:6]), float(sys.argv[6])
torch.set_num_threads(threads)
torch.manual_seed(1)
model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").train()
# The fused implementation is PyTorch's fastest on a processor.
optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
losses = []
for step in range(steps + 1):
    if step == 1:
        start = time.perf_counter()
    ids = torch.randint(model.config.vocab_size, (batch, length))
    loss = model(ids, labels=ids, use_cache=False).loss
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    losses.append(loss.item())
seconds = time.perf_counter() - start
version = f"(transformers {transformers.__version__}, torch {torch.__version__})"
print(json.dumps({"seconds": seconds, "losses": [losses[0], losses[-1]], "version": version}))
