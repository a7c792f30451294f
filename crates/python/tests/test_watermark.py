"""Watermarks: the numbers are those of the vectors, and a processor marks as the engine does."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import filiation

KEY = bytes(range(32)).hex()
HEAD = 'schema = "urn:filiation:watermark-key:v1"\n'


@pytest.fixture
def key_file(tmp_path: Path):
    def write(scheme: str, window: int) -> Path:
        path = tmp_path / f"{scheme}-{window}.toml"
        numbers = "gamma = 0.25\ndelta = 2.0\n" if scheme == "kgw" else ""
        path.write_text(f'{HEAD}scheme = "{scheme}"\n{numbers}window = {window}\nkey = "{KEY}"\n')
        return path

    return write


def test_numbers_are_those_of_the_vectors(testdata: Path, key_file) -> None:
    """testdata/vectors/watermark.tsv, made by testdata/scripts/watermark_vectors.py with blake3 1.0.11."""
    n = 0
    for line in (testdata / "vectors/watermark.tsv").read_text().splitlines():
        if line.startswith("#"):
            continue
        scheme, window, token, number = line.split("\t")
        window = [int(id) for id in window.split()]
        watermark = filiation.Watermark.open(key_file(scheme, len(window)))
        if int(token) < 300:
            assert watermark.uniforms(window, 300)[int(token)] == float(number)
            if scheme == "kgw":
                assert watermark.green(window, 300)[int(token)] == (float(number) < 0.25)
            n += 1
    assert n == 24


def test_a_fresh_key_is_kept_and_never_printed(tmp_path: Path) -> None:
    watermark, path = filiation.Watermark.new("gumbel", window=3), tmp_path / "key.toml"
    watermark.save(path)
    again = filiation.Watermark.open(path)
    assert again.digest == watermark.digest and (again.scheme, again.window, again.delta) == ("gumbel", 3, None)
    assert os.name != "posix" or path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().split('key = "')[1][:16] not in repr(watermark)
    with pytest.raises(filiation.Error, match="cannot create"):
        watermark.save(path)
    with pytest.raises(filiation.Error, match="window: found 1 tokens, expected 3"):
        watermark.uniforms([1], 5)
    assert filiation.Watermark.new().digest != watermark.digest != watermark.campaign("spring").digest


def test_a_processor_marks_logits() -> None:
    torch = pytest.importorskip("torch", reason="a processor works on tensors of torch, which this environment does not have")
    from filiation.transformers import WatermarkProcessor

    kgw = filiation.Watermark.new("kgw", gamma=0.5, delta=3.0, window=1)
    ids, scores = torch.tensor([[1, 7], [2, 9]]), torch.randn(2, 50)
    marked = WatermarkProcessor(kgw)(ids, scores)
    for row, token in enumerate((7, 9)):
        expected = np.where(kgw.green([token], 50), 3.0, 0.0)
        assert np.allclose((marked - scores)[row].numpy(), expected, atol=1e-5)

    gumbel = filiation.Watermark.new("gumbel", window=1)
    counts, shares = np.zeros(4), np.array([1.0, 4.0, 16.0, 1.0])
    logits = torch.log(torch.tensor([[1.0, 2.0, 4.0, 1.0]]))
    for token in range(4000):
        processor = WatermarkProcessor(gumbel, temperature=0.5)
        counts[int(processor(torch.tensor([[token]]), logits).argmax())] += 1
    expected = 4000 * shares / shares.sum()
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all(), counts
    nucleus = {int(WatermarkProcessor(gumbel, top_p=0.7)(torch.tensor([[token]]), logits).argmax()) for token in range(300)}
    assert nucleus == {1, 2}
    # A window that the reply has had before is left alone.
    processor = WatermarkProcessor(gumbel)
    processor(torch.tensor([[5]]), logits)
    assert torch.equal(processor(torch.tensor([[5, 2, 5]]), logits), processor(torch.tensor([[5, 2, 5]]), logits))
    assert not torch.isinf(processor(torch.tensor([[5, 2, 3, 2]]), logits)).any()


def test_generate_takes_a_processor(testdata: Path) -> None:
    reason = "generating needs torch and transformers, which this environment does not have"
    torch = pytest.importorskip("torch", reason=reason)
    transformers = pytest.importorskip("transformers", reason=reason)
    from filiation.transformers import WatermarkProcessor

    model = transformers.AutoModelForCausalLM.from_pretrained(testdata / "models/base")
    for watermark in (filiation.Watermark.new("kgw", gamma=0.25, delta=20.0, window=1), filiation.Watermark.new("gumbel", window=2)):
        processors = transformers.LogitsProcessorList([WatermarkProcessor(watermark)])
        out = model.generate(
            torch.tensor([[3, 4, 5]]), do_sample=True, top_k=0, max_new_tokens=40, min_new_tokens=40, logits_processor=processors
        )[0].tolist()
        size = watermark.window
        numbers = [watermark.uniforms(out[end - size : end], model.config.vocab_size)[out[end]] for end in range(3, len(out))]
        # Green throughout; or large numbers, whose mean is 1/2 without the key.
        assert np.mean(np.array(numbers) < 0.25) > 0.9 if watermark.scheme == "kgw" else np.mean(numbers) > 0.7
