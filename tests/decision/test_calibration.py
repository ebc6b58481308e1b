import numpy as np
import pytest
from scipy.special import expit, logit, softmax

from stackml.decision.base import mean_loss
from stackml.decision.beta import BetaCalibrator, FittedBeta
from stackml.decision.calibration import choose_calibrator
from stackml.decision.catalog import CALIBRATORS, make_calibrator, restore_calibrator
from stackml.decision.identity import FittedIdentity
from stackml.decision.isotonic import IsotonicCalibrator
from stackml.decision.newton import penalised_logistic
from stackml.decision.temperature import FittedTemperature, TemperatureCalibrator
from stackml.foundation.errors import DataError, ParameterError, StorageError
from stackml.tables.target import Problem

BINARY, REGRESSION = Problem("binary", 2), Problem("regression")


def draw(n=4000, distort=lambda z: z, seed=0, shift=-1.0):
    """True probabilities from logits, and what a model says of them."""
    rng = np.random.default_rng(seed)
    z = 1.5 * rng.normal(size=n) + shift
    y = (rng.random(n) < expit(z)).astype(np.int64)
    return expit(distort(z))[:, None], y


def draw_classes(n=3000, k=4, sharpness=1.0, seed=0):
    rng = np.random.default_rng(seed)
    z = 1.5 * rng.normal(size=(n, k))
    y = (softmax(z, axis=1).cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    return softmax(sharpness * z, axis=1), y


def test_temperature_finds_the_sharpness_of_binary_and_multiclass():
    p, y = draw(20_000, lambda z: 3 * z)
    assert TemperatureCalibrator().fit(p, y, BINARY).temperature == pytest.approx(3, rel=0.1)
    p, y = draw_classes(20_000, sharpness=0.5)
    assert TemperatureCalibrator().fit(p, y, Problem("multiclass", 4)).temperature == pytest.approx(
        0.5, rel=0.1
    )


def test_temperature_keeps_within_its_bounds_whatever_the_rows():
    p, y = draw()
    for outcome in (1 - y, np.zeros_like(y), np.ones_like(y), y):
        for q in (p, np.round(p), np.full_like(p, 0.5), 1 - p):
            assert 0.2 <= TemperatureCalibrator().fit(q, outcome, BINARY).temperature <= 5.0
    with pytest.raises(
        ParameterError, match=r"bounds must satisfy 0.01 <= lowest <= highest <= 100.0, found -1, 5"
    ):
        TemperatureCalibrator(lowest=-1, highest=5)


def test_temperature_keeps_ranking_and_top_class():
    p, _ = draw()
    mapped = FittedTemperature(2.5).apply(p)
    np.testing.assert_array_equal(np.argsort(mapped[:, 0]), np.argsort(p[:, 0]))
    q, _ = draw_classes()
    mapped = FittedTemperature(2.5).apply(q)
    np.testing.assert_array_equal(mapped.argmax(axis=1), q.argmax(axis=1))
    np.testing.assert_allclose(mapped.sum(axis=1), 1)


def test_beta_recovers_its_own_map():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.01, 0.99, size=(40_000, 1))
    truth = FittedBeta(0.5, 2.0, -0.3)
    y = (rng.random(40_000) < truth.apply(p)[:, 0]).astype(np.int64)
    found = BetaCalibrator().fit(p, y, BINARY)
    assert (found.a, found.b, found.c) == pytest.approx((0.5, 2.0, -0.3), abs=0.2)


def test_beta_never_turns_the_ranking_round():
    p, y = draw()
    for q, outcome in ((1 - p, y), (p, np.zeros_like(y)), (p**8, y), (np.round(p), y)):
        found = BetaCalibrator().fit(q, outcome, BINARY)
        assert found.a >= 0
        assert found.b >= 0
        grid = found.apply(np.linspace(0, 1, 101)[:, None])[:, 0]
        assert np.isfinite(grid).all()
        assert (np.diff(grid) >= -1e-12).all()


def test_isotonic_follows_any_rising_curve_with_few_ties():
    p, y = draw(20_000, lambda z: np.sign(z) * np.abs(z) ** 0.5)
    truth = expit(np.sign(logit(p)) * np.abs(logit(p)) ** 2)
    fitted = IsotonicCalibrator().fit(p, y, BINARY)
    mapped = fitted.apply(p)
    assert np.abs(mapped - truth).mean() < 0.02
    assert len(np.unique(mapped)) > 0.99 * len(np.unique(p))
    order = np.argsort(p[:, 0])
    assert (np.diff(mapped[order, 0]) >= 0).all()
    assert 0 < fitted.apply(np.array([[0.0]]))[0, 0] < fitted.apply(np.array([[1.0]]))[0, 0] < 1


