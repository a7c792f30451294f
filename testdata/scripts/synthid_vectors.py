"""SynthID-Text's g-values, as the library gives them: testdata/vectors/synthid.json.

Made with transformers 5.24.0 and torch 2.15.0+cu132 on a processor:
python3 testdata/scripts/synthid_vectors.py > testdata/vectors/synthid.json
"""

import json
import random

import torch
import transformers
from transformers import SynthIDTextWatermarkLogitsProcessor

random.seed(0)
cases = []
for ngram_len, depth, vocabulary, size, seed in ((5, 30, 256_000, 65_536, 0), (2, 1, 512, 65_536, 1), (3, 7, 151_936, 1024, 12345), (8, 20, 32_000, 65_536, 0)):
    keys = [random.randrange(1 << (16 if ngram_len == 5 else 40)) for _ in range(depth)]
    tokens = [random.randrange(vocabulary) for _ in range(40)]
    processor = SynthIDTextWatermarkLogitsProcessor(
        ngram_len=ngram_len, keys=keys, sampling_table_size=size, sampling_table_seed=seed, context_history_size=1024, device=torch.device("cpu")
    )
    cases.append({
        "ngram_len": ngram_len,
        "keys": keys,
        "table_size": size,
        "table_seed": seed,
        "table_ones": int(processor.sampling_table.sum()),
        "tokens": tokens,
        "g_values": processor.compute_g_values(torch.tensor([tokens]))[0].tolist(),
    })
print(json.dumps({"made_by": "testdata/scripts/synthid_vectors.py", "versions": {"torch": torch.__version__, "transformers": transformers.__version__}, "cases": cases}))
