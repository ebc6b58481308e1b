"""Nets: slopes that are right, members that share, averages, replays, states and refusals."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stackml.foundation.errors import ParameterError, StorageError
from stackml.learners.base import Budget
from stackml.learners.catalog import LEARNERS
from stackml.learners.fitted_net import FittedNet
from stackml.learners.net_training import (
    ABSENT,
    BLOCK,
    Net,
    Trainer,
    _forward,
    _slopes,
    averaged_outputs,
    clipped,
    loss_gradient,
    ready,
    start_net,
)
from stackml.learners.tabular_nets import NetLearner
from stackml.tables.table import Table
from stackml.tables.target import Problem, Target

BINARY, THREE, REGRESSION = Problem("binary", 2), Problem("multiclass", 3), Problem("regression")
N = 500
ROWS, REST = np.arange(400), np.arange(400, N)
NETS = [NetLearner(hidden=(32, 32)), NetLearner(hidden=(32, 32), members=3, hats=True)]


@pytest.fixture(scope="module")
def table() -> Table:
    rng = np.random.default_rng(0)
    return Table.learn(pd.DataFrame(rng.normal(size=(N, 3)), columns=["a", "b", "c"]))


def fit(learner, table, y, rows=ROWS, stop=None, budget=None, seed=0) -> FittedNet:
    return learner.fit(learner.prepare(table, None), y, rows, stop, budget or Budget(), seed)


def random_net(n_members: int, n_outputs: int, rng: np.random.Generator) -> Net:
    """Return a net in double precision whose arrays are all chance."""
    net = start_net(5, (7, 6), n_outputs, n_members, np.zeros(0, np.int64), rng)
    return net.like([a + 0.3 * rng.normal(size=a.shape) for a in net.arrays])


@pytest.mark.parametrize(
    ("link", "n_outputs", "n_members"), [("identity", 1, 1), ("logistic", 1, 2), ("softmax", 4, 3)]
)
def test_slopes_are_those_of_the_loss(link: str, n_outputs: int, n_members: int) -> None:
    rng = np.random.default_rng(1)
    net, inputs, weight, rows = (
        random_net(n_members, n_outputs, rng),
        rng.normal(size=(9, 5)),
        None,
        np.arange(9),
    )
    labels = rng.integers(0, max(2, n_outputs), 9)
    weight = rng.random(9)

    def loss() -> float:
        scores = _forward(ready(net), inputs)
        if link == "identity":
            losses = 0.5 * (scores[..., 0] - labels) ** 2
        elif link == "logistic":
            losses = np.logaddexp(0, scores[..., 0]) - labels * scores[..., 0]
        else:
            losses = np.log(np.exp(scores).sum(axis=-1)) - scores[:, rows, labels]
        return float((losses * weight).mean())

    slopes = _slopes(net, inputs, loss_gradient(labels, weight, link), rows)
    for array, slope in zip(net.arrays, slopes, strict=True):
        at = tuple(rng.integers(0, n) for n in array.shape)
        kept = array[at]
        array[at] = kept + 1e-6
        above = loss()
        array[at] = kept - 1e-6
        below = loss()
        array[at] = kept
        assert (above - below) / 2e-6 == pytest.approx(slope.reshape(array.shape)[at], rel=1e-5, abs=1e-8)


def test_inputs_are_clipped_smoothly_and_keep_their_order() -> None:
    values = np.array([-1e6, -1.0, -0.01, 0.0, 0.01, 1.0, 1e6], np.float32)
    found = clipped(values)
    assert (np.diff(found) > 0).all()
    np.testing.assert_allclose(found[[0, 3, 6]], [-3.0, 0.0, 3.0], atol=1e-5)
    assert found[4] == pytest.approx(0.01, rel=1e-4)


def test_members_are_averaged_as_probabilities() -> None:
    scores = np.array([[[0.0, 4.0]], [[6.0, 0.0]]], np.float32)
    chances = (1 / (1 + np.exp([4.0, -6.0]))).mean()
    np.testing.assert_allclose(averaged_outputs(scores, "softmax"), [[chances, 1 - chances]])
    np.testing.assert_allclose(averaged_outputs(scores, "identity"), [[3.0, 2.0]])


def test_a_row_is_scored_alike_wherever_it_stands() -> None:
    rng = np.random.default_rng(2)
    net = start_net(40, (48, 16), 3, 4, np.array([1]), rng)
    net = net.like([(a + rng.normal(size=a.shape)).astype(np.float32) for a in net.arrays])
    inputs = rng.normal(size=(2 * BLOCK + 17, 40)).astype(np.float32)
    order = rng.permutation(len(inputs))
    # Not always to the last bit: some processors round the rows of a product differently by their place.
    np.testing.assert_allclose(net.scores(inputs[order]), net.scores(inputs)[:, order], rtol=1e-4, atol=1e-4)
    assert net.scores(inputs[:0]).shape == (4, 0, 3)


def test_training_changes_no_array_it_was_given() -> None:
    rng = np.random.default_rng(3)
    net = start_net(4, (8,), 1, 2, np.zeros(0, np.int64), rng)
    before = [a.copy() for a in net.arrays]
    inputs = rng.normal(size=(50, 4)).astype(np.float32)
    gradient = loss_gradient(inputs[:, 0], None, "identity")
    trainer = Trainer(net, inputs, gradient, 10, 0.05, 0.9, 0.01, rng)
    first = trainer.epoch()
    kept = [a.copy() for a in first.arrays]
    trainer.epoch()
    for now, then in zip([*net.arrays, *first.arrays], [*before, *kept], strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_class_without_rows_stays_far_below() -> None:
    rng = np.random.default_rng(4)
    net = start_net(3, (16,), 3, 1, np.array([2]), rng)
    inputs = rng.normal(size=(200, 3)).astype(np.float32)
    labels = (inputs[:, 0] > 0).astype(np.int64)
    trainer = Trainer(net, inputs, loss_gradient(labels, None, "softmax"), 20, 0.05, 0.9, 0.02, rng)
    for _ in range(20):
        scores = trainer.epoch().scores(inputs)[0]
    assert scores[:, 2].max() < ABSENT + 1
    assert (scores[:, :2].argmax(axis=1) == labels).mean() > 0.95


@pytest.mark.parametrize("learner", NETS)
def test_an_interaction_is_learned(learner: NetLearner, table: Table) -> None:
    y = Target(BINARY, (table.numbers[:, 0] * table.numbers[:, 1] > 0).astype(np.int64))
    found = fit(learner, table, y, stop=REST).predict(table.take(REST))[:, 0] > 0.5
    assert (found == y.values[REST]).mean() > 0.85


@pytest.mark.parametrize("learner", NETS)
def test_a_bend_is_learned_and_values_stay_within_those_seen(learner: NetLearner, table: Table) -> None:
    values = 1e6 + 1e3 * np.maximum(table.numbers[:, 0], 0).astype(np.float64)
    model = fit(learner, table, Target(REGRESSION, values), stop=REST)
    found = model.predict(table.take(REST))[:, 0]
    assert np.mean((found - values[REST]) ** 2) < 0.1 * values.var()
    far = Table(table.schema, 1e9 * table.numbers, table.codes)
    assert model.predict(far).min() >= np.float32(values[ROWS].min())
    assert model.predict(far).max() <= np.float32(values[ROWS].max())


def test_a_stopped_fit_is_replayed_by_its_rounds(table: Table) -> None:
    y = Target(BINARY, (table.numbers[:, 0] > 0.3).astype(np.int64))
    for learner in NETS:
        stopped = fit(learner, table, y, stop=REST)
        replayed = fit(learner, table, y, budget=Budget(rounds=stopped.rounds))
        np.testing.assert_array_equal(stopped.predict(table), replayed.predict(table))


def test_seeds_differ(table: Table) -> None:
    y = Target(REGRESSION, table.numbers[:, 0].astype(np.float64))
    one, two = (fit(NETS[0], table, y, budget=Budget(rounds=2), seed=s).predict(table) for s in (0, 1))
    assert (one != two).any()


def test_fits_side_by_side_are_those_alone(table: Table) -> None:
    from concurrent.futures import ThreadPoolExecutor

    y = Target(REGRESSION, table.numbers[:, 0].astype(np.float64))

    def values(seed: int) -> np.ndarray:
        return fit(NETS[1], table, y, budget=Budget(rounds=3), seed=seed).predict(table)

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(values, range(4)))
    for seed, found in enumerate(together):
        np.testing.assert_array_equal(found, values(seed))


def test_the_rows_of_the_catalog_cost_what_their_members_do() -> None:
    one, four = (LEARNERS[name].learner.cost(10_000, 20, 1) for name in ("realmlp", "tabm"))
    assert one < four
    assert NetLearner(epochs=10).cost(10_000, 20, 1) < NetLearner(epochs=40).cost(10_000, 20, 1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"members": 0}, "net: members must be above 0, not 0"),
        ({"averaging": 1}, "net: averaging must be below 1"),
        ({"weight_decay": -1}, "net: weight_decay must be at least 0"),
        ({"hidden": (8, 0)}, r"net: hidden must be numbers of units above 0, not \(8, 0\)"),
        ({"epochs": 0}, "net: epochs must be above 0"),
        ({"pieces": -1}, "net: pieces must be at least 0"),
        ({"pieces": 2.5}, "net: pieces must be a whole number, not 2.5"),
        ({"pieces": True}, "net: pieces must be a whole number, not True"),
        ({"hats": 1}, "net: hats must be True or False, not 1"),
    ],
)
def test_parameters_without_a_meaning_are_refused(given: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        NetLearner(**given)


def broken(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flat[0] = np.nan
    return array


CHANGES = {
    "no list": (lambda a: 5, "net has no layers"),
    "no layers": (lambda a: a[:2], "net has no layers"),
    "even": (lambda a: a[1:], "net has no layers"),
    "not finite": (lambda a: [*a[:-1], broken(a[-1])], "net: shift holds a value that is not finite"),
    "scale": (lambda a: [a[0][:, 0], *a[1:]], "net: scale has the shape"),
    "no members": (lambda a: [a[0][:0], *a[1:-2], a[-2][:0], a[-1][:0]], "net has no members"),
    "members": (lambda a: [*a[:-2], a[-2][:1], a[-1]], "net: head has the shape"),
    "outputs": (lambda a: [*a[:-2], a[-2][:, :, :2], a[-1]], "net: head has the shape"),
    "weights": (lambda a: [a[0], a[1].T, *a[2:]], "net: weights has the shape"),
    "biases": (lambda a: [*a[:2], a[2][:-1], *a[3:]], "net: biases has the shape"),
}


@pytest.fixture(scope="module")
def state(table: Table):
    y = Target(THREE, np.digitize(table.numbers[:, 0], [-0.5, 0.5]).astype(np.int64))
    learner = replace(NETS[1], hidden=(8, 4))
    return fit(learner, table, y, budget=Budget(rounds=2)).to_state()


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_a_state_that_is_no_net_is_refused(state, change, message: str) -> None:
    with pytest.raises(StorageError, match=message):
        FittedNet.from_state({**state, "arrays": change(list(state["arrays"]))})


def test_a_state_of_other_numbers_is_refused(state) -> None:
    with pytest.raises(StorageError, match="net: low is nan, not a finite number"):
        FittedNet.from_state({**state, "low": float("nan")})
    with pytest.raises(StorageError, match="net: offset is inf, not a finite number"):
        FittedNet.from_state({**state, "outputs": {**state["outputs"], "offset": float("inf")}})


@pytest.mark.parametrize("pieces", [-1, "many", 1.5])
def test_a_state_of_no_number_of_pieces_is_refused(state, pieces) -> None:
    with pytest.raises(StorageError, match=r"net: pieces is .*, not a number of pieces"):
        FittedNet.from_state({**state, "pieces": pieces})


def test_a_state_whose_form_is_no_form_is_refused(state) -> None:
    with pytest.raises(StorageError, match="net: hats is 1, neither True nor False"):
        FittedNet.from_state({**state, "hats": 1})


def test_pieces_counted_by_numpy_are_stored_as_a_number(table: Table) -> None:
    y = Target(BINARY, (table.numbers[:, 0] > 0).astype(np.int64))
    model = fit(NetLearner(hidden=(8,), pieces=np.int64(4)), table, y, budget=Budget(rounds=2))
    again = FittedNet.from_state(model.to_state())
    np.testing.assert_array_equal(again.predict(table), model.predict(table))


def test_a_state_from_before_there_were_pieces_is_read(table: Table) -> None:
    y = Target(BINARY, (table.numbers[:, 0] > 0).astype(np.int64))
    model = fit(NetLearner(hidden=(8,), pieces=0), table, y, budget=Budget(rounds=2))
    old = {k: v for k, v in model.to_state().items() if k not in ("pieces", "hats")}
    np.testing.assert_array_equal(FittedNet.from_state(old).predict(table), model.predict(table))


def test_pieces_let_a_net_learn_a_narrow_band_in_few_epochs() -> None:
    rng = np.random.default_rng(6)
    table = Table.learn(pd.DataFrame({"a": rng.lognormal(size=2000), "b": rng.normal(size=2000)}))
    at = table.numbers[:, 0]
    y = Target(BINARY, ((at > np.quantile(at, 0.55)) & (at < np.quantile(at, 0.7))).astype(np.int64))
    rows, rest = np.arange(1500), np.arange(1500, 2000)

    def hits(pieces: int, hats: bool) -> float:
        learner = NetLearner(hidden=(16,), pieces=pieces, hats=hats, batch_rows=100)
        model = fit(learner, table, y, rows, budget=Budget(rounds=10))
        return ((model.predict(table.take(rest))[:, 0] > 0.5) == y.values[rest]).mean()

    plain = hits(0, False)
    assert hits(16, False) > 0.98 > plain
    assert hits(16, True) > 0.98 > plain


def test_a_net_of_another_width_is_refused_where_it_predicts(state, table: Table) -> None:
    scale, weights, *rest = state["arrays"]
    wider = [np.repeat(scale, 2, axis=2), np.repeat(weights, 2, axis=0), *rest]
    model = FittedNet.from_state({**state, "arrays": wider})
    with pytest.raises(StorageError, match="net: the model reads 33 columns where 3 were expected"):
        model.predict(table)


def test_a_net_in_haste_is_narrower_unless_it_shares_its_start_with_others():
    assert NetLearner(hidden=(256, 96)).paced(0.5).hidden == (184, 64)
    assert NetLearner(hidden=(80, 32)).paced(0.2).hidden == (64, 32)
    assert NetLearner(hidden=(256, 256), start=1).paced(0.2).hidden == (256, 256)


def test_units_are_plain_numbers_however_they_are_given():
    given = NetLearner(hidden=[np.int64(32), 16])
    assert given == NetLearner(hidden=(32, 16))
    assert json.dumps(given.parameters["hidden"]) == "[32, 16]"
