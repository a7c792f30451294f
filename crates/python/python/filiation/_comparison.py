"""Comparisons and inspections as Python objects, with the attributes of their JSON contracts."""

from __future__ import annotations

import html
import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Union

from . import _contract, _decode, _native
from ._card import card
from ._native import Observation

Model = Union[str, "os.PathLike[str]", Observation]


@dataclass(frozen=True, kw_only=True, repr=False)
class Report(_contract.Report):
    """What a comparison found; its attributes are the keys of the JSON contract, `log10P` as `log10_p`.

    >>> report = filiation.compare("testdata/models/base", "testdata/models/finetuned")
    >>> report.verdicts[0].statement
    >>> [(f.method, f.statistic, f.log10_p) for f in report.findings if f.outcome == "observed"]
    >>> report.save("report")    # report.html, which opens offline, and report.json

    At the end of a cell of a notebook it shows its conclusion, and the whole page below it.
    """

    _json: str = field(compare=True)

    @classmethod
    def from_json(cls, text: str) -> Report:
        """From the text of a `report.json`."""
        # First, because it refuses what is no report with a sentence.
        _native.render_text(text)
        return cls(_json=text, **_decode.arguments(_contract.Report, json.loads(text)))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Report:
        """Reads a `report.json`."""
        return cls.from_json(Path(path).read_text(encoding="utf-8"))

    @property
    def conclusion(self) -> _contract.Conclusion:
        """Of the question whether the two models share trained weights."""
        return self.verdicts[0].conclusion

    @property
    def statement(self) -> str:
        """The conclusion as a sentence."""
        return self.verdicts[0].statement

    def json(self) -> str:
        """As `filiation compare --format json` prints it."""
        return self._json

    def html(self) -> str:
        """One page that loads nothing from elsewhere."""
        return _native.render_html(self._json)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes `report.html` and `report.json` into a folder, which is made where there is none."""
        _native.write_report(self._json, folder)

    def __str__(self) -> str:
        return _native.render_text(self._json)

    def __repr__(self) -> str:
        return f"Report({self.conclusion}: {self.case.reference.path!r}, {self.case.suspect.path!r})"

    def _repr_html_(self) -> str:
        return card(self)


@dataclass(frozen=True, kw_only=True, repr=False)
class Inspection:
    """What a checkpoint holds, and what its card claims; the keys of `urn:filiation:inspect:v1`.

    >>> inspection = filiation.inspect("testdata/models/base")
    >>> inspection.family, inspection.n_parameters
    ('llama', 602976)
    """

    # Always `urn:filiation:inspect:v1`.
    schema: str
    # As opened.
    path: str
    # Container.
    format: str
    # The family that describes its tensors, where there is one.
    family: str | None
    # Stored elements of numeric weights.
    n_parameters: int
    # Those that training can have touched.
    n_trained: int
    # Elements by form: `{"BF16": 602976}`.
    encodings: dict[str, int]
    # `tokens`, `merges` and `origin`.
    vocabulary: dict[str, Any] | None
    # `baseModels`, `relation` and `licence`, each with its origin.
    claims: dict[str, Any]
    # `name`, `elements` and `why` of tensors that no training touched.
    constants_left_out: list[dict[str, Any]]
    # Whether it holds changes to another model's weights.
    is_adapter: bool
    # What the reader had to say.
    warnings: list[str]
    # `path`, `bytes` and `sha256` of each file that was read.
    files: list[dict[str, Any]]
    # Of the weights.
    sha256: str
    # Digest of all tensors with their names: the same in every container that holds the same values.
    tensor_root: str
    # `name`, `shape`, `encoding` and `blake3` of each.
    tensors: list[dict[str, Any]]
    _json: str

    def json(self) -> str:
        """As `filiation inspect --format json` prints it."""
        return self._json

    def __repr__(self) -> str:
        return f"Inspection({self.path!r}: {self.family or 'no family'}, {self.n_parameters:,} parameters, tensor root {self.tensor_root[:12]}…)"

    def _repr_html_(self) -> str:
        encodings = ", ".join(f"{name} {n:,}" for name, n in self.encodings.items())
        facts = {
            "path": self.path,
            "container": self.format,
            "family": self.family or "none describes it",
            "parameters": f"{self.n_parameters:,}, {self.n_trained:,} trained",
            "elements": encodings,
            "tensors": f"{len(self.tensors):,}",
            "tensor root": self.tensor_root,
        }
        facts |= {f"warning {i}": text for i, text in enumerate(self.warnings, 1)}
        rows = "".join(f"<tr><th style='text-align:left'>{html.escape(k)}</th><td style='text-align:left'>{html.escape(v)}</td></tr>" for k, v in facts.items())
        return f"<table>{rows}</table>"


def compare(
    reference: Model,
    suspect: Model,
    controls: Sequence[Model] = (),
    *,
    parents: Sequence[str | os.PathLike[str]] = (),
    registered_controls: bool = True,
    methods: Sequence[str] = (),
    prompts: str | os.PathLike[str] | None = None,
    run: Literal["auto", "always", "never"] = "auto",
    seed: int = 0,
) -> Report:
    """Whether the evidence supports that the suspect derives from the reference: what `filiation compare` does.

    Each side is a path of weights, the id of a model in the Hub cache, the path of an observation, or an `Observation`. `controls` are
    independent models that the suspect's similarities are judged by; three or more allow a conclusion where p-values need controls. The other
    arguments are the options of the command of the same names.

    An `Observation` that is given is written to a temporary file and compared from there: the report names that file. Save it and give the
    path for a report that can be repeated.

    >>> filiation.compare("testdata/models/base", "testdata/models/finetuned", controls=["testdata/models/independent"])
    Report(supports-derivation: 'testdata/models/base', 'testdata/models/finetuned')
    """
    with ExitStack() as stack:
        folder: list[str] = []

        def path(model: Model, name: str) -> str:
            if not isinstance(model, Observation):
                return os.fspath(model)
            if not folder:
                folder.append(stack.enter_context(tempfile.TemporaryDirectory(prefix="filiation-")))
            place = os.path.join(folder[0], f"{name}.safetensors")
            model.save(place)
            return place

        text = _native.compare(
            path(reference, "reference"),
            path(suspect, "suspect"),
            controls=[path(control, f"control-{i}") for i, control in enumerate(controls, 1)],
            parents=[os.fspath(parent) for parent in parents],
            registered_controls=registered_controls,
            methods=list(methods),
            prompts=None if prompts is None else os.fspath(prompts),
            run=run,
            seed=seed,
        )
    return Report.from_json(text)


def inspect(model: str | os.PathLike[str]) -> Inspection:
    """What is in a checkpoint: family, encodings, tensors, digests, claims of its card.

    >>> filiation.inspect("testdata/models/base")
    Inspection('testdata/models/base': llama, 602,976 parameters, tensor root 5accfd23db6b…)
    """
    text = _native.inspect(model)
    return Inspection(_json=text, **_decode.arguments(Inspection, json.loads(text)))
