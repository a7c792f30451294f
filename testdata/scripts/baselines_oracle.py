"""The numbers that crates/lab/tests/baselines.rs expects of published statistics, by the plainest reading of their formulas.

pip install numpy==2.4.6 scipy==1.17.1
python testdata/scripts/baselines_oracle.py
"""

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln

ROOT = Path(__file__).resolve().parents[1]
HEADS, KV_HEADS, BLOCKS = 4, 2, 4


def tensors(name):
    data = (ROOT / name / "model.safetensors").read_bytes()
    n = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + n])
    found = {}
    for key, entry in header.items():
        if key == "__metadata__":
            continue
        assert entry["dtype"] == "BF16"
        start, end = entry["data_offsets"]
        raw = np.frombuffer(data[8 + n + start : 8 + n + end], "<u2").astype(np.uint32) << 16
        found[key] = raw.view(np.float32).astype(np.float64).reshape(entry["shape"])
    return found


def tokens(name):
    """Ids of the tokens that decode to bytes of their own, in the order of the SHA-256 of the bytes."""
    tokenizer = json.loads((ROOT / name / "tokenizer.json").read_text())
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    stands_for = {chr(b): b for b in printable}
    stands_for |= {chr(256 + i): b for i, b in enumerate(b for b in range(256) if b not in printable)}
    added = {entry["content"] for entry in tokenizer["added_tokens"]}
    ids = {}
    for token, i in tokenizer["model"]["vocab"].items():
        text = token.encode() if token in added else bytes(stands_for[c] for c in token)
        ids.setdefault(text, []).append(i)
    unique = [(hashlib.sha256(text).digest(), i[0]) for text, i in ids.items() if len(i) == 1]
    return [i for _, i in sorted(unique)]


def block(model, layer, name):
    return model[f"model.layers.{layer}.{name}.weight"]


def cosine(a, b):
    return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())


def gains(model):
    return {key: value for key, value in model.items() if value.ndim == 1}


def mean_cosine(a, b):
    return np.mean([cosine(a[key], b[key]) for key in a if a[key].ndim == 2])


def norm_gain_cosine(a, b):
    return np.mean([cosine(value, b[key]) for key, value in gains(a).items()])


def invariant_terms(model, x):
    terms = []
    for layer in range(BLOCKS - 2, BLOCKS):
        q, k, v, o = (block(model, layer, f"self_attn.{name}_proj") for name in "qkvo")
        per_head = lambda w: np.repeat(w.reshape(KV_HEADS, -1, w.shape[1]), HEADS // KV_HEADS, axis=0).reshape(-1, w.shape[1])
        up, down = block(model, layer, "mlp.up_proj"), block(model, layer, "mlp.down_proj")
        terms += [x @ q.T @ per_head(k) @ x.T, x @ per_head(v).T @ o.T @ x.T, x @ up.T @ down.T @ x.T]
    return np.concatenate([term.ravel() for term in terms])


def unbiased_hsic(k, l):
    """Song et al. 2012, eq. 5, as it stands there."""
    n = len(k)
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))
    one = np.ones(n)
    return (np.trace(k @ l) + one @ k @ one * (one @ l @ one) / (n - 1) / (n - 2) - 2 / (n - 2) * (one @ k @ l @ one)) / (n * (n - 3))


def awm(a, b, x, y):
    cosines = (x / np.linalg.norm(x, axis=0)).T @ (y / np.linalg.norm(y, axis=0))
    rows, cols = linear_sum_assignment(-np.abs(cosines.T))
    signs = np.sign(cosines[cols, rows])
    values = []
    for layer in range(BLOCKS):
        for name in "qk":
            w = block(a, layer, f"self_attn.{name}_proj")[:, cols] * signs
            other = block(b, layer, f"self_attn.{name}_proj")
            k, l = w.T @ w, other.T @ other
            values.append(unbiased_hsic(k, l) / np.sqrt(unbiased_hsic(k, k) * unbiased_hsic(l, l)))
    return np.mean(values)


def mdir(x, y):
    u, _, vt = np.linalg.svd(x.T @ y)
    size = np.abs(u @ vt)
    trace = size[linear_sum_assignment(-size)].sum()
    n = len(size)
    return trace / n, min(0.0, (-trace**2 / 2 + gammaln(n + 1) + n * np.log(2)) / np.log(10))


def std_profile(a, b):
    profile = lambda model, name: [block(model, layer, f"self_attn.{name}_proj").std() for layer in range(BLOCKS)]
    return np.mean([np.corrcoef(profile(a, name), profile(b, name))[0, 1] for name in "qkvo"])


def weighted_score(a, b, x, y):
    upper = np.triu_indices(64, 1)
    angles = lambda rows: rows / np.linalg.norm(rows, axis=1)[:, None]
    anchors = [(angles(rows[:64]) @ angles(rows[:64]).T)[upper] for rows in (x, y)]
    eas = (np.corrcoef(*anchors)[0, 1] + 1) / 2
    nlf = cosine(*(np.concatenate([value for _, value in sorted(gains(model).items())]) for model in (a, b)))
    layers = [[{k: v for k, v in model.items() if f".layers.{i}." in k and v.ndim == 2} for i in range(BLOCKS)] for model in (a, b)]
    energies = [[sum(np.linalg.norm(w) for w in layer.values()) for layer in model] for model in layers]
    lep = (np.corrcoef(*energies)[0, 1] + 1) / 2
    end = cosine(*(np.histogram(np.linalg.norm(model["model.embed_tokens.weight"], axis=1), bins=20)[0] for model in (a, b)))
    sampled = lambda layer: np.concatenate([w.ravel()[:: -(-w.size // 4096)][:4096] for _, w in sorted(layer.items())])
    wvc = np.mean([np.clip(cosine(sampled(one), sampled(other)), 0, 1) for one, other in zip(*layers)])
    return 0.36 * eas + 0.08 * nlf + 0.16 * lep + 0.19 * end + 0.21 * wvc


if __name__ == "__main__":
    base = tensors("models/base")
    ids = tokens("models/base")
    for name in ["models/finetuned", "models/independent", "models/permuted-units", "lineage/seed-2"]:
        other = tensors(name)
        x, y = base["model.embed_tokens.weight"][ids], other["model.embed_tokens.weight"][ids]
        share, log10_p = mdir(x, y)
        print(f'    ("{name}", "cosine", {mean_cosine(base, other):.9}),')
        print(f'    ("{name}", "norm-gain-cosine", {norm_gain_cosine(base, other):.9}),')
        print(f'    ("{name}", "huref", {cosine(invariant_terms(base, x), invariant_terms(other, y)):.9}),')
        print(f'    ("{name}", "awm", {awm(base, other, x, y):.9}),')
        print(f'    ("{name}", "mdir", {share:.9}),')
        print(f'    ("{name}", "std-profile", {std_profile(base, other):.9}),')
        print(f'    ("{name}", "weighted-score", {weighted_score(base, other, x, y):.9}),')
        print(f"    // mdir log10 p: {log10_p:.6}")
