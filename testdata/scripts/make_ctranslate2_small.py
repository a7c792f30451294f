"""Writes testdata/vectors/ctranslate2/: a small model of CTranslate2's own serialiser, as float32, int8 and int16.

Run from the root of the repository with `pip install ctranslate2==4.8.1 numpy==2.4.6`.
The expected values in the tests are printed: the stored integers times the reciprocal of their scale, in f32.
"""

import sys
from pathlib import Path

import numpy as np
from ctranslate2.specs import common_spec, model_spec


class Spec(model_spec.LanguageModelSpec):
    def __init__(self):
        super().__init__()
        self.num_heads = np.int16(2)
        self.linear = common_spec.LinearSpec()
        self.tied = common_spec.LinearSpec()

    @property
    def name(self):
        return "SmallSpec"

    @property
    def revision(self):
        return 5


def main():
    for quantization in ("float32", "int8", "int16"):
        spec = Spec()
        weight = np.array([[1, -2, 0.5], [0.1, 0.04, -0.02]], dtype=np.float32)
        spec.linear.weight = weight
        spec.linear.bias = np.array([0.25, -1], dtype=np.float32)
        spec.tied.weight = weight.copy()
        model_spec.LayerSpec.validate(spec)
        spec.optimize(quantization)
        path = f"testdata/vectors/ctranslate2/{quantization}.bin"
        spec._serialize(path)
        if quantization != "float32":
            scale = spec.linear.weight_scale.numpy().astype(np.float32).reshape(-1, 1)
            values = spec.linear.weight.numpy().astype(np.float32) * (np.float32(1) / scale)
            print(quantization, [[f"{v:.9g}" for v in row] for row in values])
        print(path, Path(path).stat().st_size)


if __name__ == "__main__":
    sys.exit(main())
