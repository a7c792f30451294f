"""The models of make_forward_goldens.py: one tiny configuration of every family, and changes of it that must not go unnoticed."""

from dataclasses import dataclass, field

VOCAB = 96
HIDDEN, LAYERS, HEADS, KV_HEADS, UNITS, POSITIONS = 32, 3, 4, 2, 48, 64
PLAIN = dict(
    vocab_size=VOCAB,
    hidden_size=HIDDEN,
    intermediate_size=UNITS,
    num_hidden_layers=LAYERS,
    num_attention_heads=HEADS,
    max_position_embeddings=POSITIONS,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
)
GROUPED = PLAIN | dict(num_key_value_heads=KV_HEADS, rms_norm_eps=2e-2)
ENCODER = PLAIN | dict(layer_norm_eps=2e-2, type_vocab_size=2)
SLIDING = dict(sliding_window=7)
ROUTED = GROUPED | dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=24)
LONGROPE = dict(short_factor=[1.0, 1.25, 1.5, 3.0], long_factor=[1.5, 2.5, 5.0, 9.0])


def rope(theta, kind="default", **settings):
    return dict(rope_parameters=dict(rope_type=kind, rope_theta=theta, **settings))


@dataclass
class Case:
    """One folder. A small case has two blocks, one sequence and no units: it varies a family whose blocks another case already shows."""

    model: str
    config: dict
    matters: list = field(default_factory=list)  # changes of config.json that must change the output
    units: tuple = ()  # (gate, up) or (up,) as named inside a block; one name stands for both where it holds them stacked
    small: bool = False
    experts: bool = False
    older: dict = field(default_factory=dict)  # keys that replace `rope_parameters` in config.json, as transformers 4 spelt them


