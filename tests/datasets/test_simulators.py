from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict

from stackml.datasets.simulators import simulate_credit, simulate_fraud, simulate_readmission
from stackml.datasets.simulators.velocity import add_velocity
from stackml.foundation.errors import ParameterError

SIMULATORS = (simulate_fraud, simulate_credit, simulate_readmission)
VELOCITY = ["n_tx_24h", "amount_24h", "hours_since_last", "amount_ratio_to_usual"]


@pytest.fixture(scope="module")
def payments() -> pd.DataFrame:
    return simulate_fraud(20_000, seed=0, truth=True)


@pytest.fixture(scope="module")
def applicants() -> pd.DataFrame:
    return simulate_credit(20_000, seed=0, truth=True)


@pytest.fixture(scope="module")
def stays() -> pd.DataFrame:
    return simulate_readmission(15_000, seed=0, truth=True)


def features(frame: pd.DataFrame, without: list[str]) -> pd.DataFrame:
    found = frame.drop(columns=without)
    for name in found.columns:
        if not pd.api.types.is_numeric_dtype(found[name].dtype):
            found[name] = pd.factorize(found[name])[0]
    return found


def booster() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=60, learning_rate=0.1, max_leaf_nodes=15, random_state=0)


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_equal_seeds_make_equal_tables_and_other_seeds_other_ones(simulate):
    once, again, other = simulate(500, seed=3), simulate(500, seed=3), simulate(500, seed=4)
    pd.testing.assert_frame_equal(once, again)
    assert not once.equals(other)


@pytest.mark.parametrize("simulate", SIMULATORS)
@pytest.mark.parametrize("n_rows", [50, 333])
def test_tables_have_the_rows_asked_for_and_unique_ids(simulate, n_rows):
    frame = simulate(n_rows, seed=1)
    assert len(frame) == n_rows
    assert frame.iloc[:, 0].is_unique
    assert str(frame.iloc[:, -1].dtype) == "int8"


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_the_truth_is_given_only_when_asked_for(simulate):
    plain, known = simulate(300, seed=2), simulate(300, seed=2, truth=True)
    pd.testing.assert_frame_equal(plain, known[plain.columns])
    assert len(known.columns) == len(plain.columns) + 1


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_too_few_rows_are_refused(simulate):
    with pytest.raises(ParameterError, match="at least 50 rows; found 10"):
        simulate(10)


def test_payments_follow_time_and_fraud_is_rare(payments):
    assert payments["time"].is_monotonic_increasing
    assert payments["time"].dt.hour.equals(payments["hour"].astype("int32"))
    assert payments["time"].max() - payments["time"].min() > pd.Timedelta(days=170)
    assert 0.01 <= payments["fraud"].mean() <= 0.02
    assert (payments["amount"] > 0).all()


def test_values_of_payments_are_missing_where_they_have_no_meaning(payments):
    remote = payments["channel"].isin(["online", "app"])
    assert payments.loc[~remote, "device_age_days"].isna().all()
    assert payments.loc[remote, "distance_km"].isna().all()
    assert 0 < payments["category"].isna().mean() < 0.03


def test_velocity_of_a_row_does_not_depend_on_later_rows(payments):
    raw = payments.drop(columns=VELOCITY)
    whole = add_velocity(raw)
    pd.testing.assert_frame_equal(whole[VELOCITY], payments[VELOCITY])
    for n in (1, 777, 9_001):
        pd.testing.assert_frame_equal(add_velocity(raw.head(n))[VELOCITY], whole[VELOCITY].head(n))
    changed = raw.assign(amount=raw["amount"].where(raw.index < 5_000, 1))
    pd.testing.assert_frame_equal(add_velocity(changed)[VELOCITY].head(5_000), whole[VELOCITY].head(5_000))


def test_velocity_counts_the_same_customer_within_a_day():
    raw = pd.DataFrame(
        {
            "customer_id": ["a", "b", "a", "a", "a"],
            "time": pd.to_datetime(
                [
                    "2024-01-01 00:00",
                    "2024-01-01 01:00",
                    "2024-01-01 12:00",
                    "2024-01-02 00:00",
                    "2024-01-03 00:01",
                ]
            ),
            "amount": [100, 900, 300, 200, 1000],
        }
    )
    found = add_velocity(raw)
    assert found["n_tx_24h"].tolist() == [0, 0, 1, 2, 0]
    assert found["amount_24h"].tolist() == [0, 0, 100, 400, 0]
    np.testing.assert_allclose(found["hours_since_last"], [np.nan, np.nan, 12, 12, 24.017])
    np.testing.assert_allclose(found["amount_ratio_to_usual"], [np.nan, np.nan, 3, 1, 5])


def test_each_kind_of_fraud_shows_where_its_description_says(payments):
    of = payments.groupby("scenario").mean(numeric_only=True)
    honest = of.loc["honest"]
    assert of.loc["stolen_card", "n_tx_24h"] > honest["n_tx_24h"] + 1
    assert of.loc["stolen_card", "distance_km"] > 2 * honest["distance_km"]
    assert of.loc["takeover", "device_age_days"] < 3 < honest["device_age_days"]
    assert of.loc["card_testing", "n_tx_24h"] > honest["n_tx_24h"] + 1
    shops = payments.loc[payments["scenario"] == "compromised_merchant", "merchant_id"]
    assert shops.nunique() <= 8 < payments["merchant_id"].nunique()
    same = payments[payments["scenario"].isin(["honest", "unnoticeable"])]
    assert abs(same.groupby("scenario")["n_tx_24h"].mean().diff().iloc[-1]) < 0.4


