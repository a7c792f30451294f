"""Binds an observation to the weights on disk that a model was loaded from, if they are still the model's."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import Any

from ._error import Error
from ._native import Checkpoint

# Rows of each tensor that are held against the model in memory: training moves all of a tensor, if by little.
ROWS = 4


@dataclass
class Bound:
    """What is known of a model beside what it computes."""

    name: str
    tensor_root: str | None
    family: str | None
    n_parameters: int


def bind(model: Any, checkpoint: str | os.PathLike[str] | None) -> Bound:
    """Finds the checkpoint and checks that it holds the model's weights."""
    source = checkpoint if checkpoint is not None else getattr(model, "name_or_path", "")
    name = os.path.basename(os.path.normpath(os.fspath(source))) if source else type(model).__name__
    unbound = Bound(name=name, tensor_root=None, family=None, n_parameters=sum(p.numel() for p in model.parameters()))
    if not source:
        warnings.warn("the observation is bound to no checkpoint: the model does not say where it came from; give `checkpoint=`", stacklevel=3)
        return unbound
    try:
        on_disk = Checkpoint(source)
    except Error as error:
        if checkpoint is not None:
            raise
        warnings.warn(f"the observation is bound to no checkpoint ({error}); give `checkpoint=`", stacklevel=3)
        return unbound
    checked, different = compare_rows(model, on_disk)
    if different is None and checked:
        return Bound(name=on_disk.name, tensor_root=on_disk.tensor_root, family=on_disk.family, n_parameters=on_disk.n_parameters)
    if different is not None:
        found = f"`{different}` differs from the checkpoint `{os.fspath(source)}`"
        if checkpoint is not None:
            raise Error(f"model: {found}, expected the weights that the observation is to be bound to", "save the model and give that folder")
        warnings.warn(f"the observation is bound to no checkpoint: {found}", stacklevel=3)
        return unbound
    if checkpoint is not None:
        warnings.warn(f"no tensor of `{os.fspath(source)}` has the name of one of the model's: that they are its weights was not checked", stacklevel=3)
        return Bound(name=on_disk.name, tensor_root=on_disk.tensor_root, family=on_disk.family, n_parameters=on_disk.n_parameters)
    warnings.warn(f"the observation is bound to no checkpoint: no tensor of `{os.fspath(source)}` has the name of one of the model's", stacklevel=3)
    return unbound


def compare_rows(model: Any, on_disk: Checkpoint) -> tuple[int, str | None]:
    """How many tensors were compared, and the first that differs."""
    import torch

    state = model.state_dict()
    prefix = getattr(model, "base_model_prefix", "")
    checked = 0
    for index, (name, shape) in enumerate(on_disk.tensors):
        names = (name, f"{prefix}.{name}", name.removeprefix(f"{prefix}."))
        tensor = next((state[n] for n in names if n in state), None)
        if tensor is None or not tensor.is_floating_point() or list(tensor.shape) != list(shape) or tensor.numel() == 0 or tensor.dim() == 0:
            continue
        n = shape[0]
        for row in sorted({row * (n - 1) // (ROWS - 1) for row in range(ROWS)}):
            stored = torch.from_numpy(on_disk.row(index, row)).reshape(tensor[row].shape)
            # In the model's own precision: loading may have narrowed what is stored.
            if not torch.equal(stored.to(tensor.dtype), tensor[row].cpu()):
                return checked, name
        checked += 1
    return checked, None