GATED = ("mlp.gate_proj", "mlp.up_proj")
OTHER_EPS = dict(rms_norm_eps=1e-6)
CASES = {
    "llama": Case("LlamaForCausalLM", GROUPED | rope(700.0), [OTHER_EPS, rope(10000.0)], GATED),
    "llama-biased": Case(
        "LlamaForCausalLM", GROUPED | dict(tie_word_embeddings=True, attention_bias=True, mlp_bias=True, head_dim=12), small=True
    ),
    "llama-rope-linear": Case(
        "LlamaForCausalLM",
        GROUPED | rope(700.0, "linear", factor=3.0),
        [rope(700.0)],
        small=True,
        older=dict(rope_theta=700.0, rope_scaling=dict(type="linear", factor=3.0)),
    ),
    "llama-rope-llama3": Case(
        "LlamaForCausalLM",
        GROUPED
        | dict(head_dim=16)
        | rope(100.0, "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32),
        [
            rope(100.0),
            rope(100.0, "llama3", factor=8.0, low_freq_factor=1.1, high_freq_factor=4.0, original_max_position_embeddings=32),
            rope(100.0, "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64),
        ],
        small=True,
        older=dict(
            rope_theta=100.0,
            rope_scaling=dict(
                rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32
            ),
        ),
    ),
    "llama-rope-yarn": Case(
        "LlamaForCausalLM",
        GROUPED | dict(head_dim=16) | rope(100.0, "yarn", factor=4.0, beta_fast=4.0, beta_slow=0.25, original_max_position_embeddings=16),
        [
            rope(100.0),
            rope(100.0, "yarn", factor=4.0, beta_fast=4.0, beta_slow=0.25, original_max_position_embeddings=16, attention_factor=1.0),
            rope(100.0, "yarn", factor=4.0, beta_fast=4.0, beta_slow=0.25, original_max_position_embeddings=16, truncate=False),
            rope(100.0, "yarn", factor=4.0, original_max_position_embeddings=16),
        ],
        small=True,
    ),
    "mistral": Case(
        "MistralForCausalLM",
        GROUPED | SLIDING | rope(500.0) | dict(head_dim=12),
        [dict(sliding_window=6), dict(sliding_window=8), dict(sliding_window=None)],
        GATED,
    ),
    "smollm3": Case(
        "SmolLM3ForCausalLM",
        GROUPED | dict(no_rope_layers=[1, 0, 1]) | rope(300.0),
        [dict(no_rope_layers=[0, 1, 0]), dict(no_rope_layers=[1, 1, 1])],
    ),
    "qwen2": Case("Qwen2ForCausalLM", GROUPED | rope(900.0), [OTHER_EPS], GATED),
    "qwen2-sliding": Case(
        "Qwen2ForCausalLM",
        GROUPED | SLIDING | rope(900.0) | dict(use_sliding_window=True, max_window_layers=1),
        [
            dict(sliding_window=6, layer_types=["full_attention", "sliding_attention"]),
            dict(sliding_window=8, layer_types=["full_attention", "sliding_attention"]),
            dict(layer_types=["sliding_attention", "full_attention"]),
        ],
        small=True,
    ),
    "qwen3": Case("Qwen3ForCausalLM", GROUPED | rope(900.0) | dict(head_dim=12), [OTHER_EPS], GATED),
    "gemma": Case(
        "GemmaForCausalLM", GROUPED | dict(num_key_value_heads=1, head_dim=16) | rope(600.0), [OTHER_EPS, dict(hidden_act="silu")], GATED
    ),
    "gemma2": Case(
        "Gemma2ForCausalLM",
        GROUPED
        | SLIDING
        | rope(600.0)
        | dict(head_dim=12, query_pre_attn_scalar=20, attn_logit_softcapping=4.0, final_logit_softcapping=5.0),
        [
            dict(attn_logit_softcapping=None),
            dict(final_logit_softcapping=None),
            dict(sliding_window=6),
            dict(sliding_window=8),
            dict(query_pre_attn_scalar=12),
            dict(hidden_activation="gelu"),
            dict(layer_types=["full_attention", "sliding_attention", "full_attention"]),
        ],
        GATED,
    ),
    "gemma3": Case(
        "Gemma3ForCausalLM",
        GROUPED
        | SLIDING
        | dict(
            head_dim=12,
            query_pre_attn_scalar=20,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            rope_parameters=dict(
                full_attention=dict(rope_type="linear", factor=4.0, rope_theta=900.0),
                sliding_attention=dict(rope_type="default", rope_theta=60.0),
            ),
        ),
        [
            dict(sliding_window=6),
            dict(sliding_window=8),
            dict(query_pre_attn_scalar=12),
            dict(
                rope_parameters=dict(
                    full_attention=dict(rope_type="default", rope_theta=900.0),
                    sliding_attention=dict(rope_type="default", rope_theta=60.0),
                )
            ),
            dict(
                rope_parameters=dict(
                    full_attention=dict(rope_type="linear", factor=4.0, rope_theta=900.0),
                    sliding_attention=dict(rope_type="linear", factor=4.0, rope_theta=60.0),
                )
            ),
        ],
        GATED,
    ),
    "gemma3-older-config": Case(
        "Gemma3ForCausalLM",
        GROUPED
        | SLIDING
        | dict(
            head_dim=12,
            query_pre_attn_scalar=20,
            sliding_window_pattern=2,
            rope_parameters=dict(
                full_attention=dict(rope_type="linear", factor=4.0, rope_theta=900.0),
                sliding_attention=dict(rope_type="default", rope_theta=60.0),
            ),
        ),
        [dict(layer_types=["full_attention", "sliding_attention"])],
        small=True,
        older=dict(
            rope_theta=900.0,
            rope_local_base_freq=60.0,
            rope_scaling=dict(rope_type="linear", factor=4.0),
            sliding_window_pattern=2,
            layer_types=None,
            _sliding_window_pattern=None,
        ),
    ),
    "phi3": Case(
        "Phi3ForCausalLM",
        GROUPED | SLIDING | rope(800.0, partial_rotary_factor=0.5),
        [dict(sliding_window=6), dict(sliding_window=8), rope(800.0, partial_rotary_factor=1.0)],
        ("mlp.gate_up_proj",),
    ),
    "phi3-longrope-short": Case(
        "Phi3ForCausalLM",
        GROUPED | dict(original_max_position_embeddings=32) | rope(800.0, "longrope", **LONGROPE),
        [rope(800.0, "longrope", attention_factor=1.0, **LONGROPE), rope(800.0)],
        small=True,
        older=dict(rope_theta=800.0, rope_scaling=dict(type="longrope", **LONGROPE)),
    ),
    "phi3-longrope-long": Case(
        "Phi3ForCausalLM",
        GROUPED | dict(original_max_position_embeddings=16) | rope(800.0, "longrope", **LONGROPE),
        [
            rope(800.0, "longrope", attention_factor=1.0, **LONGROPE),
            dict(original_max_position_embeddings=23),
            dict(original_max_position_embeddings=24),
        ],
        small=True,
    ),
    "olmo2": Case("Olmo2ForCausalLM", GROUPED | rope(700.0), [OTHER_EPS], GATED),
    "gpt2": Case(
        "GPT2LMHeadModel",
        dict(
            vocab_size=VOCAB,
            n_embd=HIDDEN,
            n_layer=LAYERS,
            n_head=HEADS,
            n_positions=POSITIONS,
            n_inner=UNITS,
            layer_norm_epsilon=2e-2,
            bos_token_id=1,
            eos_token_id=2,
        ),
        [dict(layer_norm_epsilon=1e-5), dict(activation_function="gelu"), dict(scale_attn_weights=False)],
        ("mlp.c_fc",),
    ),
    "gpt_neox": Case(
        "GPTNeoXForCausalLM",
        PLAIN | dict(layer_norm_eps=2e-2) | rope(400.0, partial_rotary_factor=0.5),
        [
            dict(layer_norm_eps=1e-5),
            dict(use_parallel_residual=False),
            dict(hidden_act="gelu_new"),
            rope(400.0, partial_rotary_factor=1.0),
        ],
        ("mlp.dense_h_to_4h",),
    ),
    "gpt_neox-sequential": Case(
        "GPTNeoXForCausalLM",
        PLAIN | dict(layer_norm_eps=2e-2, use_parallel_residual=False) | rope(400.0, partial_rotary_factor=0.25),
        [dict(use_parallel_residual=True), rope(400.0, partial_rotary_factor=0.5)],
        small=True,
        older=dict(rotary_emb_base=400, rotary_pct=0.25),
    ),
    "bert": Case(
        "BertModel", ENCODER, [dict(layer_norm_eps=1e-12), dict(hidden_act="gelu_new"), dict(hidden_act="relu")], ("intermediate.dense",)
    ),
    "roberta": Case("RobertaModel", ENCODER | dict(pad_token_id=1, bos_token_id=0), [dict(pad_token_id=0)], small=True),
    "xlm-roberta": Case("XLMRobertaModel", ENCODER | dict(pad_token_id=1, bos_token_id=0), [dict(pad_token_id=0)], small=True),
    "distilbert": Case(
        "DistilBertModel",
        dict(vocab_size=VOCAB, dim=HIDDEN, hidden_dim=UNITS, n_layers=LAYERS, n_heads=HEADS, max_position_embeddings=POSITIONS),
        [dict(activation="gelu_new")],
        ("ffn.lin1",),
    ),
    "mixtral": Case(
        "MixtralForCausalLM",
        GROUPED | dict(num_local_experts=4, num_experts_per_tok=2, intermediate_size=24) | rope(700.0),
        [dict(num_experts_per_tok=1), dict(num_experts_per_tok=3)],
        small=True,
        experts=True,
    ),
    "qwen2_moe": Case(
        "Qwen2MoeForCausalLM",
        ROUTED | dict(shared_expert_intermediate_size=40, norm_topk_prob=False) | rope(900.0),
        [dict(num_experts_per_tok=1), dict(num_experts_per_tok=3), dict(norm_topk_prob=True)],
        small=True,
        experts=True,
    ),
    "qwen3_moe": Case(
        "Qwen3MoeForCausalLM",
        ROUTED | dict(norm_topk_prob=True, head_dim=12) | rope(900.0),
        [dict(num_experts_per_tok=1), dict(num_experts_per_tok=3), dict(norm_topk_prob=False)],
        small=True,
        experts=True,
    ),
}
