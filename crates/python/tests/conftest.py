"""Where the tests' checkpoints are, and a few short prompts."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def testdata() -> Path:
    return ROOT / "testdata"


@pytest.fixture(autouse=True)
def no_registry_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Controls that this machine's user registered are no part of a test."""
    monkeypatch.setenv("FILIATION_CACHE", str(tmp_path_factory.mktemp("cache")))
