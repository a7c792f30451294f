"""Writes testdata/containers/*: one random Llama in every container that the readers know, for the test that compares each with each.

All values are exact in bfloat16 and in half precision, so that every unquantised form holds the same numbers.
Run from the root of the repository with torch 2.15.0, safetensors 0.8.0, gguf 0.19.0, onnx 1.23.2 and numpy 2.4.6:
python3 testdata/scripts/make_containers.py
"""

import json
import pathlib

import numpy as np
import onnx
import torch
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import dequantize, quantize
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

FOLDER = pathlib.Path("testdata/containers")
LAYERS, HIDDEN, HEADS, KV_HEADS, HEAD_DIM, MLP, VOCAB = 2, 64, 4, 2, 16, 256, 256
CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": MLP, "head_dim": HEAD_DIM,
    "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "num_hidden_layers": LAYERS, "vocab_size": VOCAB,
}


def model():
    """Weights by their Hub names, in float32."""
    random = np.random.default_rng(2)

    def draw(*shape, mean=0.0, deviation=0.05):
        values = torch.from_numpy(random.normal(mean, deviation, shape).astype(np.float32)).bfloat16().float().numpy()
        # bfloat16 has the wider exponents; below 2^-16 a half would round.
        values[np.abs(values) < 2.0**-16] = 0
        assert np.array_equal(values.astype(np.float16).astype(np.float32), values)
        return values

    weights = {"model.embed_tokens.weight": draw(VOCAB, HIDDEN)}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        for name, *shape in [
            ("self_attn.q_proj", HEADS * HEAD_DIM, HIDDEN), ("self_attn.k_proj", KV_HEADS * HEAD_DIM, HIDDEN),
            ("self_attn.v_proj", KV_HEADS * HEAD_DIM, HIDDEN), ("self_attn.o_proj", HIDDEN, HEADS * HEAD_DIM),
            ("mlp.gate_proj", MLP, HIDDEN), ("mlp.up_proj", MLP, HIDDEN), ("mlp.down_proj", HIDDEN, MLP),
        ]:
            weights[f"{prefix}{name}.weight"] = draw(*shape)
        for name in ["input_layernorm", "post_attention_layernorm"]:
            weights[f"{prefix}{name}.weight"] = draw(HIDDEN, mean=1.0, deviation=0.1)
    weights["model.norm.weight"] = draw(HIDDEN, mean=1.0, deviation=0.1)
    weights["lm_head.weight"] = draw(VOCAB, HIDDEN)
    return weights


def folder(name):
    path = FOLDER / name
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    return path


def tensors(weights, dtype):
    return {name: torch.from_numpy(values).to(dtype) for name, values in weights.items()}


