"""Watermarks for `transformers`: a `LogitsProcessor` that marks what a model says.

Neither `torch` nor `transformers` is imported before a processor is made.
"""

from __future__ import annotations

from typing import Any

from ._error import Error
from ._native import Watermark

__all__ = ["WatermarkProcessor"]


class WatermarkProcessor:
    """Marks the draws of `generate`, by both schemes. A processor counts tokens of one prompt: make a new one for every call.

    Green lists add to the logits, and the sampler draws as it would. Gumbel-max takes the place of the draw, so it needs to know the
    temperature and the nucleus, and leaves one token possible; after a window that the reply has had before, it leaves the scores alone.

    >>> model.generate(**inputs, do_sample=True, logits_processor=[WatermarkProcessor(watermark)])
    """

    # `generate` asks for this, as the class of `transformers` has it.
    supports_continuous_batching = False

    def __init__(self, watermark: Watermark, *, temperature: float = 1.0, top_p: float | None = None) -> None:
        if not temperature > 0:
            raise Error(f"temperature: found {temperature}, expected above 0")
        if top_p is not None and not 0 < top_p <= 1:
            raise Error(f"top p: found {top_p}, expected above 0 and at most 1")
        self.watermark = watermark
        self.temperature = temperature
        self.top_p = top_p
        self._given: int | None = None

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        import torch

        if self._given is None:
            self._given = input_ids.shape[1]
        size = self.watermark.window
        if input_ids.shape[1] < size:
            return scores
        scores = scores.clone()
        for row, ids in enumerate(input_ids.tolist()):
            window = ids[-size:]
            if self.watermark.scheme == "kgw":
                green = torch.from_numpy(self.watermark.green(window, scores.shape[1])).to(scores.device)
                scores[row] += self.watermark.delta * green.to(scores.dtype)
            elif not any(ids[end - size : end] == window for end in range(max(self._given, size), len(ids))):
                scores[row] = self._gumbel(scores[row], window)
        return scores

    def _gumbel(self, scores: Any, window: list[int]) -> Any:
        import torch

        shares = torch.softmax(scores.double() / self.temperature, dim=-1)
        if self.top_p is not None:
            ordered, order = torch.sort(shares, descending=True, stable=True)
            before = torch.cumsum(ordered, dim=-1) - ordered
            shares[order[before >= self.top_p]] = 0
        uniforms = torch.from_numpy(self.watermark.uniforms(window, scores.shape[0])).to(scores.device)
        # The largest u^(1/p) is the smallest -ln(u)/p.
        token = torch.argmin(torch.where(shares > 0, -torch.log(uniforms) / shares, torch.inf))
        only = torch.full_like(scores, -torch.inf)
        only[token] = 0
        return only