def test_isotonic_refuses_few_rows():
    calibrator = IsotonicCalibrator()
    assert "needs 1000 rows and 100 of each class, found 500 and 200" in calibrator.refusal(
        np.repeat([0, 1], [300, 200]), BINARY
    )
    assert calibrator.refusal(np.repeat([0, 1], [900, 99]), BINARY)
    assert not calibrator.refusal(np.repeat([0, 1], [900, 100]), BINARY)
    assert "not made for a multiclass problem" in calibrator.refusal(np.zeros(5000), Problem("multiclass", 3))


@pytest.mark.parametrize("entry", CALIBRATORS, ids=lambda entry: entry.name)
def test_every_calibrator_keeps_the_contract(entry):
    p, y = draw(2000, lambda z: 2 * z)
    before = p.copy()
    weight = np.ones(2000)
    weight[::3] = 2
    fitted = entry.build().fit(p, y, BINARY, weight)
    mapped = fitted.apply(p)
    np.testing.assert_array_equal(p, before)
    assert mapped.dtype == np.float64
    assert mapped.shape == p.shape
    assert fitted.kind == entry.name
    again = restore_calibrator(fitted.kind, fitted.to_state())
    np.testing.assert_array_equal(again.apply(p), mapped)
    np.testing.assert_array_equal(fitted.apply(p[5:6]), mapped[5:6])
    rows = np.concatenate([np.arange(2000), np.arange(0, 2000, 3)])
    twice = entry.build().fit(p[rows], y[rows], BINARY)
    np.testing.assert_allclose(twice.apply(p), mapped, atol=1e-6)
    edges = fitted.apply(np.array([[0.0], [1.0]]))
    assert np.isfinite(edges).all()


def hostile(case):
    p, y = draw(3000, seed=4)
    rng = np.random.default_rng(8)
    return {
        "calibrated": (p, y),
        "overconfident": (expit(4 * logit(p)), y),
        "timid": (expit(logit(p) / 4), y),
        "inverted": (1 - p, y),
        "noise": (rng.random((3000, 1)), y),
        "constant": (np.full((3000, 1), 0.3), y),
        "zero and one": (np.round(p), y),
        "zero and one, wrong": (1.0 - y[:, None], y),
        "perfect": (y[:, None].astype(float), y),
        "one class": (p, np.zeros_like(y)),
        "one positive": (p, (np.arange(3000) == 7).astype(np.int64)),
        "few rows": (p[:30], y[:30]),
        "rare": (p * 0.01, (rng.random(3000) < 0.003).astype(np.int64)),
    }[case]


HOSTILE = ("calibrated", "overconfident", "timid", "inverted", "noise", "constant", "zero and one")
HOSTILE += ("zero and one, wrong", "perfect", "one class", "one positive", "few rows", "rare")


@pytest.mark.parametrize("method", ["auto", "temperature", "beta", "isotonic"])
@pytest.mark.parametrize("case", HOSTILE)
def test_the_choice_is_never_worse_than_none_on_out_of_fold_output(case, method):
    p, y = hostile(case)
    rng = np.random.default_rng(1)
    for weight in (None, rng.integers(0, 4, len(y)).astype(float)):
        fitted, record = choose_calibrator(p, y, BINARY, weight, seed=3, method=method)
        mapped = fitted.apply(p)
        assert np.isfinite(mapped).all()
        assert mean_loss(mapped, y, BINARY, weight) <= mean_loss(p, y, BINARY, weight)
        assert record.chosen == fitted.kind


@pytest.mark.parametrize("sharpness", [1.0, 3.0, 0.3, -1.0])
def test_multiclass_is_never_worse_than_none_either(sharpness):
    p, y = draw_classes(sharpness=sharpness)
    problem = Problem("multiclass", 4)
    fitted, _ = choose_calibrator(p, y, problem, fold_of_row=np.arange(3000) % 5)
    assert mean_loss(fitted.apply(p), y, problem) <= mean_loss(p, y, problem)
    assert (fitted.kind == "temperature") == (sharpness != 1.0)