def test_fraud_of_the_future_can_be_learned_but_not_fully(payments):
    found = features(payments, ["transaction_id", "time", "customer_id", "scenario", "fraud"])
    n, y = 14_000, payments["fraud"]
    score = booster().fit(found.head(n), y.head(n)).predict_proba(found.iloc[n:])[:, 1]
    assert 0.75 < roc_auc_score(y.iloc[n:], score) < 0.98


def test_drift_moves_fraud_towards_takeovers():
    frame = simulate_fraud(20_000, seed=0, drift_at=0.5, truth=True)
    late = frame["time"] > frame["time"].min() + pd.Timedelta(days=90)
    share = [
        rows.loc[rows["fraud"] == 1, "scenario"].value_counts(normalize=True)
        for rows in (frame[~late], frame[late])
    ]
    assert share[1]["takeover"] > share[0]["takeover"] + 0.05
    assert share[1]["stolen_card"] < share[0]["stolen_card"] - 0.1


@pytest.mark.parametrize("drift_at", [0.0, 1.0, 30])
def test_drift_outside_the_time_is_refused(drift_at):
    with pytest.raises(ParameterError, match="drift_at: a fraction of time between 0 and 1; found"):
        simulate_fraud(100, drift_at=drift_at)


def test_later_payments_meet_the_merchants_of_earlier_ones():
    first, second = simulate_fraud(4_000, seed=0), simulate_fraud(4_000, seed=1)
    kinds = [f.dropna(subset="category").groupby("merchant_id")["category"].first() for f in (first, second)]
    both = kinds[0].index.intersection(kinds[1].index)
    assert len(both) > 100
    assert (kinds[0][both] == kinds[1][both]).all()


def test_defaults_follow_the_written_process(applicants):
    assert 0.08 <= applicants["default"].mean() <= 0.12
    assert 0.80 <= roc_auc_score(applicants["default"], applicants["default_probability"]) <= 0.88
    tenth = pd.qcut(applicants["default_probability"], 10)
    table = applicants.groupby(tenth, observed=True)[["default", "default_probability"]].mean()
    np.testing.assert_allclose(table["default"], table["default_probability"], atol=0.03)


def test_a_model_of_applicants_comes_near_the_truth_but_not_above(applicants):
    found = features(applicants, ["application_id", "default", "default_probability"])
    n, y = 14_000, applicants["default"]
    score = booster().fit(found.head(n), y.head(n)).predict_proba(found.iloc[n:])[:, 1]
    best = roc_auc_score(y.iloc[n:], applicants["default_probability"].iloc[n:])
    assert 0.75 < roc_auc_score(y.iloc[n:], score) < best


def test_values_of_applicants_are_missing_for_reasons(applicants):
    hidden = applicants["annual_income"].isna()
    by_job = hidden.groupby(applicants["employment"]).mean()
    assert by_job["self_employed"] > 2 * by_job["employed"]
    assert applicants.loc[applicants["open_lines"] == 0, "utilisation"].isna().all()
    assert applicants["annual_income"].isna().mean() < 0.15


def test_sex_is_tied_to_income_and_not_to_default_given_the_rest(applicants):
    income = applicants.groupby("sex")["annual_income"].median()
    assert income["female"] < income["male"]
    excess = (applicants["default"] - applicants["default_probability"]).groupby(applicants["sex"]).mean()
    assert excess.abs().max() < 0.01


def test_admissions_follow_their_dates_and_patients_return(stays):
    assert stays["admission_date"].is_monotonic_increasing
    assert 0.09 <= stays["readmitted_30d"].mean() <= 0.13
    assert stays["patient_id"].duplicated().mean() > 0.15
    assert stays["diag_main"].nunique() > 300


def test_the_label_agrees_with_the_next_admission(stays):
    ordered = stays.sort_values(["patient_id", "admission_date"], kind="stable")
    of = ordered.groupby("patient_id")
    discharged = ordered["admission_date"] + pd.to_timedelta(ordered["length_of_stay_days"], unit="D")
    gap = (of["admission_date"].shift(-1) - discharged).dt.days
    followed = gap.notna()
    assert ((gap[followed] <= 30) == (ordered.loc[followed, "readmitted_30d"] == 1)).all()
    np.testing.assert_array_equal(of["days_since_discharge"].shift(-1)[followed], gap[followed])


def test_prior_admissions_are_counted_from_the_past_alone(stays):
    for _, rows in list(stays.groupby("patient_id"))[:400]:
        dates = rows["admission_date"].to_numpy()
        earlier = [
            int(((dates[:i] >= d - np.timedelta64(365, "D")) & (dates[:i] < d)).sum())
            for i, d in enumerate(dates)
        ]
        assert rows["prior_inpatient_365d"].tolist() == earlier


def test_rows_of_one_patient_depend_on_each_other(stays):
    returning = stays[stays["patient_id"].duplicated(keep=False)]
    diagnoses = returning.groupby("patient_id")["n_diagnoses"]
    between = diagnoses.mean().var()
    within = diagnoses.var().mean()
    # Independent rows would give variance / size between patients.
    assert between > within / diagnoses.size().mean() * 1.15


def test_readmission_can_be_learned_across_patients_but_not_fully(stays):
    found = features(
        stays, ["admission_id", "patient_id", "admission_date", "readmitted_30d", "readmission_probability"]
    )
    score = cross_val_predict(
        booster(),
        found,
        stays["readmitted_30d"],
        groups=stays["patient_id"],
        cv=GroupKFold(3),
        method="predict_proba",
    )[:, 1]
    best = roc_auc_score(stays["readmitted_30d"], stays["readmission_probability"])
    assert 0.66 < roc_auc_score(stays["readmitted_30d"], score) < best < 0.85
