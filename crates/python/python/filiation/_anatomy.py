"""Finds the parts of a `transformers` model that are listened to, by running it once on a few tokens.

Nothing here knows a family. Blocks are a list of modules as long as the config says; what they read and write is the residual stream; the
final norm is the module whose output the unembedding reads; gates and up projections go by the names that published models use.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._error import Error

if TYPE_CHECKING:
    import torch
    from torch import nn

# Names of the matrices that feed a block's units, last component of the module's name. A pair is a gate and an up projection.
GATED = [("gate_proj", "up_proj"), ("w1", "w3"), ("gate", "up")]
# One matrix with the gate's rows first.
FUSED = ["gate_up_proj", "Wi"]
# MLPs without a gate; with the component before it where the last alone says nothing.
PLAIN = ["intermediate.dense", "up_proj", "c_fc", "fc_in", "fc1", "dense_h_to_4h", "lin1"]


@dataclass
class Units:
    """The modules whose outputs are a block's activations before the nonlinearity."""

    gate: nn.Module | None
    up: nn.Module
    fused: bool


@dataclass
class Anatomy:
    """A model's parts and sizes."""

    # What is observed of what was asked for.
    taps: list[str]
    blocks: list[nn.Module]
    # One a block, or none at all.
    units: list[Units]
    # The unembedding, where there is one: also where logits are not observed, so that they are asked for at few positions.
    head: nn.Module | None
    # Of the final norm, where one was found before the head.
    gain: torch.Tensor | None
    norm: str
    n_heads: int
    hidden: int
    n_units: int
    vocabulary: int
    causal: bool
    max_positions: int | None
    logit_cap: float | None


def first_tensor(value: Any) -> torch.Tensor:
    """What a block gives: the stream, or a tuple that begins with it."""
    return value[0] if isinstance(value, (tuple, list)) else value


def stream_in(args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
    """What a block is given."""
    return args[0] if args else kwargs["hidden_states"]


def text_config(model: Any) -> Any:
    """The config of the part that reads text."""
    return model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config


def dissect(model: Any, ids: list[int], taps: tuple[str, ...]) -> Anatomy:
    """Runs the model on a few tokens and looks at what its modules read and write."""
    import torch

    config = text_config(model)
    if getattr(model.config, "is_encoder_decoder", False):
        raise Error(
            f"model: found `{type(model).__name__}`, which has an encoder and a decoder, expected one stack of blocks",
            "pass one of its halves, such as `model.get_encoder()`",
        )
    n_layers = getattr(config, "num_hidden_layers", None)
    lists = [m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == n_layers]
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None

    ran: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    normed: list[tuple[torch.nn.Module, torch.Tensor]] = []
    read: list[torch.Tensor] = []
    handles = []

    def after_block(module: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        ran[id(module)] = (stream_in(args, kwargs), first_tensor(output))

    def after_norm(module: torch.nn.Module, args: Any, output: Any) -> None:
        normed.append((module, output))

    try:
        for block in {id(block): block for blocks in lists for block in blocks}.values():
            handles.append(block.register_forward_hook(after_block, with_kwargs=True))
        for module in model.modules():
            if is_norm(module):
                handles.append(module.register_forward_hook(after_norm))
        if head is not None:
            handles.append(head.register_forward_pre_hook(lambda module, args: read.append(args[0])))
        output = run(model, ids)
    finally:
        for handle in handles:
            handle.remove()

    stacks = [list(blocks) for blocks in lists if all(id(block) in ran for block in blocks)]
    if not stacks:
        raise Error(f"model: found no list of {n_layers} blocks that all ran in `{type(model).__name__}`, expected one")
    blocks = stacks[0]
    stream = ran[id(blocks[0])][0]
    hidden = stream.shape[-1]
    if any(t.shape != stream.shape for block in blocks for t in ran[id(block)]):
        raise Error(f"model: found blocks of different widths in `{type(model).__name__}`, expected one residual stream")

    attentions = [a for a in (getattr(output, "attentions", None) or ()) if a is not None]
    n = len(ids)
    expected = (1, getattr(config, "num_attention_heads", 0), n, n)
    has_attention = len(attentions) == len(blocks) and all(tuple(a.shape) == expected for a in attentions)
    if "attention" in taps and not has_attention:
        warnings.warn(f"attention is left out: {len(attentions)} of {len(blocks)} blocks gave probabilities of {expected[1]} heads", stacklevel=4)
    causal = all((a.triu(1) == 0).all().item() for a in attentions) if has_attention else type(model).__name__.endswith(("CausalLM", "LMHeadModel"))

    units, n_units = [], 0
    if "units" in taps:
        units, why = find_units(blocks, hidden)
        if why is not None:
            warnings.warn(f"units are left out: {why}", stacklevel=4)
        else:
            weight = units[0].up
            n_units = width(weight) // (2 if units[0].fused else 1)

    gain, norm = None, None
    if head is not None and causal and read:
        final = [module for module, output in normed if same_memory(output, read[-1])]
        if final:
            gain, norm = gain_of(final[-1], hidden)
        elif "logits" in taps:
            warnings.warn("logits are left out: no norm was found whose output the unembedding reads", stacklevel=4)
    if norm is None:
        norms = [module for module in blocks[0].modules() if is_norm(module) and module.weight.numel() == hidden]
        norm = gain_of(norms[0], hidden)[1] if norms else "layer"
    table = head if head is not None else model.get_input_embeddings()
    has = {"attention": has_attention, "units": bool(units), "stream": True, "logits": gain is not None}
    return Anatomy(
        taps=[tap for tap in taps if has[tap]],
        blocks=blocks,
        units=units,
        head=head if causal else None,
        gain=gain,
        norm=norm,
        n_heads=expected[1],
        hidden=hidden,
        n_units=n_units,
        vocabulary=table.weight.shape[0],
        causal=causal,
        max_positions=max_positions(model),
        logit_cap=getattr(config, "final_logit_softcapping", None),
    )


def run(model: Any, ids: list[int]) -> Any:
    """One forward pass over one sequence, on the model's device."""
    import torch

    tokens = torch.tensor([ids], dtype=torch.long, device=model.get_input_embeddings().weight.device)
    arguments = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), "output_attentions": True}
    # A cache would only take memory; encoders do not know the word.
    if getattr(text_config(model), "use_cache", None) is not None:
        arguments["use_cache"] = False
    return model(**arguments)


