"""Writes testdata/families/*.json: config (or GGUF metadata) and `name -> shape` of tiny models, for the tests of the family files.

Made with Python 3.11, torch 2.15.0, transformers 5.23.0 and gguf 0.19.0:
    python testdata/scripts/make_family_lists.py testdata/families

Hugging Face lists are the state dicts of `transformers` models on the meta device, with their non-persistent buffers left out.
GGUF lists are the same tensors renamed by `gguf.get_tensor_name_map`, with the changes that llama.cpp's converter makes to shapes
(GPT-2's matrices are transposed) and to metadata. No weights are made.
"""

import json
import sys
from pathlib import Path

import gguf
import torch
import transformers
from transformers import AutoConfig

SMALL = dict(vocab_size=80, hidden_size=48, intermediate_size=72, num_hidden_layers=2, num_attention_heads=6, max_position_embeddings=40)
GROUPED = SMALL | dict(num_key_value_heads=2, head_dim=8)
PLAIN = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2)

# list name: (model class, model_type, config, GGUF architecture)
MODELS = {
    "llama": ("LlamaForCausalLM", "llama", GROUPED, "llama"),
    "llama-tied-biased": ("LlamaForCausalLM", "llama", GROUPED | dict(tie_word_embeddings=True, attention_bias=True, mlp_bias=True), "llama"),
    "mistral": ("MistralForCausalLM", "mistral", GROUPED, "llama"),
    "smollm3": ("SmolLM3ForCausalLM", "smollm3", SMALL | dict(num_key_value_heads=2), "smollm3"),
    "qwen2": ("Qwen2ForCausalLM", "qwen2", SMALL | dict(num_key_value_heads=2), "qwen2"),
    "qwen3": ("Qwen3ForCausalLM", "qwen3", SMALL | dict(num_key_value_heads=2, head_dim=12), "qwen3"),
    "gemma": ("GemmaForCausalLM", "gemma", SMALL | dict(num_key_value_heads=1, head_dim=12), "gemma"),
    "gemma2": ("Gemma2ForCausalLM", "gemma2", SMALL | dict(num_key_value_heads=2, head_dim=12), "gemma2"),
    "gemma3": ("Gemma3ForCausalLM", "gemma3_text", SMALL | dict(num_key_value_heads=2, head_dim=12), "gemma3"),
    "phi3": ("Phi3ForCausalLM", "phi3", SMALL | dict(num_key_value_heads=2), "phi3"),
    "olmo2": ("Olmo2ForCausalLM", "olmo2", SMALL | dict(num_key_value_heads=2), "olmo2"),
    "gpt2": ("GPT2LMHeadModel", "gpt2", dict(vocab_size=80, n_embd=48, n_layer=2, n_head=6, n_positions=40), "gpt2"),
    "gpt_neox": ("GPTNeoXForCausalLM", "gpt_neox", SMALL, "gptneox"),
    "bert": ("BertModel", "bert", SMALL, "bert"),
    "bert-pretraining": ("BertForPreTraining", "bert", SMALL, None),
    "bert-classifier": ("BertForSequenceClassification", "bert", SMALL, None),
    "roberta-mlm": ("RobertaForMaskedLM", "roberta", SMALL, None),
    "xlm-roberta": ("XLMRobertaModel", "xlm-roberta", SMALL, "bert"),
    "roberta-classifier": ("RobertaForSequenceClassification", "roberta", SMALL, None),
    "distilbert-mlm": ("DistilBertForMaskedLM", "distilbert", dict(vocab_size=80, dim=48, hidden_dim=72, n_layers=2, n_heads=6), None),
    "distilbert-classifier": (
        "DistilBertForSequenceClassification",
        "distilbert",
        dict(vocab_size=80, dim=48, hidden_dim=72, n_layers=2, n_heads=6),
        None,
    ),
    "t5": ("T5ForConditionalGeneration", "t5", dict(vocab_size=80, d_model=48, d_kv=12, d_ff=72, num_layers=2, num_heads=6), "t5"),
    "t5-gated": (
        "T5ForConditionalGeneration",
        "t5",
        dict(
            vocab_size=80, d_model=48, d_kv=12, d_ff=72, num_layers=2, num_heads=6, feed_forward_proj="gated-gelu", tie_word_embeddings=False
        ),
        "t5",
    ),
    "t5-encoder": ("T5EncoderModel", "t5", dict(vocab_size=80, d_model=48, d_kv=12, d_ff=72, num_layers=2, num_heads=6), None),
    "whisper": (
        "WhisperForConditionalGeneration",
        "whisper",
        dict(
            vocab_size=80, d_model=48, encoder_layers=2, decoder_layers=3, encoder_attention_heads=6, decoder_attention_heads=6,
            encoder_ffn_dim=72, decoder_ffn_dim=60, num_mel_bins=10, max_source_positions=30, max_target_positions=20,
        ),
        None,
    ),
}

