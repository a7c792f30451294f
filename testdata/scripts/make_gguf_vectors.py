"""Writes testdata/vectors/gguf/dequantise.toml: random blocks of every form and what the reference implementation makes of them.

Run from the root of the repository with `pip install gguf==0.19.0 numpy==2.4.6`.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

# Offsets of the f16 scales and minima in a block.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
    "IQ4_NL": [0], "IQ4_XS": [0],
}  # fmt: skip
# An ordinary scale, a negative one, a subnormal one.
SCALES = np.array([0.0123, -0.37, 5.1e-6], dtype=np.float16)
MINIMA = np.array([0.043, 0.0, -2.5], dtype=np.float16)


def vector(form, blocks, values):
    return f'\n[[vector]]\nform = "{form}"\nblocks = "{blocks.tobytes().hex()}"\nvalues = "{values.astype("<f4").tobytes().hex()}"\n'


def main():
    rng = np.random.default_rng(20261123)
    text = f'origin = "testdata/scripts/make_gguf_vectors.py, gguf {version("gguf")}, numpy {version("numpy")}; Q8_K by definition"\n'
    for form, halves in HALVES.items():
        kind = GGMLQuantizationType[form]
        blocks = rng.integers(0, 256, (len(SCALES), GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
        for offset, numbers in zip(halves, (SCALES, MINIMA)):
            blocks[:, offset : offset + 2] = numbers.view(np.uint8).reshape(-1, 2)
        text += vector(form, blocks, dequantize(blocks, kind))
    # The package has no Q8_K: f32 scale, 256 int8, 16 int16 sums; the value is scale times integer.
    blocks = rng.integers(0, 256, (len(SCALES), 292), dtype=np.uint8)
    scales = SCALES.astype("<f4")
    blocks[:, :4] = scales.view(np.uint8).reshape(-1, 4)
    text += vector("Q8_K", blocks, scales[:, None] * blocks[:, 4:260].view(np.int8).astype(np.float32))
    Path("testdata/vectors/gguf/dequantise.toml").write_text(text)


if __name__ == "__main__":
    sys.exit(main())
