"""The plain numpy pass that `cargo xtask bench` is compared with: dot product and norms of two sets of bf16 safetensors files.

Usage: plain_pass.py N reference-file * N suspect-file * N. Prints the seconds of the pass, its
processor seconds, and the cosine.
"""
import sys
import time

import numpy as np

CHUNK_BYTES = 64 << 20


def chunks(paths):
    for path in paths:
        with open(path, "rb") as file:
            file.seek(8 + int.from_bytes(file.read(8), "little"))
            while data := file.read(CHUNK_BYTES):
                yield (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")


n = int(sys.argv[1])
start, processor_start = time.perf_counter(), time.process_time()
ab = aa = bb = 0.0
for a, b in zip(chunks(sys.argv[2 : 2 + n]), chunks(sys.argv[2 + n :]), strict=True):
    ab += float(np.dot(a, b))
    aa += float(np.dot(a, a))
    bb += float(np.dot(b, b))
print(time.perf_counter() - start, time.process_time() - processor_start, ab / (aa * bb) ** 0.5)
