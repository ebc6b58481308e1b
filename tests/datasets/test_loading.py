from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stackml.datasets import dataset_card, dataset_cards, load_dataset, make_dataset, simulate, verify_dataset
from stackml.datasets.files import file_sha256, values_sha256
from stackml.foundation.errors import DataError, ParameterError, SchemaError

REAL = [name for name, card in dataset_cards().items() if card.kind == "real"]
POSITIVE_SHARE = {
    "banksim": 0.0121,
    "vehicle_claims": 0.0599,
    "gmsc": 0.0668,
    "taiwan_default": 0.2212,
    "german_credit": 0.3,
    "diabetes130": 0.1139,
    "adult": 0.2393,
    "bank_marketing": 0.1127,
    "telco_churn": 0.2654,
}


def german(rows: int = 6) -> pd.DataFrame:
    card = dataset_card("german_credit")
    frame = pd.DataFrame({name: ["A11", "A12"] * (rows // 2) for name in card.columns})
    return frame.assign(**{"age": range(20, 20 + rows), "class": [1, 2] * (rows // 2)})


@pytest.mark.parametrize("name", REAL)
def test_a_real_table_loads_as_its_card_says(real_data: Path, name: str):
    card = dataset_card(name)
    data = load_dataset(name, data_dir=real_data)
    assert verify_dataset(card, real_data / card.file_name) == "file"
    assert tuple(data.frame.columns) == card.columns
    excluded = 2423 if name == "diabetes130" else 0
    assert len(data.frame) == card.rows - excluded
    assert data.frame.index.equals(pd.RangeIndex(len(data.frame)))
    y = data.frame[data.target]
    assert y.notna().all()
    if card.task == "binary":
        assert data.positive == 1
        assert y.dtype == np.int8
        assert y.mean() == pytest.approx(POSITIVE_SHARE[name], abs=1e-3)
    else:
        assert data.positive is None
        assert y.nunique() > 2


def test_the_dead_and_dying_are_left_out_of_readmission(real_data: Path):
    data = load_dataset("diabetes130", data_dir=real_data)
    assert not data.frame["discharge_disposition_id"].isin([11, 13, 14, 19, 20, 21]).any()
    assert (data.group, data.time, data.drop) == ("patient_nbr", None, ("encounter_id",))
    assert (data.frame["max_glu_serum"] == "None").any()


def test_sentinels_of_gmsc_are_missing(real_data: Path):
    frame = load_dataset("gmsc", data_dir=real_data).frame
    assert frame["NumberOfTimes90DaysLate"].isna().sum() == 269
    assert frame["age"].isna().sum() == 1


def test_a_draw_of_a_real_table_keeps_its_order_and_its_seed(real_data: Path):
    one, again, other = (
        load_dataset("german_credit", data_dir=real_data, n_rows=50, seed=s).frame for s in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(one, again)
    assert not one.equals(other)
    ordered = load_dataset("bike_sharing", data_dir=real_data, n_rows=100).frame
    assert ordered["instant"].is_monotonic_increasing
    assert len(ordered) == 100


@pytest.mark.parametrize("name", ["fraud_sim", "credit_sim", "readmission_sim"])
def test_a_simulated_table_is_made_with_its_roles(name: str):
    data = load_dataset(name, n_rows=300, seed=5)
    assert len(data.frame) == 300
    assert data.positive == 1
    assert data.frame[data.target].dtype == np.int8
    assert {data.target, *data.drop, *data.protected} <= set(data.frame.columns)
    assert data.card is dataset_card(name)


def test_an_absent_table_says_what_to_place_where(tmp_path: Path):
    with pytest.raises(
        DataError, match=r"no gmsc.parquet or gmsc.csv in .*Place gmsc.parquet \(sha256 632d06648672e"
    ):
        load_dataset("gmsc", data_dir=tmp_path)
    with pytest.raises(DataError, match=r"run: stackml data fetch gmsc$"):
        load_dataset("gmsc", data_dir=tmp_path)


def test_the_folder_is_named_by_the_environment_then_by_the_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STACKML_DATA", raising=False)
    with pytest.raises(DataError, match=r"in data.raw\."):
        load_dataset("german_credit")
    (tmp_path / "data" / "raw").mkdir(parents=True)
    german(4).to_csv(tmp_path / "data" / "raw" / "german_credit.csv", index=False)
    assert len(load_dataset("german_credit").frame) == 4
    monkeypatch.setenv("STACKML_DATA", str(tmp_path / "elsewhere"))
    assert len(load_dataset("german_credit").frame) == 4
    (tmp_path / "elsewhere").mkdir()
    german(8).to_csv(tmp_path / "elsewhere" / "german_credit.csv", index=False)
    assert len(load_dataset("german_credit").frame) == 8


def test_a_wrong_parquet_file_is_refused_with_both_digests(tmp_path: Path):
    path = tmp_path / "german_credit.parquet"
    german().to_parquet(path)
    with pytest.raises(DataError, match=rf"sha256 is {file_sha256(path)}, expected b84350d5975b"):
        load_dataset("german_credit", data_dir=tmp_path)
    assert len(load_dataset("german_credit", data_dir=tmp_path, verify=False).frame) == 6


def test_a_damaged_parquet_file_is_refused(real_data: Path, tmp_path: Path):
    content = bytearray((real_data / "german_credit.parquet").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "german_credit.parquet").write_bytes(bytes(content))
    with pytest.raises(DataError, match="this is not the 'german_credit' of the catalog"):
        load_dataset("german_credit", data_dir=tmp_path)


def test_the_same_values_from_another_writer_are_accepted(real_data: Path, tmp_path: Path):
    path = tmp_path / "german_credit.parquet"
    pd.read_parquet(real_data / "german_credit.parquet").to_parquet(path, compression="gzip")
    card = dataset_card("german_credit")
    assert file_sha256(path) != card.sha256
    assert verify_dataset(card, path) == "values"
    assert len(load_dataset("german_credit", data_dir=tmp_path).frame) == 1000


def test_something_else_under_the_name_of_a_table_is_refused(tmp_path: Path):
    (tmp_path / "german_credit.parquet").write_text("hello", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read as parquet"):
        load_dataset("german_credit", data_dir=tmp_path, verify=False)


def test_a_csv_must_have_the_columns_and_gets_the_same_target(tmp_path: Path):
    german().to_csv(tmp_path / "german_credit.csv", index=False)
    assert load_dataset("german_credit", data_dir=tmp_path).frame["class"].tolist() == [0, 1] * 3
    german().rename(columns={"duration": "durations"}).to_csv(tmp_path / "german_credit.csv", index=False)
    with pytest.raises(SchemaError, match="column 'duration' is missing; did you mean 'durations'"):
        load_dataset("german_credit", data_dir=tmp_path)


def test_a_missing_target_is_refused(tmp_path: Path):
    frame = german()
    frame["class"] = frame["class"].mask(frame.index == 3)
    frame.to_csv(tmp_path / "german_credit.csv", index=False)
    with pytest.raises(DataError, match="target 'class' is missing in 1 rows"):
        load_dataset("german_credit", data_dir=tmp_path)


def test_no_rows_are_refused():
    with pytest.raises(ParameterError, match="n_rows: at least 1; found 0"):
        load_dataset("credit_sim", n_rows=0)


def test_digest_of_values_sees_values_names_and_order_but_not_types():
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    same = pd.DataFrame({"a": [1.0, 2.0], "b": pd.Series(["x", np.nan], dtype=object)})
    assert values_sha256(frame) == values_sha256(same)
    others = [
        frame.rename(columns={"a": "c"}),
        frame[["b", "a"]],
        frame.iloc[::-1],
        frame.assign(b=["x", "None"]),
        frame.assign(a=[1, np.nan]),
    ]
    digests = {values_sha256(other) for other in [frame, *others]}
    assert len(digests) == 6


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_a_simulated_table_is_written_where_asked(tmp_path: Path, ending: str):
    path = make_dataset("readmission_sim", tmp_path / "new" / f"stays{ending}", n_rows=60)
    frame = pd.read_parquet(path) if ending == ".parquet" else pd.read_csv(path)
    assert len(frame) == 60
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_folder_gets_a_parquet_file_named_after_the_table(tmp_path: Path):
    assert make_dataset("credit_sim", tmp_path, n_rows=60) == tmp_path / "credit_sim.parquet"


@pytest.mark.parametrize("name", ["fraud_sim", "credit_sim", "readmission_sim"])
def test_the_sample_in_the_repository_is_of_the_simulator_as_it_is(name: str):
    sample = pd.read_csv(Path(__file__).parents[2] / "data" / "samples" / f"{name}.csv")
    frame = simulate(name, 150, seed=0)
    assert list(sample.columns) == list(frame.columns)
    assert len(sample) == 150
    np.testing.assert_array_equal(sample.iloc[:, -1], frame.iloc[:, -1])


def test_what_cannot_be_made_is_said(tmp_path: Path):
    with pytest.raises(DataError, match="dataset 'gmsc' is a real table and cannot be made"):
        make_dataset("gmsc", tmp_path)
    with pytest.raises(ParameterError, match=r"written as .parquet or .csv; found '.xlsx'"):
        make_dataset("credit_sim", tmp_path / "credit.xlsx")
