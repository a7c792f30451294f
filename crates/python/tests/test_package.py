"""The package without torch: compare, inspect, the engine's own observations, errors. These run in CI."""

from __future__ import annotations

import dataclasses
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import filiation


@pytest.fixture(scope="module")
def report(testdata: Path) -> filiation.Report:
    models = testdata / "models"
    return filiation.compare(models / "base", models / "finetuned", [models / "independent"], registered_controls=False, run="never")


def test_a_report_has_the_attributes_of_the_contract(report: filiation.Report) -> None:
    data = json.loads(report.json())
    assert report.conclusion == data["verdicts"][0]["conclusion"] == "supports-derivation"
    assert report.statement == data["verdicts"][0]["statement"]
    assert report.verdicts[0].p_value.log10 == data["verdicts"][0]["pValue"]["log10"] < -100
    assert [f.method for f in report.findings] == [f["method"] for f in data["findings"]]
    assert report.case.suspect.n_parameters == 602_976
    assert report.findings[0].controls[0].model == data["findings"][0]["controls"][0]["model"]
    # A map keeps its own keys.
    assert report.verdicts[0].scope.roles == data["verdicts"][0]["scope"]["roles"]


def test_every_key_of_a_report_is_an_attribute(report: filiation.Report) -> None:
    def check(value: object, data: object) -> None:
        if dataclasses.is_dataclass(value):
            names = {f.name for f in dataclasses.fields(value)}
            for key, inner in data.items():
                name = "".join("_" + c.lower() if c.isupper() else c for c in key)
                assert name in names, (type(value).__name__, key)
                check(getattr(value, name), inner)
        elif isinstance(value, list):
            for one, inner in zip(value, data, strict=True):
                check(one, inner)
        else:
            assert value == data

    check(report, json.loads(report.json()))


def test_a_report_is_saved_and_read_again(report: filiation.Report, tmp_path: Path) -> None:
    report.save(tmp_path / "new" / "report")
    again = filiation.Report.read(tmp_path / "new" / "report" / "report.json")
    assert again == report
    assert (tmp_path / "new" / "report" / "report.html").read_text() == report.html()
    assert report.statement.split(":")[0][:20] in str(report)


def test_a_notebook_shows_the_conclusion_and_the_page(report: filiation.Report) -> None:
    shown = report._repr_html_()
    assert "supports-derivation" in shown
    assert "weights.unit-alignment" in shown
    assert "<iframe sandbox='allow-scripts'" in shown
    # The page is inside an attribute: nothing of it may end the attribute.
    assert shown.count('"') == 2


