"""Compares testmodels::forward with transformers on one tiny network of every family and variant, and writes the golden file of its test.

    cargo run -p testmodels --example forward -- FOLDER
    python testdata/scripts/check_forward.py FOLDER crates/testmodels/tests/forward.json

Last run with torch 2.15.0 and transformers 5.23.0.
"""

import json
import math
import sys
from pathlib import Path

import torch
import transformers

TOKENS = [5, 17, 300, 17, 42, 599, 8, 120, 3, 61]
TOLERANCE = 1e-4
KEPT = 6

folder, golden_path = Path(sys.argv[1]), Path(sys.argv[2])
golden = {}
for path in sorted(folder.iterdir()):
    config = json.loads((path / "config.json").read_text())
    model_class = getattr(transformers, config["architectures"][0])
    model, info = model_class.from_pretrained(path, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    missing = [name for name in info["missing_keys"] if not name.endswith("lm_head.weight")]
    assert not missing and not info["unexpected_keys"], (path.name, info)
    model.eval()
    tokens = torch.tensor([TOKENS])
    with torch.no_grad():
        if config["model_type"] == "bert":
            output = model(input_ids=tokens).last_hidden_state
        elif config["model_type"] == "t5":
            output = model(input_ids=tokens, decoder_input_ids=tokens).logits
        elif config["model_type"] == "whisper":
            channels, frames = config["num_mel_bins"], 2 * config["max_source_positions"]
            sound = [[math.sin(0.7 * c + 1.3 * t + 0.1 * c * t) for t in range(frames)] for c in range(channels)]
            output = model(input_features=torch.tensor([sound]), decoder_input_ids=tokens).logits
        else:
            output = model(input_ids=tokens).logits
    ours = torch.tensor(json.loads((path / "forward.json").read_text()), dtype=torch.float64)
    theirs = output[0].double()
    assert ours.shape == theirs.shape, (path.name, ours.shape, theirs.shape)
    distance = (ours - theirs).abs().max().item()
    print(f"{path.name:19} largest difference {distance:.1e} of values with standard deviation {theirs.std().item():.2f}")
    assert distance < TOLERANCE, path.name
    golden[path.name] = [[round(value, 5) for value in theirs[position, :KEPT].tolist()] for position in (0, 4, 9)]

rows = ",\n".join(f' "{name}": {json.dumps(values)}' for name, values in golden.items())
golden_path.write_text("{\n" + rows + "\n}\n")