ARCHITECTURES = {name: arch for arch, name in gguf.MODEL_ARCH_NAMES.items()}


def gguf_list(name, architecture, config, shapes):
    n_layers = getattr(config, "num_hidden_layers", 0)
    names = gguf.get_tensor_name_map(ARCHITECTURES[architecture], n_layers)
    tensors = {}
    for tensor, shape in shapes.items():
        if tensor.endswith((".attn.bias", ".masked_bias", "inv_freq", "position_ids")) or (name.startswith("t5") and "embed_tokens" in tensor):
            continue
        if architecture == "bert" and "pooler" in tensor:  # the converter leaves the pooler out
            continue
        if architecture.startswith("gemma") and tensor == "lm_head.weight":  # tied
            continue
        found = names.get_name(tensor, try_suffixes=(".weight", ".bias"))
        assert found, (name, tensor)
        if architecture == "gpt2" and len(shape) == 2 and (".c_" in tensor):
            shape = shape[::-1]
        tensors[found] = shape
    heads = config.num_attention_heads
    metadata = {
        "general.architecture": architecture,
        f"{architecture}.block_count": n_layers,
        f"{architecture}.embedding_length": config.hidden_size,
        f"{architecture}.feed_forward_length": getattr(config, "intermediate_size", None) or getattr(config, "d_ff", None) or 4 * config.hidden_size,
        f"{architecture}.attention.head_count": heads,
    }
    if (groups := getattr(config, "num_key_value_heads", None)) is not None:
        metadata[f"{architecture}.attention.head_count_kv"] = groups
    key_length = getattr(config, "head_dim", None) or getattr(config, "d_kv", None)
    if key_length is not None:
        metadata[f"{architecture}.attention.key_length"] = key_length
    return {"metadata": metadata, "tensors": tensors}


def write(folder, name, content):
    lines = ["{"]
    for key in ("config", "metadata"):
        if key in content:
            lines.append(f'"{key}": {json.dumps(content[key], sort_keys=True)},')
    rows = [f"{json.dumps(tensor)}: {json.dumps(shape)}" for tensor, shape in content["tensors"].items()]
    lines.append('"tensors": {\n' + ",\n".join(rows) + "\n}\n}\n")
    (folder / f"{name}.json").write_text("\n".join(lines))


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, (architecture, model_type, values, gguf_architecture) in MODELS.items():
        config = AutoConfig.for_model(model_type, **PLAIN, **values)
        with torch.device("meta"):
            model = getattr(transformers, architecture)(config)
        state = model.state_dict()
        tied = set(getattr(model, "all_tied_weights_keys", None) or {}) if config.tie_word_embeddings else set()
        shapes = {tensor: list(value.shape) for tensor, value in state.items() if tensor not in tied}
        kept = json.loads(config.to_json_string(use_diff=True))
        kept["architectures"] = [architecture]
        kept = {key: value for key, value in kept.items() if isinstance(value, (int, str, list)) and "token" not in key}
        write(folder, f"{name}.hf", {"config": kept, "tensors": shapes})
        if gguf_architecture:
            write(folder, f"{name}.gguf", gguf_list(name, gguf_architecture, config, shapes))
    # In memory the experts of a block are one tensor; on disk they are one by one, as in the checkpoints of testdata/forward.
    for name in ("qwen2_moe", "qwen3_moe"):
        source = folder.parent / "forward" / name
        bytes_ = (source / "model.safetensors").read_bytes()
        header = json.loads(bytes_[8 : 8 + int.from_bytes(bytes_[:8], "little")])
        shapes = {tensor: place["shape"] for tensor, place in header.items() if tensor != "__metadata__"}
        config = json.loads((source / "config.json").read_text())
        kept = {key: value for key, value in config.items() if isinstance(value, (int, str, list)) and "token" not in key}
        write(folder, f"{name}.hf", {"config": kept, "tensors": shapes})


main()
