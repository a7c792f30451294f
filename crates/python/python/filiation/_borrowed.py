"""A model while it is observed: in 32 bits, with attention that shows its probabilities, without dropout; afterwards as it was."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def borrowed(model: Any, device: Any, widen: bool) -> Iterator[None]:
    """Changes a model for the time of the block."""
    import torch

    training = {module: module.training for module in model.modules()}
    implementations = {id(c): (c, c._attn_implementation_internal) for c in configs(model)}
    home = model.get_input_embeddings().weight.device
    moves = device is not None and torch.device(device) != home
    narrow: list[tuple[torch.Tensor, torch.dtype]] = []
    quantised = getattr(model, "is_quantized", False) or getattr(model, "quantization_method", None) is not None
    precision = torch.get_float32_matmul_precision()
    try:
        model.eval()
        for config, _ in implementations.values():
            config._attn_implementation_internal = "eager"
        if widen and quantised:
            warnings.warn("the model is quantised and runs in its own precision, not in 32 bits", stacklevel=4)
        elif widen:
            for tensor in [*model.parameters(), *model.buffers()]:
                if tensor.dtype in (torch.float16, torch.bfloat16):
                    narrow.append((tensor, tensor.dtype))
                    tensor.data = tensor.data.float()
        if moves:
            model.to(device)
        torch.set_float32_matmul_precision("highest")
        with torch.no_grad():
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
        if moves:
            model.to(home)
        # Widening is exact, so narrowing gives the bits that were there.
        for tensor, dtype in narrow:
            tensor.data = tensor.data.to(dtype)
        for config, implementation in implementations.values():
            config._attn_implementation_internal = implementation
        for module, was_training in training.items():
            module.training = was_training


def configs(model: Any) -> list[Any]:
    """Every config in which a part of the model looks up how it attends."""
    pending = [module.config for module in model.modules() if hasattr(module, "config")]
    found: dict[int, Any] = {}
    while pending:
        config = pending.pop()
        if id(config) in found or not hasattr(config, "_attn_implementation_internal"):
            continue
        found[id(config)] = config
        pending += [getattr(config, name) for name in getattr(config, "sub_configs", {}) if getattr(config, name, None) is not None]
    return list(found.values())
