"""A stack written by any release loads for ever and predicts what it predicted."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import stackml

HERE = Path(__file__).parent
STORED = sorted(HERE.glob("fixtures/format-*-classifier.stack"))


def rows_of(maker):
    spec = importlib.util.spec_from_file_location(maker, HERE / f"{maker}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.rows()


@pytest.fixture(scope="module")
def rows():
    return rows_of("make_stack_fixture")


def test_there_is_a_stack_of_every_format():
    from stackml.storage.upgrades import FORMAT_VERSION

    names = [path.stem for path in STORED]
    assert names == [f"format-{number}-classifier" for number in range(1, FORMAT_VERSION + 1)]


@pytest.mark.parametrize("path", STORED, ids=lambda p: p.stem)
def test_a_stored_stack_predicts_what_it_predicted(path, rows):
    stack = stackml.load(path)
    want = np.load(path.with_suffix(".npy"))
    # Libraries may change the last bits of a sum from release to release.
    np.testing.assert_allclose(stack.predict_proba(rows), want, rtol=0, atol=1e-5)
    assert list(stack.classes_) == ["bad", "good"]
    assert len(stack.learners_) == 8


def test_a_stored_stack_reads_its_text_and_its_vectors_as_it_did():
    path = HERE / "fixtures" / "text-and-embeddings.stack"
    found = stackml.load(path).predict_proba(rows_of("make_text_fixture"))
    np.testing.assert_allclose(found, np.load(path.with_suffix(".npy")), rtol=0, atol=1e-5)
