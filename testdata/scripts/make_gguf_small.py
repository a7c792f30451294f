"""Writes testdata/vectors/gguf/small.gguf with the writer of the `gguf` package: one tensor of each kind of layout, every metadata type.

Run from the root of the repository with `pip install gguf==0.19.0 numpy==2.4.6`.
"""

import sys

import numpy as np
from gguf import GGUFWriter
from gguf.constants import GGMLQuantizationType
from gguf.quants import quantize


def main():
    writer = GGUFWriter("testdata/vectors/gguf/small.gguf", "llama")
    writer.add_uint32("llama.block_count", 1)
    writer.add_int32("test.signed", -7)
    writer.add_float32("test.float", 0.5)
    writer.add_bool("test.flag", True)
    writer.add_uint8("test.byte", 200)
    writer.add_int64("test.wide", -(2**40))
    writer.add_array("test.numbers", [1, 2, 3])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["a", "b", "ab", "é"])
    writer.add_token_types([1, 1, 1, 3])
    writer.add_token_merges(["a b"])
    writer.add_tensor("matrix", np.arange(6, dtype=np.float32).reshape(2, 3))
    writer.add_tensor("half", np.array([1.5, -2.0], dtype=np.float16))
    ramp = np.linspace(-1, 1, 64, dtype=np.float32).reshape(2, 32)
    writer.add_tensor("blocks", quantize(ramp, GGMLQuantizationType.Q8_0), raw_dtype=GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    sys.exit(main())
