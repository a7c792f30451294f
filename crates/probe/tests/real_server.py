"""A real server on loopback in front of a small model of testdata, asked by `filiation probe` and by the endpoint scorer.

    python3 -m venv venv && venv/bin/pip install xllamacpp==2026.10.11549 gguf==0.19.0 numpy==2.4.6
    venv/bin/python crates/probe/tests/real_server.py target/release/filiation

asks the server of llama.cpp, which xllamacpp brings prebuilt: completions, chat, top log-probabilities, resuming, and the sentence that is said
because it has no `echo`. With `pip install 'llama-cpp-python[server]'`, which is built from source, `--echo` holds the endpoint scorer
against the local one on the same texts instead:

    venv/bin/python crates/probe/tests/real_server.py target/release/filiation --echo
"""

import argparse
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType

ROOT = Path(__file__).resolve().parents[3]
BASE = ROOT / "testdata/models/base"


def tensors(path):
    """Name to f32 values of a safetensors file in bfloat16 (numpy has none)."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    for name, entry in header.items():
        if name != "__metadata__":
            assert entry["dtype"] == "BF16", name
            begin, end = entry["data_offsets"]
            bits = np.frombuffer(data[begin:end], dtype="<u2").astype(np.uint32) << 16
            yield name, bits.view(np.float32).reshape(entry["shape"])


def make_models(folder, begins):
    """The base model of testdata, as a folder and as GGUF, with or without `<s>` before every text."""
    model = folder / ("begins" if begins else "plain")
    shutil.copytree(BASE, model)
    tokenizer = json.loads((BASE / "tokenizer.json").read_text())
    if begins:
        tokenizer["post_processor"]["single"].insert(0, {"SpecialToken": {"id": "<s>", "type_id": 0}})
        tokenizer["post_processor"]["special_tokens"]["<s>"] = {"id": "<s>", "ids": [0], "tokens": ["<s>"]}
        (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    config = json.loads((BASE / "config.json").read_text())
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    path = folder / f"{model.name}.gguf"
    writer = GGUFWriter(str(path), "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    vocabulary = sorted(tokenizer["model"]["vocab"].items(), key=lambda item: item[1])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_types([TokenType.CONTROL if i < 2 else TokenType.NORMAL for i in range(len(vocabulary))])
    writer.add_token_merges([" ".join(merge) for merge in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(begins)
    writer.add_chat_template("{% for m in messages %}User: {{ m['content'] }}\n{% endfor %}Assistant:")
    names = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    for name, values in tensors(BASE / "model.safetensors"):
        for n, role in ((heads, "q_proj"), (kv_heads, "k_proj")):
            if role in name:
                # llama.cpp turns neighbouring dimensions of a head, Hugging Face its two halves.
                rows, columns = values.shape
                values = values.reshape(n, 2, rows // n // 2, columns).swapaxes(1, 2).reshape(rows, columns)
        if name in names:
            stored = names[name]
        else:
            _, _, block, rest = name.split(".", 3)
            stored = f"blk.{block}.{names[rest.removesuffix('.weight')]}.weight"
        writer.add_tensor(stored, np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model, path


def serve_llama_cpp(path, port):
    """In a process of its own: the server of llama.cpp."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.hostnames = ["127.0.0.1"]
    params.port = int(port)
    params.n_ctx = 256
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.n_gpu_layers = 0
    params.warmup = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


class Server:
    """Begins when entered and ends when left."""

    def __init__(self, command, port):
        self.command, self.url = command, f"http://127.0.0.1:{port}/v1"

    def __enter__(self):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=self.log, stderr=self.log)
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/models", timeout=5).read()
                return self
            except OSError:
                time.sleep(0.1)
        self.__exit__()
        self.log.seek(0)
        sys.exit(f"the server did not begin:\n{self.log.read().decode(errors='replace')[-4000:]}")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def run(*arguments, code=0, **environment):
    clean = {key: value for key, value in os.environ.items() if key != "FILIATION_API_KEY"}
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, env={**clean, **environment})
    print(done.stdout, done.stderr, sep="", end="", flush=True)
    assert done.returncode == code, f"exit code {done.returncode}, expected {code}: {arguments}"
    return done.stdout + done.stderr


def exchanges(path):
    lines = [json.loads(line) for line in Path(path).read_text().splitlines()]
    return [line["exchange"] for line in lines[1:] if "exchange" in line]


def questions(filiation, folder, server):
    """Completions, chat and top log-probabilities of llama.cpp's server."""
    asked = [filiation, "probe", "--endpoint", server.url, "--model", "base", "--dialogues", "5", "--seed", "3"]
    budget = ["--budget-requests", "40", "--budget-tokens", "20000"]
    for mode in ("completions", "chat"):
        next_token = folder / f"{mode}.jsonl"
        every = [*asked, "--mode", mode, "--ask", "next-token", "--top-logprobs", "5", "-o", str(next_token)]
        run(*every, "--budget-requests", "3", "--budget-tokens", "20000", code=1)
        assert len(exchanges(next_token)) == 3
        run(*every, *budget)
        for exchange in exchanges(next_token):
            choice = json.loads(exchange["body"])["choices"][0]
            (token,) = choice["logprobs"]["content"]
            top = token["top_logprobs"]
            assert exchange["status"] == 200 and len(top) == 5, exchange
            assert top[0]["logprob"] == max(item["logprob"] for item in top) == token["logprob"], "temperature 0"
        assert len(exchanges(next_token)) == 5
        replies = folder / f"{mode}-replies.jsonl"
        run(*asked, "--mode", mode, "--ask", "reply", "--samples", "2", "--temperature", "1", "--max-tokens", "12", "-o", str(replies), *budget)
        found = exchanges(replies)
        assert len(found) == 10 and all(exchange["failure"] is None for exchange in found)
        assert len({exchange["requestDigest"] for exchange in found}) == 10
        before = replies.read_bytes()
        run(*asked, "--mode", mode, "--ask", "reply", "--samples", "2", "--temperature", "1", "--max-tokens", "12", "-o", str(replies), *budget)
        assert replies.read_bytes() == before, "nothing is asked twice"


def main():
    if sys.argv[1] == "--serve":
        return serve_llama_cpp(*sys.argv[2:])
    parser = argparse.ArgumentParser()
    parser.add_argument("filiation", help="the program; `--echo` does not run it")
    parser.add_argument("--echo", action="store_true", help="ask llama-cpp-python's server, which echoes")
    args = parser.parse_args()
    scoring = ["cargo", "test", "-q", "-p", "probe", "--test", "real_server", "--", "--ignored", "--nocapture"]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for begins in (True, False):
            model, gguf = make_models(folder, begins)
            port = free_port()
            if args.echo:
                options = ["--logits_all", "true", "--n_ctx", "256", "--n_threads", "1", "--port", str(port)]
                command = [sys.executable, "-m", "llama_cpp.server", "--model", str(gguf), *options]
            else:
                command = [sys.executable, __file__, "--serve", str(gguf), str(port)]
            with Server(command, port) as server:
                expected = ("equal" if begins else "late") if args.echo else "none"
                environment = {"MODEL": str(model), "ENDPOINT": server.url, "EXPECTED": expected}
                run(*scoring, **{f"FILIATION_TEST_{key}": value for key, value in environment.items()})
                if not args.echo:
                    questions(str(Path(args.filiation).resolve()), folder, server)
                    break
    print("the real server answered as expected")


if __name__ == "__main__":
    main()