def test_names_from_files_do_not_become_markup(testdata: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "<script>alert(1)<"
    hostile.symlink_to(testdata / "models" / "base")
    models = testdata / "models"
    shown = filiation.compare(models / "base", hostile, run="never", registered_controls=False)._repr_html_()
    assert "<script>" not in shown
    assert "<script>" not in filiation.inspect(hostile)._repr_html_()


def test_an_inspection_has_the_attributes_of_its_contract(testdata: Path) -> None:
    inspection = filiation.inspect(testdata / "models" / "base")
    # docs/guide/compare.md
    assert inspection.tensor_root == "5accfd23db6b28537414790d52a1c54ccecd8d59449f782a6a18b5c20cb13659"
    assert (inspection.family, inspection.n_parameters, len(inspection.tensors)) == ("llama", 602_976, 39)
    assert repr(inspection).endswith("llama, 602,976 parameters, tensor root 5accfd23db6b…)")
    assert len(json.loads(inspection.json())) == len(dataclasses.fields(inspection)) - 1
    assert inspection.tensor_root in inspection._repr_html_()


def test_the_shared_prompts_are_the_published_ones() -> None:
    shared = filiation.PromptSet.shared()
    # data/prompts/README.md
    assert (shared.label, len(shared)) == ("shared 1", 240)
    assert shared.digest == "5163ae5ccbee8a863cc8e07536020b18ec9c9b5055e186a17c0c879bfb156661"
    given = filiation.PromptSet.of(shared.texts)
    assert given.digest == shared.digest
    assert shared.first(3).texts == shared.texts[:3]


def test_the_engine_observes_a_checkpoint(testdata: Path, tmp_path: Path) -> None:
    path = tmp_path / "base.safetensors"
    observation = filiation.observe_checkpoint(testdata / "models" / "base", filiation.PromptSet.shared().first(3), output=path)
    assert observation.taps == ["attention", "units", "stream", "logits"]
    assert (observation.n_layers, observation.n_prompts, observation.causal) == (4, 3, True)
    n = int(observation.starts[1])
    attention = observation.attention(0, 1, 0)
    assert attention.shape == (n, n)
    # Rows sum to 1; each entry is rounded to 16 bits, by 2^-11 of itself at most.
    assert np.abs(attention.sum(1) - 1).max() < 2**-11
    assert observation.attention(9, 0, 0) is None
    again = filiation.Observation.read(path)
    assert np.array_equal(again.logits, observation.logits)
    assert repr(again) == "Observation('base' on 'shared 1', of 5accfd23db6b…, attention+units+stream+logits)"


def measures(finding: filiation.Finding) -> filiation.Finding:
    """The finding without the paths of the models that it names: an `Observation` is compared from a file of another name."""
    if finding.attention is None:
        return finding
    rows = [dataclasses.replace(row, name="") for row in finding.attention.rows]
    return dataclasses.replace(finding, attention=dataclasses.replace(finding.attention, rows=rows))


def test_observations_compare_as_their_files_do(testdata: Path, tmp_path: Path) -> None:
    prompts = filiation.PromptSet.shared().first(12)
    base, finetuned = (filiation.observe_checkpoint(testdata / "models" / name, prompts) for name in ("base", "finetuned"))
    base.save(tmp_path / "reference.safetensors")
    finetuned.save(tmp_path / "suspect.safetensors")
    of_files = filiation.compare(tmp_path / "reference.safetensors", tmp_path / "suspect.safetensors", registered_controls=False)
    of_objects = filiation.compare(base, finetuned, registered_controls=False)
    assert [f.statistic for f in of_objects.findings] == [f.statistic for f in of_files.findings]
    assert of_objects.conclusion == of_files.conclusion
    assert [measures(f) for f in of_objects.findings] == [measures(f) for f in of_files.findings]
    assert of_objects.verdicts == of_files.verdicts
    assert [file.sha256 for file in of_objects.custody] == [file.sha256 for file in of_files.custody]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: filiation.inspect("no-such-model"), "no-such-model"),
        (lambda: filiation.compare("a", "b", run="sometimes"), "run: found `sometimes`, expected auto, always or never"),
        (lambda: filiation.compare("a", "b", methods=["weights.none"]), "weights.none"),
        (lambda: filiation.PromptSet.of([]), "set of prompts: found no prompt, expected at least one `[[prompt]]`"),
        (lambda: filiation.PromptSet.of(["a", " "]), "text of prompt `1`: found white space alone, expected some text"),
        (lambda: filiation.Report.from_json('{"schema": 1}'), "report: found"),
    ],
)
def test_what_goes_wrong_is_one_sentence(call: object, sentence: str) -> None:
    with pytest.raises(filiation.Error) as caught:
        call()
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_advice_stands_apart(testdata: Path) -> None:
    with pytest.raises(filiation.Error) as caught:
        filiation.observe_checkpoint(testdata / "forward" / "llama")
    assert "tokenizer" in str(caught.value)
    assert "Python package" in caught.value.hint
    assert pickle.loads(pickle.dumps(caught.value)).args == caught.value.args


def test_observing_needs_a_fast_tokenizer() -> None:
    with pytest.raises(filiation.Error, match="expected a fast one") as caught:
        filiation.observe(object(), object(), ["a"])
    assert "use_fast=True" in caught.value.hint
    with pytest.raises(filiation.Error, match="taps: found `attentions`, expected some of attention, units, stream, logits"):
        filiation.observe(object(), object(), ["a"], taps=["attentions"])
