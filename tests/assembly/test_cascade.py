"""A cascade stops where a model is sure, keeps to its aim, and says how many rows went how far."""

from __future__ import annotations

import numpy as np
import pytest

import stackml
from stackml.assembly.stages import choices_of, stages_of
from stackml.assembly.uncertainty import entropy
from stackml.foundation.errors import ParameterError, StackmlWarning, StorageError
from stackml.storage.archive import read_archive, write_archive

FIT, ALL = 1500, 3000  # rows the models were fitted on, and all
COSTS = (1.0, 3.0, 20.0)


@pytest.fixture
def chain(fitted):
    return {name: fitted("binary", name) for name in ("logistic", "extra_trees", "lightgbm")}


@pytest.fixture
def cascade(chain, rows, labels):
    def made(**aim):
        return stackml.Cascade(chain, costs=COSTS, n_jobs=1, **aim).fit(rows[FIT:], labels("binary")[FIT:])

    return made


def test_a_row_is_asked_on_until_a_model_is_sure(cascade, chain, rows):
    made = cascade(quality=0.9)
    found = made.fitted_.answers(rows)
    thresholds = made.fitted_.thresholds
    said = [model.predict_proba(rows)[:, 1:] for model in chain.values()]
    for at in range(0, ALL, 97):
        stage = 0
        while stage < 2 and entropy(said[stage][[at]])[0] > thresholds[stage]:
            stage += 1
        assert found.weights[at].tolist() == [float(k == stage) for k in range(3)]
        assert found.values[at] == said[stage][at]
    asked = [ALL - int(found.weights[:, :k].sum()) for k in range(3)]
    assert found.calls.tolist() == asked


def test_the_report_says_what_was_stopped_where_and_what_a_row_costs(cascade, rows):
    made = cascade(quality=0.9)
    stages = made.report_["stages"]
    assert [stage["name"] for stage in stages] == ["logistic", "extra_trees", "lightgbm"]
    assert sum(stage["stopped"] for stage in stages) == pytest.approx(1)
    spent = sum(stage["asked"] * stage["cost"] for stage in stages)
    assert made.report_["cost"]["cascade"] == pytest.approx(spent)
    calls = made.fitted_.answers(rows[FIT:]).calls / (ALL - FIT)
    assert [stage["asked"] for stage in stages] == pytest.approx(calls.tolist())


def test_a_quality_is_reached_for_less_than_asking_everybody(cascade):
    report = cascade(quality=0.9).report_
    assert report["recovered"] >= 0.9
    assert report["cost"]["cascade"] < 0.8 * report["cost"]["last"]
    assert cascade(quality=0.3).report_["cost"]["cascade"] < report["cost"]["cascade"]


def test_a_cost_is_not_exceeded(cascade):
    for cost in (1.0, 2.5, 10.0):
        report = cascade(cost=cost).report_
        assert report["cost"]["cascade"] <= cost
    assert cascade(cost=1.0).report_["recovered"] == 0


def test_the_curve_costs_more_the_more_it_recovers(cascade):
    curve = cascade().curve_
    assert curve["cost"].is_monotonic_increasing
    assert curve["recovered"].iloc[0] == 0
    assert curve["recovered"].iloc[-1] > 0.9
    assert list(curve) == ["cost", "roc_auc", "recovered", "recovered_low", "recovered_high"]


@pytest.mark.parametrize("n_stages", [2, 3, 4])
def test_every_choice_on_the_grid_is_priced_as_rows_are(n_stages):
    rng = np.random.default_rng(0)
    uncertainty = rng.random((n_stages - 1, 300)).round(1)  # with ties
    losses = rng.random((n_stages, 300)) * np.arange(n_stages, 0, -1)[:, None]
    costs, weight = np.arange(1, n_stages + 1) ** 2.0, rng.random(300)
    found = choices_of(uncertainty, losses, costs, weight)
    assert (np.diff(found.cost) > 0).all()
    assert (np.diff(found.loss) < 0).all()
    for thresholds, loss, cost in zip(found.thresholds, found.loss, found.cost, strict=True):
        stage = stages_of(uncertainty, thresholds)
        assert np.average(losses[stage, np.arange(300)], weights=weight) == pytest.approx(loss)
        assert np.average(np.cumsum(costs)[stage], weights=weight) == pytest.approx(cost)


def test_how_sure_a_row_is_depends_on_no_other_row():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(12), 300)
    for outputs in (p, p[:, rng.permutation(12)], np.asfortranarray(p), p[:, :1]):
        alone = np.concatenate([entropy(outputs[at : at + 1]) for at in range(300)])
        assert np.array_equal(entropy(outputs), alone)


def test_more_classes_are_met_and_costs_are_measured(fitted, rows, labels):
    models = [fitted("multiclass", "logistic"), fitted("multiclass", "lightgbm")]
    made = stackml.Cascade(models, quality=0.8, n_jobs=1).fit(rows[FIT:], labels("multiclass")[FIT:])
    assert made.report_["metric"] == "log_loss"
    assert made.report_["recovered"] >= 0.8
    assert made.report_["cost"]["first"] > 0


def test_a_last_model_that_is_not_better_is_never_asked(weak, strong, rows, labels):
    with pytest.warns(StackmlWarning, match="last model is not better than the first"):
        made = stackml.Cascade([strong, weak], costs=[1, 2], n_jobs=1).fit(rows[FIT:], labels("binary")[FIT:])
    assert made.fitted_.answers(rows).calls.tolist() == [ALL, 0]


def test_numbers_are_refused_and_the_router_is_named(fitted, rows, labels):
    models = [fitted("regression", "ridge"), fitted("regression", "lightgbm")]
    with pytest.raises(ParameterError, match=r"predict a number.*use stackml\.Router"):
        stackml.Cascade(models).fit(rows, labels("regression"))


@pytest.mark.parametrize(
    ("aim", "message"),
    [
        ({"quality": 0.9, "cost": 2}, "quality and cost are both given"),
        ({"quality": 1.5}, "quality=1.5: give a number above 0 and at most 1"),
        ({"cost": 0.5}, "the first model alone costs 1 a row"),
        ({"costs": [1, 2]}, "for each of 3 models"),
        ({"costs": [1, 3, 2]}, "'lightgbm' costs less than 'extra_trees', which is asked before it"),
        ({"costs": "dear"}, "give one number a model"),
    ],
)
def test_parameters_without_a_meaning_are_refused(aim, message, chain, rows, labels):
    with pytest.raises(ParameterError, match=message):
        stackml.Cascade(chain, **{"costs": COSTS, **aim}).fit(rows[FIT:], labels("binary")[FIT:])


def test_a_rule_that_was_tampered_with_is_refused(cascade, tmp_path):
    path = cascade().save(tmp_path / "cascade.stack")
    _, state = read_archive(path)
    thresholds = state["rule"]["thresholds"]
    twisted = [
        {**state, "rule": {"thresholds": thresholds[:1]}},
        {**state, "rule": {"thresholds": np.full(2, np.nan)}},
        {**state, "rule": {"thresholds": thresholds.tolist()}},
        {**state, "rule": {"thresholds": np.array([0, 1])}},
        {**state, "card": {"report": [], "curve": []}},
    ]
    for broken in twisted:
        write_archive(tmp_path / "broken.stack", kind="cascade", state=broken, manifest={})
        with pytest.raises(StorageError):
            stackml.load(tmp_path / "broken.stack")