def shards(weights, path, stem, suffix, index, write):
    """Three files and their index, as transformers splits a large model."""
    names = list(weights)
    weight_map = {}
    for shard in range(3):
        file = f"{stem}-{shard + 1:05}-of-00003.{suffix}"
        part = {name: weights[name] for name in names[shard::3]}
        write(part, path / file)
        weight_map |= dict.fromkeys(part, file)
    total = sum(t.numel() * t.element_size() for t in weights.values())
    (path / index).write_text(json.dumps({"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}, indent=1) + "\n")


def gguf_names(weights):
    """Names and row order as llama.cpp's converter writes them: query and key rows with the halves of each head interleaved."""
    names = {
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    }
    top = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    for name, values in weights.items():
        name = name.removesuffix(".weight")
        if name in top:
            yield f"{top[name]}.weight", values
            continue
        layer, rest = name.removeprefix("model.layers.").split(".", 1)
        if rest in ("self_attn.q_proj", "self_attn.k_proj"):
            heads = values.reshape(-1, 2, HEAD_DIM // 2, HIDDEN)
            values = heads.swapaxes(1, 2).reshape(values.shape)
        yield f"blk.{layer}.{names[rest]}.weight", values


def q4_k(values):
    """Blocks of 256: half-precision scale and minimum, 6-bit scales and minima of 8 sub-blocks, 4-bit values. Rounded, not searched."""
    blocks = values.reshape(-1, 8, 32)
    minimum = np.maximum(-blocks.min(axis=2), 0)
    scale = (blocks.max(axis=2) + minimum) / 15
    d = (scale.max(axis=1) / 63).astype(np.float16)
    dmin = (minimum.max(axis=1) / 63).astype(np.float16)
    scales = np.clip(np.rint(scale / d[:, None].astype(np.float32)), 0, 63).astype(np.uint8)
    minima = np.clip(np.rint(minimum / dmin[:, None].astype(np.float32)), 0, 63).astype(np.uint8)
    step = (d[:, None] * scales).astype(np.float32)[..., None]
    q = np.clip(np.rint((blocks + (dmin[:, None] * minima).astype(np.float32)[..., None]) / step), 0, 15).astype(np.uint8)
    packed = np.concatenate(
        [
            (scales[:, :4] & 63) | (scales[:, 4:] >> 4 << 6),
            (minima[:, :4] & 63) | (minima[:, 4:] >> 4 << 6),
            (scales[:, 4:] & 15) | ((minima[:, 4:] & 15) << 4),
        ],
        axis=1,
    )
    nibbles = q[:, 0::2] | (q[:, 1::2] << 4)
    halves = np.stack([d, dmin], axis=1).view(np.uint8).reshape(-1, 4)
    bytes_ = np.concatenate([halves, packed, nibbles.reshape(-1, 128)], axis=1).reshape(*values.shape[:-1], -1)
    found = dequantize(bytes_, GGMLQuantizationType.Q4_K).reshape(values.shape)
    assert np.abs(found - values).max() < 0.1 * np.abs(values).max(), "the package reads other values than were packed"
    return bytes_


def gguf(weights, name, kind):
    writer = GGUFWriter(FOLDER / name, "llama")
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(MLP)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD_DIM)
    for tensor, values in gguf_names(weights):
        values = np.ascontiguousarray(values)
        # Vectors stay F32 in every GGUF; a row of 64 holds no block of 256, so Q4_K falls back to Q8_0 as llama.cpp falls back.
        form = GGMLQuantizationType.F32 if values.ndim == 1 else kind
        if form == GGMLQuantizationType.Q4_K and values.shape[-1] % 256:
            form = GGMLQuantizationType.Q8_0
        stored = q4_k(values) if form == GGMLQuantizationType.Q4_K else quantize(values, form)
        writer.add_tensor(tensor, stored, raw_dtype=form)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def onnx_graph(weights):
    """A chain with the weights as torch's exporter leaves them: matrices transposed under anonymous names, vectors under their own."""
    nodes, initializers = [], []

    def matmul(source, name):
        number = len(nodes) + 100
        initializers.append(numpy_helper.from_array(np.ascontiguousarray(weights[f"{name}.weight"].T), f"onnx::MatMul_{number}"))
        target = f"/{name.replace('.', '/')}/MatMul_output_0"
        nodes.append(helper.make_node("MatMul", [source, f"onnx::MatMul_{number}"], [target], name=f"/{name.replace('.', '/')}/MatMul"))
        return target

    def gain(source, name):
        initializers.append(numpy_helper.from_array(weights[f"{name}.weight"], f"{name}.weight"))
        target = f"/{name.replace('.', '/')}/Mul_output_0"
        nodes.append(helper.make_node("Mul", [source, f"{name}.weight"], [target], name=f"/{name.replace('.', '/')}/Mul"))
        return target

    initializers.append(numpy_helper.from_array(weights["model.embed_tokens.weight"], "model.embed_tokens.weight"))
    nodes.append(helper.make_node("Gather", ["model.embed_tokens.weight", "input_ids"], ["embedded"]))
    state, outputs = "embedded", []
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        normed = gain(state, f"{prefix}input_layernorm")
        outputs += [matmul(normed, f"{prefix}self_attn.k_proj"), matmul(normed, f"{prefix}self_attn.v_proj")]
        state = matmul(matmul(normed, f"{prefix}self_attn.q_proj"), f"{prefix}self_attn.o_proj")
        normed = gain(state, f"{prefix}post_attention_layernorm")
        gate, up = matmul(normed, f"{prefix}mlp.gate_proj"), matmul(normed, f"{prefix}mlp.up_proj")
        nodes.append(helper.make_node("Mul", [gate, up], [f"{prefix}gated"]))
        state = matmul(f"{prefix}gated", f"{prefix}mlp.down_proj")
    outputs.append(matmul(gain(state, "model.norm"), "lm_head"))
    tokens = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", "sequence", None]) for name in outputs]
    return helper.make_graph(nodes, "main_graph", [tokens], results, initializers)


def main():
    weights = model()
    save_file(tensors(weights, torch.float32), folder("safetensors-f32") / "model.safetensors", {"format": "pt"})
    write = lambda part, path: save_file(part, path, {"format": "pt"})
    sharded = tensors(weights, torch.bfloat16)
    shards(sharded, folder("safetensors-bf16-sharded"), "model", "safetensors", "model.safetensors.index.json", write)
    torch.save(tensors(weights, torch.float16), folder("torch-f16") / "pytorch_model.bin")
    shards(sharded, folder("torch-bf16-sharded"), "pytorch_model", "bin", "pytorch_model.bin.index.json", torch.save)
    np.savez_compressed(FOLDER / "f32.npz", **weights)
    for kind in ["F32", "F16", "BF16", "Q8_0", "Q4_K"]:
        gguf(weights, f"{kind.lower()}.gguf", GGMLQuantizationType[kind])
    made = helper.make_model(onnx_graph(weights), opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="pytorch")
    onnx.checker.check_model(made)
    onnx.save(made, FOLDER / "f32.onnx")


if __name__ == "__main__":
    main()
