"""What the package observes of a model of `transformers`, beside what the engine observes of the same checkpoint.

Largest differences measured with torch 2.15.0 and transformers 5.23.0 stand at each tolerance.
"""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

import filiation

torch = pytest.importorskip("torch", reason="observing needs torch, which this environment does not have")
transformers = pytest.importorskip("transformers", reason="observing needs transformers, which this environment does not have")

# Entries are kept in 16 bits: of values up to 1, neighbours are 2^-11 apart.
ATTENTION = 2e-3
# Rows have a root mean square of 1, their largest entries are about 6: neighbours in 16 bits are 2^-8 apart.
STREAM = 8e-3
# In 32 bits, relative to the largest logit.
LOGITS = 1e-4
# Of length 1, 512 entries in 16 bits; an activation that hardly varies loses digits when its mean is taken away.
SKETCHES = 2e-3

TINY = ["llama", "llama-biased", "gemma2", "gemma3", "gpt2", "gpt_neox", "phi3", "qwen3", "olmo2", "bert", "roberta", "distilbert"]
MIXTURES = ["mixtral", "qwen3_moe"]
TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "Fünf Äpfel kosten 3,50 €.",
    "def f(x):\n    return x + 1",
    "日本語の文。",
    "a",
]


@pytest.fixture(scope="module")
def tokenizer_json() -> str:
    """96 tokens, as the tiny models have: bytes of printable ASCII, and what is not there becomes the unknown token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet(), key=ord)
    vocabulary = {"<unk>": 0} | {token: i for i, token in enumerate(alphabet[:95], 1)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer.to_str()


@pytest.fixture
def checkpoint(testdata: Path, tmp_path: Path, tokenizer_json: str, request: pytest.FixtureRequest) -> Path:
    """A tiny model with a tokenizer beside it."""
    folder = tmp_path / request.param
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(testdata / "forward" / request.param / name, folder / name)
    (folder / "tokenizer.json").write_text(tokenizer_json)
    return folder


def load(folder: Path, **options: object) -> tuple[object, object]:
    config = json.loads((folder / "config.json").read_text())
    model = getattr(transformers, config["architectures"][0]).from_pretrained(folder, **options)
    return model, transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))


def largest(a: np.ndarray | None, b: np.ndarray | None) -> float:
    assert (a is None) == (b is None)
    if a is None:
        return 0.0
    assert a.shape == b.shape
    return float(np.abs(a - b).max(initial=0.0))


def differences(ours: filiation.Observation, theirs: filiation.Observation) -> dict[str, float]:
    """Largest differences of two observations of one model, after what must be equal was found equal."""
    for name in ("tensor_root", "family", "n_parameters", "n_layers", "n_heads", "hidden", "units", "vocabulary", "causal", "norm",
                 "prompts_digest", "taps", "stream_words", "logit_positions", "logit_tokens"):  # fmt: skip
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("tokens", "starts", "words"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
    places = [(l, h, p) for l in range(ours.n_layers) for h in range(ours.n_heads) for p in range(ours.n_prompts)]
    found = {
        "attention": max(largest(ours.attention(*at), theirs.attention(*at)) for at in places),
        "stream": max(largest(ours.stream(layer), theirs.stream(layer)) for layer in range(ours.n_layers + 1)),
        "sketches": max(
            max(largest(ours.gate_sketches(layer), theirs.gate_sketches(layer)), largest(ours.up_sketches(layer), theirs.up_sketches(layer)))
            for layer in range(ours.n_layers)
        ),
        "logits": 0.0,
        "image": 0.0,
    }
    if ours.logits is not None:
        found["logits"] = largest(ours.logits, theirs.logits) / float(np.abs(theirs.logits).max())
        # The same space: projections are compared, because a basis may turn where singular values are close.
        a, b = (o.logit_image.astype(np.float64) for o in (ours, theirs))
        found["image"] = float(np.abs(a @ a.T - b @ b.T).max())
    print({name: f"{value:.1e}" for name, value in found.items()})
    return found


def check(found: dict[str, float]) -> None:
    assert found["attention"] <= ATTENTION
    assert found["stream"] <= STREAM
    assert found["sketches"] <= SKETCHES
    assert found["logits"] <= LOGITS
    assert found["image"] <= LOGITS


@pytest.mark.parametrize("checkpoint", TINY, indirect=True)
@pytest.mark.filterwarnings("error:.*left out|.*bound to no")
def test_a_tiny_model_is_observed_alike(checkpoint: Path) -> None:
    model, tokenizer = load(checkpoint)
    ours = filiation.observe(model, tokenizer, TEXTS)
    theirs = filiation.observe_checkpoint(checkpoint, TEXTS)
    assert ("logits" in ours.taps) == theirs.causal
    assert ours.engine == f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}"
    check(differences(ours, theirs))


@pytest.mark.parametrize("checkpoint", MIXTURES, indirect=True)
def test_units_of_a_mixture_are_left_out(checkpoint: Path) -> None:
    model, tokenizer = load(checkpoint)
    with pytest.warns(UserWarning, match="units are left out: block 0 is a mixture"):
        ours = filiation.observe(model, tokenizer, TEXTS)
    assert ours.taps == ["attention", "stream", "logits"]
    check(differences(ours, filiation.observe_checkpoint(checkpoint, TEXTS)))


def test_a_trained_model_with_its_own_tokenizer_is_observed_alike(testdata: Path, tmp_path: Path) -> None:
    folder = testdata / "models" / "base"
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    prompts = filiation.PromptSet.shared().first(40)
    ours = filiation.observe(model, tokenizer, prompts, path=tmp_path / "ours.safetensors")
    theirs = filiation.observe_checkpoint(folder, prompts)
    assert ours.tensor_root == "5accfd23db6b28537414790d52a1c54ccecd8d59449f782a6a18b5c20cb13659"
    check(differences(ours, theirs))
    assert np.array_equal(filiation.Observation.read(tmp_path / "ours.safetensors").logits, ours.logits)


def test_the_model_is_as_it_was(testdata: Path) -> None:
    folder = testdata / "models" / "base"
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="sdpa")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    filiation.observe(model, tokenizer, TEXTS)
    assert model.training and model.config._attn_implementation == "sdpa"
    assert model.model.layers[0].self_attn.config._attn_implementation == "sdpa"
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == torch.bfloat16 and torch.equal(tensor, before[name]), name
    assert model.lm_head.weight.dtype == torch.bfloat16


def test_a_model_that_was_trained_since_is_bound_to_nothing(testdata: Path) -> None:
    folder = testdata / "models" / "base"
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        model.model.layers[2].mlp.up_proj.weight.mul_(1.5)
    with pytest.warns(UserWarning, match="bound to no checkpoint: `model.layers.2.mlp.up_proj.weight` differs"):
        observation = filiation.observe(model, tokenizer, TEXTS)
    assert observation.tensor_root is None
    assert "bound to no checkpoint" in repr(observation)
    with pytest.raises(filiation.Error, match="`model.layers.2.mlp.up_proj.weight` differs from the checkpoint"):
        filiation.observe(model, tokenizer, TEXTS, checkpoint=folder)


def test_a_model_from_nowhere_is_bound_to_nothing(tokenizer_json: str) -> None:
    config = transformers.LlamaConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, vocab_size=96)
    model = transformers.LlamaForCausalLM(config)
    from tokenizers import Tokenizer

    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(tokenizer_json))
    with pytest.warns(UserWarning, match="bound to no checkpoint"):
        observation = filiation.observe(model, tokenizer, TEXTS, taps=["attention"])
    assert (observation.taps, observation.tensor_root, observation.family) == (["attention"], None, "llama")


# Families that the program cannot run: no family file, or another form.
OTHERS = [
    ("OPTConfig", "OPTForCausalLM", {"ffn_dim": 48, "word_embed_proj_dim": 32}, ["attention", "units", "stream", "logits"]),
    ("FalconConfig", "FalconForCausalLM", {}, ["attention", "units", "stream", "logits"]),
    ("GPTJConfig", "GPTJForCausalLM", {"rotary_dim": 4}, ["attention", "units", "stream", "logits"]),
    ("BloomConfig", "BloomForCausalLM", {}, ["attention", "units", "stream", "logits"]),
    ("PhiConfig", "PhiForCausalLM", {"intermediate_size": 48}, ["attention", "units", "stream", "logits"]),
    ("CohereConfig", "CohereForCausalLM", {"intermediate_size": 48}, ["attention", "units", "stream", "logits"]),
    ("ModernBertConfig", "ModernBertModel", {"intermediate_size": 48}, ["attention", "units", "stream"]),
    ("BertConfig", "BertForMaskedLM", {"intermediate_size": 48}, ["attention", "units", "stream"]),
]


@pytest.mark.parametrize(("config", "model", "options", "taps"), OTHERS, ids=[model for _, model, *_ in OTHERS])
@pytest.mark.filterwarnings("ignore:.*bound to no checkpoint")
def test_any_family_of_transformers_is_observed(config: str, model: str, options: dict, taps: list[str], tokenizer_json: str) -> None:
    from tokenizers import Tokenizer

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 96, "pad_token_id": 0}
    network = getattr(transformers, model)(getattr(transformers, config)(**sizes, **options)).eval()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(tokenizer_json))
    observation = filiation.observe(network, tokenizer, TEXTS)
    assert observation.taps == taps
    assert observation.causal == ("CausalLM" in model)
    if observation.logits is not None:
        # Logits lie in the image of the unembedding, as they must, if the final norm was found and its gain is right.
        logits, image = (m.astype(np.float64) for m in (observation.logits, observation.logit_image))
        outside = logits - logits @ image @ image.T
        assert np.linalg.norm(outside) < 1e-4 * np.linalg.norm(logits)


def test_the_gain_of_a_norm_is_measured_however_it_is_written() -> None:
    from transformers.models.gemma2.modeling_gemma2 import Gemma2RMSNorm
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    from filiation._anatomy import gain_of

    for width in (32, 33):
        weight = torch.linspace(-2, 3, width)
        bias = torch.linspace(1, 2, width)
        for norm, kind, gain in [
            (LlamaRMSNorm(width), "rms", weight),
            (Gemma2RMSNorm(width), "rms", 1 + weight),
            (torch.nn.LayerNorm(width), "layer", weight),
        ]:
            with torch.no_grad():
                norm.weight.copy_(weight)
                if kind == "layer":
                    norm.bias.copy_(bias)
                found = gain_of(norm, width)
            assert found[1] == kind
            assert torch.allclose(found[0], gain, atol=1e-5), (type(norm).__name__, width)


def test_a_prompt_that_is_too_long_is_named(testdata: Path, tmp_path: Path, tokenizer_json: str) -> None:
    folder = tmp_path / "gpt2"
    shutil.copytree(testdata / "forward" / "gpt2", folder)
    (folder / "tokenizer.json").write_text(tokenizer_json)
    model, tokenizer = load(folder)
    with pytest.raises(filiation.Error, match="prompt `1` of given 1 has 65 tokens, but the model has 64 positions"):
        filiation.observe(model, tokenizer, ["short", "x" * 65])


def test_an_encoder_and_decoder_is_refused(tokenizer_json: str) -> None:
    from tokenizers import Tokenizer

    config = transformers.T5Config(d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, vocab_size=96)
    model = transformers.T5ForConditionalGeneration(config)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(tokenizer_json))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(filiation.Error, match="which has an encoder and a decoder, expected one stack of blocks"):
            filiation.observe(model, tokenizer, TEXTS)
