"""Observes a model of `transformers` on its own device."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from . import _anatomy, _native
from ._binding import bind
from ._borrowed import borrowed
from ._error import Error
from ._native import Observation, PromptSet

TAPS = ("attention", "units", "stream", "logits")
# Tokens of the run that finds the model's parts.
PROBE_TOKENS = 8


def observe(
    model: Any,
    tokenizer: Any,
    prompts: PromptSet | Sequence[str] | str | os.PathLike[str] | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    taps: Sequence[str] = TAPS,
    device: Any = None,
    widen: bool = True,
) -> Observation:
    """What a model of `transformers` does on prompts: attention, activations of units, residual stream and logits.

    The model runs where it is, one prompt at a time, in evaluation mode, with eager attention and in 32 bits; after the call it is as it was.
    Any causal model or encoder will do, also one that the `filiation` program has no family for. The observation is the one that
    `filiation observe` writes, so that the two can be compared with each other.

    - `prompts`: the shared benchmark, unless you give a `PromptSet`, a list of texts, or the path of a TOML file of prompts.
    - `path`: where to write the observation as well.
    - `checkpoint`: the weights on disk that the model was loaded from, which the observation is bound to. Without it, the folder or Hub id
      that the model says it came from. Rows of all tensors are held against the model in memory: one that was trained since it was loaded is
      bound to nothing, with a warning, and refused where `checkpoint` was given.
    - `taps`: what to observe. What a model does not have is left out, with a warning.
    - `device`: move the model there for the time of the call.
    - `widen=False`: run 16-bit weights as they are. It takes half the memory and gives other digits than the program does.

    Needs a fast tokenizer. Beside the model, the host holds the observation and, for the time of the call, about 10 KiB for each unit of the
    MLPs (3.7 GB for a model of 7 billion parameters); taps without `units` save that.

    >>> model = AutoModelForCausalLM.from_pretrained("testdata/models/base")
    >>> tokenizer = AutoTokenizer.from_pretrained("testdata/models/base")
    >>> filiation.observe(model, tokenizer, path="base.observation.safetensors")
    Observation('base' on 'shared 1', of 5accfd23db6b…, attention+units+stream+logits)
    """
    unknown = [tap for tap in taps if tap not in TAPS]
    if unknown:
        raise Error(f"taps: found `{unknown[0]}`, expected some of {', '.join(TAPS)}")
    if not getattr(tokenizer, "is_fast", False):
        raise Error(
            f"tokenizer: found `{type(tokenizer).__name__}`, which does not say where its tokens come from in the text, expected a fast one",
            "load it with `AutoTokenizer.from_pretrained(…, use_fast=True)`",
        )
    prompts = prompt_set(prompts)
    encoded = [tokenizer(text, return_offsets_mapping=True, truncation=False, padding=False, verbose=False) for text in prompts.texts]
    ids = [list(e["input_ids"]) for e in encoded]
    spans = [[tuple(span) for span in e["offset_mapping"]] for e in encoded]
    if (empty := next((i for i, tokens in enumerate(ids) if not tokens), None)) is not None:
        raise Error(f"prompt `{prompts.ids[empty]}` of {prompts.label} has no token in the model's tokenizer")
    bound = bind(model, checkpoint)

    with borrowed(model, device, widen):
        longest = max(ids, key=len)
        anatomy = _anatomy.dissect(model, longest[:PROBE_TOKENS], tuple(taps))
        has = {
            "attention": anatomy.has_attention,
            "units": anatomy.n_units > 0,
            "stream": True,
            "logits": anatomy.head is not None,
        }
        recorder = _native.Recorder(
            prompts,
            ids,
            spans,
            tokenizer_json=tokenizer.backend_tokenizer.to_str(),
            taps=[tap for tap in taps if has[tap]],
            max_positions=anatomy.max_positions,
            engine=engine(),
            tensor_root=bound.tensor_root,
            model=bound.name,
            family=bound.family or getattr(_anatomy.text_config(model), "model_type", ""),
            n_parameters=bound.n_parameters,
            n_layers=len(anatomy.blocks),
            n_heads=anatomy.n_heads,
            hidden=anatomy.hidden,
            units=anatomy.n_units,
            vocabulary=anatomy.vocabulary,
            causal=anatomy.causal,
            norm=anatomy.norm,
            logit_cap=anatomy.logit_cap,
        )
        return record(model, anatomy, recorder, path)


def record(model: Any, anatomy: _anatomy.Anatomy, recorder: _native.Recorder, path: str | os.PathLike[str] | None) -> Observation:
    """Runs every prompt with listeners on the model's parts."""
    tell = Listeners(anatomy, recorder)
    try:
        for prompt, tokens in enumerate(progress(recorder.sequences)):
            tell.begin(prompt)
            output = _anatomy.run(model, tokens)
            tell.end(output)
    finally:
        tell.remove()
    rows = gain = None
    if anatomy.head is not None and anatomy.gain is not None:
        import torch

        wanted = torch.tensor(recorder.logit_tokens, dtype=torch.long, device=anatomy.head.weight.device)
        rows, gain = numbers(anatomy.head.weight[wanted]), numbers(anatomy.gain)
    observation = recorder.finish(rows, gain)
    if path is not None:
        observation.save(path)
    return observation


