from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from stackml.combiners.base import Combiner, Context
from stackml.combiners.logistic import LogisticCombiner
from stackml.combiners.mean import MeanCombiner
from stackml.combiners.nested import nested_predictions, nested_splits, own_folds, restricted
from stackml.foundation.errors import DataError
from stackml.splitting.grouped import GroupedSplitter
from stackml.splitting.temporal import TemporalSplitter


@dataclass(frozen=True)
class Spy(Combiner):
    """Remembers the targets it was fitted on."""

    kind: ClassVar[str] = "spy"
    complexity: ClassVar[int] = 0
    seen: tuple = ()
    log: list = None

    def fit(self, meta, target, context):
        self.log.append((target.values, context.folds))
        return MeanCombiner().fit(meta, target, context)


def test_a_row_is_predicted_by_a_combiner_that_never_saw_it(world):
    w = world(n=300)
    base = nested_predictions(LogisticCombiner(), w.meta, w.target, w.context)
    assert np.isfinite(base).all()
    row = 11
    flipped = w.target.values.copy()
    flipped[row] = 1 - flipped[row]
    other = nested_predictions(LogisticCombiner(), w.meta, replace(w.target, values=flipped), w.context)
    same_fold = w.context.folds.fold_of_row == w.context.folds.fold_of_row[row]
    np.testing.assert_array_equal(other[same_fold], base[same_fold])
    assert (other[~same_fold] != base[~same_fold]).any()


def test_time_folds_learn_from_earlier_folds_alone(world):
    w = world("regression", n=600)
    time = np.random.default_rng(0).permutation(600).astype(float)
    folds = TemporalSplitter(4).split(n_rows=600, y_codes=w.target.values, groups=None, time=time, seed=0)
    target = replace(w.target, values=time)  # a row's target says when it was
    rows = folds.held_out_rows
    log = []
    nested = nested_predictions(
        Spy(log=log), w.meta.take(rows), target.take(rows), replace(w.context, folds=folds)
    )
    assert len(log) == 3
    for (seen, _), k in zip(log, (1, 2, 3), strict=True):
        assert seen.max() < time[folds.folds[k].held_out].min()
    first = folds.fold_of_row[rows] == 0
    assert np.isnan(nested[first]).all()
    assert np.isfinite(nested[~first]).all()


def test_groups_are_kept_apart_with_and_without_folds(world):
    w = world(n=300)
    groups = np.random.default_rng(0).integers(0, 40, 300)
    folds = GroupedSplitter(5).split(n_rows=300, y_codes=w.target.values, groups=groups, time=None, seed=0)
    target = replace(w.target, groups=groups)
    for context in (replace(w.context, folds=folds), replace(w.context, folds=None)):
        splits = list(nested_splits(target, context))
        assert len(splits) == 5
        for split in splits:
            assert not set(groups[split.train]) & set(groups[split.held_out])
            inner = split.context.folds
            for fold in inner.folds:
                assert not set(groups[split.train][fold.train]) & set(groups[split.train][fold.held_out])


def test_folds_of_all_rows_and_of_held_out_rows_both_fit(world):
    w = world(n=100)
    time = np.arange(100.0)
    folds = TemporalSplitter(4).split(n_rows=100, y_codes=None, groups=None, time=time, seed=0)
    context = replace(w.context, folds=folds)
    assert own_folds(w.target, context) is folds
    assert own_folds(w.target.take(folds.held_out_rows), context).n_folds == 3
    with pytest.raises(
        DataError, match=r"50 rows of meta-features, but the folds are of 100 rows, 80 of them"
    ):
        own_folds(w.target.take(np.arange(50)), context)


def test_restricted_folds_number_their_rows_anew(world):
    w = world(n=60)
    rows = np.arange(0, 60, 2)
    folds = restricted(w.context.folds, rows)
    assert folds.n_rows == 30
    np.testing.assert_array_equal(folds.fold_of_row, w.context.folds.fold_of_row[rows])
    assert restricted(w.context.folds, w.context.folds.folds[0].held_out) is None


def test_one_row_has_no_nested_prediction(world):
    w = world(n=60)
    one = np.array([0])
    nested = nested_predictions(MeanCombiner(), w.meta.take(one), w.target.take(one), Context())
    assert np.isnan(nested).all()


@pytest.mark.parametrize("grouped", [False, True])
def test_without_folds_time_is_followed_and_groups_are_kept_apart(world, grouped):
    w = world(n=300)
    rng = np.random.default_rng(0)
    time, groups = rng.permutation(300).astype(float), rng.integers(0, 60, 300)
    target = replace(w.target, time=time, groups=groups if grouped else None)
    splits = list(nested_splits(target, replace(w.context, folds=None)))
    assert len(splits) == 5
    for split in splits:
        assert time[split.train].max() < time[split.held_out].min()
        if grouped:
            assert not set(groups[split.train]) & set(groups[split.held_out])
    # Within the first block of time, combiners deal folds of their own: forward again.
    first = splits[0]
    inner = own_folds(target.take(first.train), first.context)
    assert inner.kind == ("grouped_temporal" if grouped else "temporal")


def test_one_time_alone_gives_no_nested_prediction(world):
    w = world(n=60)
    target = replace(w.target, time=np.zeros(60))
    assert np.isnan(nested_predictions(MeanCombiner(), w.meta, target, Context())).all()