def is_norm(module: nn.Module) -> bool:
    """Whether a module has a vector of weights and nothing inside, as norms do."""
    weight = getattr(module, "weight", None)
    return weight is not None and weight.dim() == 1 and not any(True for _ in module.children())


def same_memory(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two tensors are views of the same numbers from the same place."""
    return a.data_ptr() == b.data_ptr() and a.shape == b.shape


def gain_of(norm: nn.Module, hidden: int) -> tuple[torch.Tensor, str]:
    """What a norm multiplies with, however its weights are written (`g` or `1 + g`), and what it divides by.

    Of signs, both kinds give gain times sign, up to a bias that the difference of two opposite vectors loses. Of ones, a LayerNorm gives its
    bias alone.
    """
    import torch

    weight = norm.weight
    ones = torch.ones(1, 1, hidden, dtype=weight.dtype, device=weight.device)
    # Large, so that epsilon is nothing beside it.
    scale = 1e3
    kind = "rms" if ((norm(scale * ones) - norm(-scale * ones)).abs().max() > 1e-3).item() else "layer"
    if kind == "rms":
        signs = ones
    else:
        # As many of each sign, so that the mean is 0; an odd width leaves one out, which a second vector catches.
        signs = ones.clone()
        signs[..., 1::2] = -1
        if hidden % 2:
            signs[..., -1] = 0
    gain = torch.zeros_like(ones)
    for shift in (0, 1):
        x = torch.roll(signs, shift, -1)
        length = x.pow(2).mean().sqrt()
        y = (norm(scale * x) - norm(-scale * x)) / 2 * length
        gain = torch.where(x != 0, y * x, gain)
    return gain.flatten().float(), kind


def width(module: nn.Module) -> int:
    """Numbers that a matrix gives for a token."""
    features = getattr(module, "out_features", None)
    # `Conv1D` of GPT-2 stores `[in, out]`.
    return features if features is not None else module.nf


def find_units(blocks: list[nn.Module], hidden: int) -> tuple[list[Units], str | None]:
    """The matrices that feed each block's units, or why there are none."""
    found = []
    for index, block in enumerate(blocks):
        names = dict(block.named_modules())
        if any("expert" in name.lower() or "router" in name.lower() for name in names) or has_expert_weights(block):
            return [], f"block {index} is a mixture, whose units see some tokens only"
        matrices = {name: module for name, module in names.items() if hasattr(module, "out_features") or hasattr(module, "nf")}
        units = units_of(matrices)
        if units is None:
            return [], f"the MLP of block {index} has none of the names that this package knows"
        found.append(units)
    shapes = {(width(units.up), units.gate is None, units.fused) for units in found}
    if len(shapes) > 1:
        return [], "blocks have MLPs of different widths"
    return found, None


def has_expert_weights(block: nn.Module) -> bool:
    """Whether experts are stored as one tensor."""
    return any(parameter.dim() == 3 and "conv" not in name for name, parameter in block.named_parameters())


def units_of(matrices: dict[str, nn.Module]) -> Units | None:
    """The matrices of one block by their names; none where the names are not unique."""

    def only(wanted: str) -> nn.Module | None:
        modules = [module for name, module in matrices.items() if name == wanted or name.endswith("." + wanted)]
        return modules[0] if len(modules) == 1 else None

    for name in FUSED:
        if (fused := only(name)) is not None:
            return Units(gate=None, up=fused, fused=True)
    for gate_name, up_name in GATED:
        gate, up = only(gate_name), only(up_name)
        if gate is not None and up is not None:
            return Units(gate=gate, up=up, fused=False)
    for name in PLAIN:
        if (up := only(name)) is not None:
            return Units(gate=None, up=up, fused=False)
    return None


def max_positions(model: Any) -> int | None:
    """Longest sequence, where a table of positions ends."""
    import torch

    limits = []
    for name, module in model.named_modules():
        last = name.rsplit(".", 1)[-1]
        if isinstance(module, torch.nn.Embedding) and ("position" in last or last == "wpe") and "relative" not in last:
            # RoBERTa counts from the place after its padding token, OPT from a fixed offset.
            first = module.padding_idx + 1 if module.padding_idx is not None else getattr(module, "offset", 0)
            limits.append(module.num_embeddings - first)
    return min(limits, default=None)
