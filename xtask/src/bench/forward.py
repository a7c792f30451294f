"""Prefill of the same token ids through transformers or llama.cpp: one JSON line with seconds, tokens and the peak memory in MiB.

    forward.py transformers MODEL TOKENS THREADS logits|attention
    forward.py llama.cpp MODEL TOKENS THREADS
    forward.py to-gguf FOLDER GGUF          # a random llama of this benchmark in 16 bits, for llama.cpp
"""

import json
import sys
import time


def done(seconds, tokens, **more):
    # Not `ru_maxrss`, which a process inherits from the one that started it.
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024
    print(json.dumps({"seconds": seconds, "tokens": tokens, "peakMib": peak, **more}))


def transformers(model, tokens, threads, what):
    import os

    import torch
    import transformers as hf

    torch.set_num_threads(threads)
    folder, file = (os.path.dirname(model), os.path.basename(model)) if model.endswith(".gguf") else (model, None)
    # Attention probabilities exist only in the eager implementation; logits alone may use the fastest.
    kind = "eager" if what == "attention" else "sdpa"
    network = hf.AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32, attn_implementation=kind).eval()
    more = {"output_attentions": True, "output_hidden_states": True} if what == "attention" else {}
    n = sum(len(ids) for ids in tokens)
    best = None
    with torch.inference_mode():
        network(torch.tensor([tokens[0]]), use_cache=False)
        # One prompt at a time, and in padded batches of prompts of like length, which may be faster: the better counts.
        for batch in (1, 8):
            ordered = sorted(tokens, key=len)
            groups = [ordered[i : i + batch] for i in range(0, len(ordered), batch)]
            start = time.perf_counter()
            for group in groups:
                longest = max(map(len, group))
                ids = torch.tensor([list(ids) + [0] * (longest - len(ids)) for ids in group])
                mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in group])
                network(ids, attention_mask=mask if batch > 1 else None, use_cache=False, **more)
            seconds = time.perf_counter() - start
            if best is None or seconds < best[0]:
                best = (seconds, batch)
    done(best[0], n, batch=best[1], version=f"transformers {hf.__version__}, torch {torch.__version__}")


def llama(model, tokens, threads):
    import llama_cpp

    longest = max(map(len, tokens))
    network = llama_cpp.Llama(model, n_ctx=longest, n_batch=longest, n_threads=threads, n_threads_batch=threads, logits_all=True, verbose=False)
    network.eval(tokens[0])
    start = time.perf_counter()
    for ids in tokens:
        network.reset()
        network.eval(ids)
    done(time.perf_counter() - start, sum(map(len, tokens)), version=f"llama-cpp-python {llama_cpp.__version__}")


def to_gguf(folder, target):
    import gguf
    import numpy as np
    from pathlib import Path

    config = json.loads((Path(folder) / "config.json").read_text())
    writer = gguf.GGUFWriter(target, "llama")
    layers, heads = config["num_hidden_layers"], config["num_attention_heads"]
    groups = config.get("num_key_value_heads", heads)
    writer.add_block_count(layers)
    writer.add_context_length(config.get("max_position_embeddings", 2048))
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(groups)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config.get("rope_theta", 10000.0))
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("no_vocab")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, layers)
    for file in sorted(Path(folder).glob("*.safetensors")):
        bytes_ = np.memmap(file, dtype=np.uint8, mode="r")
        size = int.from_bytes(bytes_[:8].tobytes(), "little")
        header = json.loads(bytes_[8 : 8 + size].tobytes())
        for name, place in header.items():
            if name == "__metadata__":
                continue
            start, end = (8 + size + offset for offset in place["data_offsets"])
            values = (bytes_[start:end].view(np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(place["shape"])
            if name.endswith(("q_proj.weight", "k_proj.weight")):
                # llama.cpp turns neighbouring dimensions, Hugging Face those half a head apart.
                n = heads if "q_proj" in name else groups
                values = values.reshape(n, 2, values.shape[0] // n // 2, -1).swapaxes(1, 2).reshape(place["shape"])
            kept = values.astype(np.float32 if values.ndim == 1 else np.float16)
            writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), kept)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    command, model, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
    if command == "to-gguf":
        to_gguf(model, rest[0])
    else:
        ids = json.load(open(rest[0]))
        threads = int(rest[1])
        transformers(model, ids, threads, rest[2]) if command == "transformers" else llama(model, ids, threads)