def test_calibrated_probabilities_are_left_alone():
    chosen = [choose_calibrator(*draw(3000, seed=s), BINARY)[1].chosen for s in range(10)]
    assert chosen.count("none") >= 7


def test_the_simplest_that_mends_it_is_chosen_and_the_record_says_why():
    p, y = draw(6000, lambda z: 3 * z)
    fitted, record = choose_calibrator(p, y, BINARY, fold_of_row=np.arange(6000) % 5)
    assert fitted.kind == record.chosen == "temperature"
    rows = {row.name: row for row in record.rows}
    assert list(rows) == ["none", "temperature", "beta", "isotonic"]
    assert rows["temperature"].gain > rows["temperature"].standard_error > 0
    assert rows["none"].reason == "temperature is better"
    assert all(row.reason for row in record.rows)
    assert record.to_state()["rows"][1]["chosen"] is True
    p, y = draw(6000, lambda z: z + 1.5)
    assert choose_calibrator(p, y, BINARY)[0].kind == "beta"


def test_regression_and_few_rows_are_left_as_they_are():
    y = np.arange(50.0)
    fitted, record = choose_calibrator(y[:, None] * 2, y, REGRESSION)
    assert isinstance(fitted, FittedIdentity)
    assert "needs no calibration" in record.rows[0].reason
    np.testing.assert_array_equal(fitted.apply(y[:, None]), y[:, None])
    p, y = draw(10)
    assert "too few rows" in choose_calibrator(p, y, BINARY)[1].rows[0].reason


def test_rows_never_predicted_are_left_out():
    p, y = draw(4000, lambda z: 3 * z)
    whole = choose_calibrator(p[1000:], y[1000:], BINARY, fold_of_row=np.arange(3000) % 5)
    p[:1000] = np.nan
    fold_of_row = np.concatenate([np.full(1000, -1), np.arange(3000) % 5])
    part = choose_calibrator(p, y, BINARY, fold_of_row=fold_of_row)
    assert part[0] == whole[0]
    assert part[1].n_rows == 3000


def test_forward_folds_learn_from_the_past():
    # Early rows are overconfident, late ones calibrated: the past teaches the wrong map.
    p, y = draw(4000)
    early = np.arange(4000) < 2000
    p[early] = expit(4 * logit(p[early]))
    fold_of_row = (~early).astype(int)
    assert choose_calibrator(p, y, BINARY, fold_of_row=fold_of_row, forward=True)[0].kind == "none"


def test_a_named_method_is_taken_or_its_refusal_recorded():
    p, y = draw(3000, lambda z: 3 * z)
    assert choose_calibrator(p, y, BINARY, method="isotonic")[0].kind == "isotonic"
    assert choose_calibrator(p, y, BINARY, method="none")[0].kind == "none"
    fitted, record = choose_calibrator(p[:300], y[:300], BINARY, method="isotonic")
    assert fitted.kind == "none"
    assert "needs 1000 rows" in record.rows[1].reason


def test_errors_name_what_is_wrong():
    p, y = draw(100)
    with pytest.raises(
        ParameterError, match=r"unknown calibrator 'isotnic'; did you mean 'isotonic'\?; known: none"
    ):
        make_calibrator("isotnic")
    with pytest.raises(
        ParameterError, match="calibration 'beta' is not made for a multiclass problem; use 'auto'"
    ):
        choose_calibrator(*draw_classes(), Problem("multiclass", 4), method="beta")
    with pytest.raises(DataError, match=r"expected predictions of shape \(100, 1\) for 100 rows of a binary"):
        choose_calibrator(p[:, 0], y, BINARY)
    with pytest.raises(DataError, match="weight has 3 rows, the target 100; give one for each"):
        choose_calibrator(p, y, BINARY, np.ones(3))
    with pytest.raises(StorageError, match="stored calibrator is of the unknown kind 'evil'"):
        restore_calibrator("evil", {})


def test_newton_agrees_with_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3))
    y = (rng.random(500) < expit(X @ [1.0, -2.0, 0.0] + 0.5)).astype(int)
    w = rng.uniform(0.5, 2, 500)
    theirs = LogisticRegression(C=0.5, tol=1e-10).fit(X, y, w)
    ours = penalised_logistic(
        np.column_stack([X, np.ones(500)]), y, w, np.array([2.0, 2.0, 2.0, 0.0]), np.zeros(4)
    )
    np.testing.assert_allclose(ours, [*theirs.coef_[0], theirs.intercept_[0]], atol=1e-5)
