"""Was this model derived from that one? The Python package of Filiation.

>>> import filiation
>>> report = filiation.compare("testdata/models/base", "testdata/models/finetuned")
>>> report.conclusion
'supports-derivation'

`observe` turns a model of `transformers`, on the device where it is, into an `Observation`: what it does on prompts. `compare` takes weights or
observations on either side and gives a `Report`; `inspect` says what a checkpoint holds. `Watermark` is a key and its
numbers; `filiation.transformers.WatermarkProcessor` marks with it. What goes wrong is an `Error`.
"""

from __future__ import annotations

from ._comparison import Inspection, Report, compare, inspect
from ._error import Error
from ._native import Observation, PromptSet, Watermark
from ._observe import observe, observe_checkpoint

__all__ = ["Error", "Inspection", "Observation", "PromptSet", "Report", "Watermark", "compare", "inspect", "observe", "observe_checkpoint"]
