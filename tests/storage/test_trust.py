"""Estimators from outside the catalog are built from named types alone."""

from __future__ import annotations

import io
import re
import zipfile

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stackml.foundation.errors import StorageError
from stackml.storage.trust import dump_estimator, load_estimator

X = np.random.default_rng(0).normal(size=(60, 3))
y = (X[:, 0] > 0).astype(int)
TREE = "sklearn.tree._tree.Tree"


def test_harmless_estimators_need_no_trust() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    found = load_estimator(dump_estimator(model))
    assert np.array_equal(found.predict_proba(X), model.predict_proba(X))


def test_untrusted_types_are_listed_exactly_and_then_suffice() -> None:
    model = RandomForestClassifier(3, random_state=0).fit(X, y)
    blob = dump_estimator(model)
    with pytest.raises(StorageError, match=r"needs types that are not trusted: .*pass trusted=") as caught:
        load_estimator(blob, where="fraud.stack: learner 'forest'")
    message = str(caught.value)
    assert message.startswith("fraud.stack: learner 'forest': ")
    assert "\n" not in message
    named = re.findall(r"'([\w.]+)'", message.split("trusted=")[1])
    assert TREE in named
    assert np.array_equal(load_estimator(blob, named).predict_proba(X), model.predict_proba(X))
    with pytest.raises(StorageError, match=re.escape(f"not trusted: {TREE};")):
        load_estimator(blob, [name for name in named if name != TREE])
    with pytest.raises(StorageError, match="not trusted"):
        load_estimator(blob, ["some.other.Type"])


class Trap:
    built = 0

    def __init__(self) -> None:
        self.value = 1

    def __setstate__(self, state: dict[str, int]) -> None:
        Trap.built += 1


def test_nothing_is_built_before_it_is_trusted() -> None:
    blob = dump_estimator(Trap())
    with pytest.raises(StorageError, match=r"not trusted: .*Trap"):
        load_estimator(blob)
    assert Trap.built == 0


def test_what_skops_cannot_store_is_said() -> None:
    model = LogisticRegression()
    model.C = (i for i in range(3))
    with pytest.raises(StorageError, match="LogisticRegression cannot be stored without pickle"):
        dump_estimator(model)


def test_damaged_blobs_are_refused() -> None:
    blob = dump_estimator(LogisticRegression().fit(X, y))
    with pytest.raises(StorageError, match="estimator: not written by skops"):
        load_estimator(b"\x80\x04pickle")
    with pytest.raises(StorageError, match="estimator: not written by skops"):
        load_estimator(blob[:-40])
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("schema.json", "{}")
    with pytest.raises(StorageError, match="estimator: not readable by skops"):
        load_estimator(stream.getvalue())


def test_a_bomb_inside_the_blob_is_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", bytes(80 << 20))
    with pytest.raises(StorageError, match=r"would expand .* do not trust this file"):
        load_estimator(stream.getvalue())