class Listeners:
    """Hooks that tell the recorder what the modules read and write; they are gone after `remove`."""

    def __init__(self, anatomy: _anatomy.Anatomy, recorder: _native.Recorder) -> None:
        self.anatomy, self.recorder = anatomy, recorder
        self.prompt = 0
        self.positions: list[int] = []
        self.handles: list[Any] = []
        for layer, block in enumerate(anatomy.blocks):
            self.handles.append(block.register_forward_pre_hook(self.before(layer), with_kwargs=True))
        self.handles.append(anatomy.blocks[-1].register_forward_hook(self.after_last))
        for layer, units in enumerate(anatomy.units):
            self.listen_to_units(layer, units)
        if anatomy.head is not None:
            self.handles.append(anatomy.head.register_forward_pre_hook(self.narrow))

    def begin(self, prompt: int) -> None:
        self.prompt = prompt
        self.positions = self.recorder.logit_positions(prompt) if self.anatomy.head is not None else []

    def end(self, output: Any) -> None:
        if self.anatomy.has_attention:
            for layer, probabilities in enumerate(output.attentions):
                self.recorder.attention(self.prompt, layer, numbers(probabilities[0]))
        if self.positions:
            self.recorder.logits(self.prompt, self.positions, numbers(output.logits[0]))

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def before(self, layer: int) -> Any:
        def hook(module: Any, args: Any, kwargs: Any) -> None:
            self.recorder.stream(self.prompt, layer, numbers(_anatomy.stream_in(args, kwargs)[0]))

        return hook

    def after_last(self, module: Any, args: Any, output: Any) -> None:
        self.recorder.stream(self.prompt, len(self.anatomy.blocks), numbers(_anatomy.first_tensor(output)[0]))

    def listen_to_units(self, layer: int, units: _anatomy.Units) -> None:
        heard: dict[str, Any] = {}

        def tell(gate: Any, up: Any) -> None:
            self.recorder.units(self.prompt, layer, gate, up)

        def one(module: Any, args: Any, output: Any) -> None:
            values = rows_of(output)
            if units.fused:
                gate, up = values.chunk(2, dim=-1)
                tell(numbers(gate), numbers(up))
            else:
                tell(None, numbers(values))

        def of_pair(name: str) -> Any:
            def hook(module: Any, args: Any, output: Any) -> None:
                # A copy: the activation may be computed in place before the other half comes.
                heard[name] = numbers(rows_of(output)).copy()
                if len(heard) == 2:
                    tell(heard.pop("gate"), heard.pop("up"))

            return hook

        if units.gate is None:
            self.handles.append(units.up.register_forward_hook(one))
        else:
            self.handles.append(units.gate.register_forward_hook(of_pair("gate")))
            self.handles.append(units.up.register_forward_hook(of_pair("up")))

    def narrow(self, module: Any, args: Any) -> Any:
        """Logits at the sampled positions only; where a prompt has none, at one that nobody keeps."""
        import torch

        wanted = torch.tensor(self.positions or [0], dtype=torch.long, device=args[0].device)
        return (args[0].index_select(-2, wanted), *args[1:])


def rows_of(output: Any) -> Any:
    """`[n, width]` of a sequence; some MLPs flatten the batch away."""
    return output.reshape(-1, output.shape[-1])


def numbers(tensor: Any) -> Any:
    """As an array of numpy in 32 bits, row by row."""
    import torch

    return tensor.detach().to(device="cpu", dtype=torch.float32).contiguous().numpy()


def progress(sequences: list[list[int]]) -> Any:
    """A bar on a terminal or in a notebook; `transformers` needs tqdm anyway."""
    from tqdm.auto import tqdm

    return tqdm(sequences, desc="observing", unit="prompt", leave=False, disable=None)


def engine() -> str:
    """Name and version of what computes, as observations have it."""
    import torch
    import transformers

    return f"transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}"


def prompt_set(prompts: Any) -> PromptSet:
    """The prompts that an argument names."""
    if prompts is None:
        return PromptSet.shared()
    if isinstance(prompts, PromptSet):
        return prompts
    if isinstance(prompts, (str, os.PathLike)):
        return PromptSet.open(prompts)
    return PromptSet.of(list(prompts))


def observe_checkpoint(
    path: str | os.PathLike[str],
    prompts: PromptSet | Sequence[str] | str | os.PathLike[str] | None = None,
    *,
    output: str | os.PathLike[str] | None = None,
) -> Observation:
    """What a checkpoint does on prompts, by the package's own engine on the processor: what `filiation observe` does, without torch.

    >>> filiation.observe_checkpoint("testdata/models/base", ["The quick brown fox"], output="base.observation.safetensors")
    Observation('base' on 'given 1', of 5accfd23db6b…, attention+units+stream+logits)
    """
    observation = _native.observe_checkpoint(path, prompt_set(prompts))
    if output is not None:
        observation.save(output)
    return observation
