"""Writes testdata/vectors/observation.json: parts of an observation of testdata/models/base, made by the rules of docs/formats/observation.md with
torch and NumPy and none of this program's code.

Run from the root of the repository with `pip install torch==2.15.0 transformers==5.23.0 blake3==1.0.11 uniseg==0.10.1 numpy==2.4.6`.
"""

import hashlib
import json
import struct
import sys
import tomllib

import blake3
import numpy as np
import torch
import transformers
from uniseg.wordbreak import words

MODEL, N_PROMPTS = "testdata/models/base", 12


def word_of_tokens(text, spans):
    """Word of each token, or None; spans and words in bytes."""
    ranges, at = [], 0
    for segment in words(text):
        end = at + len(segment.encode())
        if segment.strip():
            ranges.append((at, end))
        at = end
    raw, found = text.encode(), []
    for start, end in spans:
        byte = next((i for i in range(start, end) if not raw[i : i + 1].isspace()), None)
        found.append(next((w for w, (a, b) in enumerate(ranges) if byte is not None and a <= byte < b), None))
    return found


def in_bytes(text, offsets):
    return [(len(text[:a].encode()), len(text[:b].encode())) for a, b in offsets]


def order(place):
    return hashlib.sha256(struct.pack("<II", *place)).digest()


def signs(prompt, word):
    bits = blake3.blake3(struct.pack("<II", prompt, word), derive_key_context="filiation observation v1 sketch signs").digest(64)
    return np.where(np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little") == 1, 1.0, -1.0)


def main():
    with open("data/prompts/shared-v1.toml", "rb") as file:
        texts = [prompt["text"] for prompt in tomllib.load(file)["prompt"]][:N_PROMPTS]
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=f"{MODEL}/tokenizer.json")
    model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32, attn_implementation="eager")
    seen = {}
    for i, layer in enumerate(model.model.layers):
        layer.register_forward_pre_hook(lambda _, args, i=i: seen.__setitem__(f"stream.{i}", args[0]))
        layer.mlp.gate_proj.register_forward_hook(lambda _m, _a, out, i=i: seen.__setitem__(f"units.{i}.gate", out))
        layer.mlp.up_proj.register_forward_hook(lambda _m, _a, out, i=i: seen.__setitem__(f"units.{i}.up", out))
    n_layers = len(model.model.layers)
    model.model.norm.register_forward_pre_hook(lambda _, args: seen.__setitem__(f"stream.{n_layers}", args[0]))

    runs = []
    for prompt, text in enumerate(texts):
        encoded = tokenizer(text, return_offsets_mapping=True)
        with torch.no_grad():
            out = model(torch.tensor([encoded["input_ids"]]), output_attentions=True)
        run = {name: value[0].double().numpy() for name, value in seen.items()}
        run |= {"ids": encoded["input_ids"], "attention": [a[0].numpy() for a in out.attentions], "logits": out.logits[0].double().numpy()}
        run["words"] = word_of_tokens(text, in_bytes(text, encoded["offset_mapping"]))
        runs.append(run)
    members = {
        (p, w): [t for t, word in enumerate(run["words"]) if word == w]
        for p, run in enumerate(runs) for w in sorted({w for w in run["words"] if w is not None})
    }
    places = sorted(members, key=order)
    mean = lambda name, place: runs[place[0]][name][members[place]].mean(axis=0)

    def sketch(name, unit):
        a = np.array([mean(name, place)[unit] for place in members])
        a -= a.mean()
        s = sum(value * signs(*place) for value, place in zip(a, members))
        return s / np.sqrt(512) / np.linalg.norm(a)

    def stream(layer, row):
        x = mean(f"stream.{layer}", places[row])
        return x / np.sqrt((x**2).mean())

    byte_of = {c: b for b, c in byte_alphabet().items()}
    strings = {}
    for token, id in tokenizer.get_vocab().items():
        string = token.encode() if id < 2 else bytes(byte_of[c] for c in token)
        strings.setdefault(string, []).append(id)
    tokens = [found[0] for string, found in sorted(strings.items(), key=lambda item: hashlib.sha256(item[0]).digest()) if len(found) == 1][:8192]

    def logits(row):
        prompt, word = places[row]
        values = runs[prompt]["logits"][members[places[row]][-1]][tokens]
        return values - values.mean()

    weight = (model.lm_head.weight.double() * model.model.norm.weight.double()).detach().numpy()[tokens]
    r = np.linalg.qr(weight - weight.mean(axis=0))[1]
    r *= np.sign(np.diag(r))[:, None]
    numbers = lambda values: [float(f"{value:.6g}") for value in values]
    vector = {
        "made_by": "testdata/scripts/make_observation_vectors.py",
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "blake3": blake3.__version__},
        "n_prompts": N_PROMPTS,
        "ids": runs[3]["ids"],
        "words": [-1 if word is None else word for word in runs[3]["words"]],
        "n_words": len(places),
        "places": [list(place) for place in places[:12]],
        "signs_of_prompt_3_word_5": [int(value) for value in signs(3, 5)[:24]],
        "attention_of_block_2_head_1_prompt_3_row_7": numbers(runs[3]["attention"][2][1][7][:8]),
        "sketch_of_block_1_gate_unit_17": numbers(sketch("units.1.gate", 17)[:16]),
        "sketch_of_block_3_up_unit_200": numbers(sketch("units.3.up", 200)[:16]),
        "stream_0_row_5": numbers(stream(0, 5)[:12]),
        "stream_4_row_9": numbers(stream(n_layers, 9)[:12]),
        "logit_tokens": tokens[:12],
        "logits_row_3": numbers(logits(3)[:12]),
        "ellipse_diagonal": numbers(np.diag(r)[:12]),
    }
    with open("testdata/vectors/observation.json", "w") as file:
        file.write("{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in vector.items()) + "\n}\n")


def byte_alphabet():
    """GPT-2's printable stand-ins for bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(others)}


if __name__ == "__main__":
    sys.exit(main())
