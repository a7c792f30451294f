"""Writes testdata/families/*.ctranslate2.json: `name -> shape` of tiny models as CTranslate2's converter keeps them.

Made with Python 3.11, torch 2.15.0, transformers 5.23.0 and ctranslate2 4.8.1:
    python testdata/scripts/make_ctranslate2_lists.py testdata/families

Each model has the config of the Hugging Face list of its name and random weights, norms too: CTranslate2 keeps equal tensors once.
`ctranslate2.converters.transformers` loads it, and the saved model.bin is read back. Some models need what this version of
transformers no longer keeps where the converter looks: Phi-3's scaling factors (none here), GPT-NeoX's share of rotary
dimensions and the name of its output, and BERT's kind of positions.
`int8` lists come from the same converter with that quantisation, which keeps the scales of a matrix beside it.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from ctranslate2.converters import transformers as converter
from list_checkpoint import ctranslate2
from transformers import AutoConfig

NAMES = ["llama", "llama-tied-biased", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "phi3", "gpt2", "gpt_neox", "bert", "t5", "t5-gated"]
QUANTISED = {"llama-int8": "llama", "gpt2-int8": "gpt2", "bert-int8": "bert", "t5-gated-int8": "t5-gated"}
PLAIN = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=0)


def spec_of(folder, name):
    values = json.loads((folder / f"{name}.hf.json").read_text())["config"]
    (architecture,) = values.pop("architectures")
    config = AutoConfig.for_model(values.pop("model_type"), **PLAIN | values)
    model = getattr(transformers, architecture)(config).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape))
    if name == "gpt_neox":
        model.config.rotary_pct, model.embed_out = 0.25, getattr(model, "embed_out", None) or model.lm_head
    if name == "bert":
        model.config.position_embedding_type = "absolute"
    if name == "phi3":
        model.config.rope_scaling = None
        for layer in model.model.layers:
            layer.self_attn.rotary_emb = torch.nn.Module()
            layer.self_attn.rotary_emb.long_factor = layer.self_attn.rotary_emb.short_factor = None
    with torch.no_grad():
        spec = converter._MODEL_LOADERS[type(config).__name__].get_model_spec(model)
    words = [str(i) for i in range(config.vocab_size)]
    for register in ("register_vocabulary", "register_source_vocabulary", "register_target_vocabulary"):
        if hasattr(spec, register):
            getattr(spec, register)(words)
    return spec


def main():
    folder = Path(sys.argv[1])
    for name in NAMES + list(QUANTISED):
        spec = spec_of(folder, QUANTISED.get(name, name))
        spec.validate()
        spec.optimize(quantization="int8" if name in QUANTISED else None)
        with tempfile.TemporaryDirectory() as made:
            spec.save(made)
            tensors = ctranslate2(Path(made) / "model.bin")["tensors"]
        rows = ",\n".join(f"{json.dumps(tensor)}: {json.dumps(shape)}" for tensor, shape in tensors.items())
        (folder / f"{name}.ctranslate2.json").write_text('{\n"tensors": {\n' + rows + "\n}\n}\n")


main()
