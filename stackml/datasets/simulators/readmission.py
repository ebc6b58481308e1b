"""Admissions of returning patients, some of whom come back within 30 days.

Each patient has a latent frailty that no column shows. It raises the number of diagnoses and
medications, the length of stay, the chance to come back within 30 days and the chance to come
back at all, so rows of one patient depend on each other and frail patients fill more rows.

The log-odds of a return within 30 days of discharge are made of: frailty; earlier admissions
in the last year; the chapter of the main diagnosis and, within it, the code itself (the same
effects for every seed); age; a short stay with many diagnoses; insulin changed during the stay;
discharge to a nursing facility; low haemoglobin. About 11 % of the rows are positive, and where
a patient's next admission lies within 30 days the row says 1 (the last recorded admission of a
patient may also say 1: the return then lies beyond the table).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stackml.datasets.simulators.columns import blank, clock, labels, require_rows, sigmoid, text
from stackml.foundation.randomness import stream

DAY: Final = 86_400
HORIZON_DAYS: Final = 730
MAX_ADMISSIONS: Final = 14
ROWS_PER_PATIENT: Final = 1.2
CHAPTERS: Final = (390, 460, 520, 580, 680, 240, 140, 800, 710, 290)
CHAPTER_WIDTH: Final = 60
CHAPTER_SHARE: Final = np.array([0.28, 0.14, 0.1, 0.08, 0.05, 0.12, 0.06, 0.07, 0.06, 0.04])
CHAPTER_EFFECT: Final = np.array([0.3, 0.15, -0.1, 0.3, -0.2, 0.1, 0.45, -0.35, -0.4, 0.2])
INTERCEPT: Final = -3.25
ADMISSION_TYPES: Final = ("emergency", "urgent", "elective")
DISCHARGES: Final = ("home", "home_health", "nursing_facility", "rehabilitation")
INSURERS: Final = ("public_old_age", "public_low_income", "private", "self_pay")
ETHNICITIES: Final = ("group_a", "group_b", "group_c", "group_d")
INSULIN: Final = ("no", "steady", "up", "down")

Columns = dict[str, NDArray[np.float64]]


def simulate_readmission(n_rows: int = 30_000, seed: int = 0, *, truth: bool = False) -> pd.DataFrame:
    """Return hospital admissions in the order of their date.

    Parameters
    ----------
    n_rows : int
        Admissions, 50 or more; there are about two thirds as many patients.
    seed : int
        Equal arguments give an equal table.
    truth : bool
        Add the column ``readmission_probability``, which no hospital would have.

    Returns
    -------
    pandas.DataFrame
        One row an admission: ``admission_id`` (int64), ``patient_id`` (text),
        ``admission_date`` (datetime64[ns], never falling), ``age``, ``sex``, ``ethnicity``,
        ``insurer``, ``admission_type``, ``length_of_stay_days``, ``discharge_to``, ``diag_main``
        and ``diag_second`` (text that looks like ICD-9, hundreds of codes), ``n_diagnoses``,
        ``n_medications``, ``n_procedures``, ``insulin``, ``haemoglobin`` (g/dl), ``creatinine``
        (mg/dl), ``prior_inpatient_365d`` (the patient's earlier rows of 365 days),
        ``days_since_discharge`` (NaN on a first row) and ``readmitted_30d`` (int8).

    Raises
    ------
    ParameterError
        If `n_rows` is below 50.

    Examples
    --------
    >>> stays = simulate_readmission(2_000, seed=1)
    >>> bool(stays["patient_id"].duplicated().any())
    True
    """
    require_rows(n_rows)
    rng = stream(seed, "readmission", "stays")
    patients = _patients(int(n_rows / ROWS_PER_PATIENT) + 100, stream(seed, "readmission", "patients"))
    stays = _histories(patients, rng)
    # Whole histories, patient by patient, until the rows are full: one patient at most is cut short.
    kept = np.lexsort((stays["day"], stays["patient"]))[:n_rows]
    kept = kept[np.argsort(stays["day"][kept], kind="stable")]
    stays = {name: values[kept] for name, values in stays.items()}
    frame = _frame(stays, patients, stream(seed, "readmission", "missing"))
    if truth:
        frame["readmission_probability"] = stays["probability"]
    return frame


def _patients(n: int, rng: np.random.Generator) -> Columns:
    frailty = rng.standard_normal(n)
    age = np.clip(np.round(62 + 14 * rng.standard_normal(n) + 3 * frailty), 18, 99)
    young = rng.choice(4, n, p=[0.1, 0.3, 0.5, 0.1])
    return {
        "frailty": frailty,
        "age": age,
        "sex": rng.integers(2, size=n).astype(np.float64),
        "ethnicity": rng.choice(4, size=n, p=[0.6, 0.22, 0.12, 0.06]).astype(np.float64),
        "insurer": np.where(age >= 65, np.where(rng.random(n) < 0.9, 0, 2), young),
        "chapter": rng.choice(len(CHAPTERS), size=n, p=CHAPTER_SHARE).astype(np.float64),
        "diabetic": (rng.random(n) < 0.4).astype(np.float64),
        "start": np.floor(rng.uniform(0, HORIZON_DAYS, n)),
    }


def _histories(patients: Columns, rng: np.random.Generator) -> Columns:
    """Play all patients forward, admission by admission; ``patient`` is the row in `patients`."""
    who = np.arange(len(patients["age"]))
    day = patients["start"]
    discharged = np.full(len(who), np.nan)
    past = np.full((len(who), MAX_ADMISSIONS), -np.inf)
    rounds: list[Columns] = []
    for visit in range(MAX_ADMISSIONS):
        prior = (past[who] >= (day - 365)[:, None]).sum(axis=1).astype(np.float64)
        stay = _stay(who, patients, rng)
        stay |= {"patient": who.astype(np.float64), "day": day, "prior": prior}
        stay["since"] = day - discharged
        stay["probability"] = sigmoid(_log_odds(stay, patients))
        back = rng.random(len(who)) < stay["probability"]
        stay["readmitted"] = back.astype(np.float64)
        rounds.append(stay)
        past[who, visit] = day
        out = day + stay["length"]
        later = rng.random(len(who)) < sigmoid(-1.1 + 0.5 * patients["frailty"][who])
        gap = np.where(back, rng.integers(1, 31, len(who)), 31 + np.floor(rng.exponential(140, len(who))))
        stays_in = (back | later) & (out + gap < HORIZON_DAYS)
        who, day, discharged = who[stays_in], (out + gap)[stays_in], out[stays_in]
        if not len(who):
            break
    return {name: np.concatenate([r[name] for r in rounds]) for name in rounds[0]}


def _stay(who: NDArray[np.int64], patients: Columns, rng: np.random.Generator) -> Columns:
    n, frailty, age = len(who), patients["frailty"][who], patients["age"][who]
    usual = rng.random(n) < 0.65
    chapter = np.where(usual, patients["chapter"][who], rng.choice(len(CHAPTERS), size=n, p=CHAPTER_SHARE))
    diagnoses = np.clip(1 + rng.poisson(np.exp(1.6 + 0.18 * frailty)), 1, 16)
    insulin = np.where(patients["diabetic"][who] > 0, rng.choice(4, size=n, p=[0.3, 0.4, 0.17, 0.13]), 0)
    to = np.where(rng.random(n) < sigmoid(-2.6 + 0.05 * (age - 62) + 0.4 * frailty), 2, 0)
    to = np.where((to == 0) & (rng.random(n) < 0.2), np.where(rng.random(n) < 0.75, 1, 3), to)
    return {
        "chapter": chapter.astype(np.float64),
        "code": np.minimum(rng.zipf(1.35, n) - 1, CHAPTER_WIDTH - 1).astype(np.float64),
        "second": rng.choice(len(CHAPTERS), size=n, p=CHAPTER_SHARE).astype(np.float64),
        "second_code": np.minimum(rng.zipf(1.35, n) - 1, CHAPTER_WIDTH - 1).astype(np.float64),
        "type": rng.choice(3, size=n, p=[0.55, 0.2, 0.25]).astype(np.float64),
        "length": np.clip(np.round(rng.gamma(2.0, np.exp(0.55 + 0.12 * frailty))), 1, 21),
        "diagnoses": diagnoses.astype(np.float64),
        "medications": rng.poisson(np.exp(2.1 + 0.07 * diagnoses + 0.12 * frailty)).astype(np.float64),
        "procedures": np.minimum(rng.poisson(1.2, n), 6).astype(np.float64),
        "insulin": insulin.astype(np.float64),
        "to": to.astype(np.float64),
        "haemoglobin": np.clip(13.0 - 0.5 * frailty + 1.6 * rng.standard_normal(n), 5, 19),
        "creatinine": np.exp(0.05 + 0.1 * frailty + 0.35 * rng.standard_normal(n) + 0.5 * (chapter == 3)),
    }


def _log_odds(stay: Columns, patients: Columns) -> NDArray[np.float64]:
    """Return the log-odds of a return within 30 days, shape (n_admissions,)."""
    who, chapter = stay["patient"].astype(int), stay["chapter"].astype(int)
    code_effect = 0.3 * stream(0, "readmission", "codes").standard_normal((len(CHAPTERS), CHAPTER_WIDTH))
    return np.asarray(
        INTERCEPT
        + 0.6 * patients["frailty"][who]
        + 0.4 * np.minimum(stay["prior"], 4)
        + CHAPTER_EFFECT[chapter]
        + code_effect[chapter, stay["code"].astype(int)]
        + 0.012 * (patients["age"][who] - 62)
        + 0.8 * ((stay["length"] <= 2) & (stay["diagnoses"] >= 7))
        + 0.5 * (stay["insulin"] >= 2)
        + 0.55 * (stay["to"] == 2)
        + 0.2 * np.maximum(11.5 - stay["haemoglobin"], 0)
    )


def _codes(chapter: NDArray[np.float64], code: NDArray[np.float64]) -> pd.Series:
    number = np.array(CHAPTERS)[chapter.astype(int)] + code.astype(int)
    return pd.Series(number, dtype="int64").astype("str")


def _frame(stays: Columns, patients: Columns, rng: np.random.Generator) -> pd.DataFrame:
    n, who = len(stays["day"]), stays["patient"].astype(np.int64)
    of = {name: values[who].astype(np.int64) for name, values in patients.items()}
    whole = {name: values.astype(np.int64) for name, values in stays.items() if name != "since"}
    year = whole["day"] // 365
    return pd.DataFrame(
        {
            "admission_id": np.arange(1, n + 1, dtype=np.int64),
            "patient_id": labels("P", who),
            "admission_date": clock("2021-01-01", whole["day"] * DAY),
            "age": of["age"] + year,
            "sex": text(("female", "male"), of["sex"]),
            "ethnicity": text(ETHNICITIES, np.where(rng.random(n) < 0.03, -1, of["ethnicity"])),
            "insurer": text(INSURERS, np.where(rng.random(n) < 0.1, -1, of["insurer"])),
            "admission_type": text(ADMISSION_TYPES, whole["type"]),
            "length_of_stay_days": whole["length"],
            "discharge_to": text(DISCHARGES, whole["to"]),
            "diag_main": _codes(stays["chapter"], stays["code"]),
            "diag_second": _codes(stays["second"], stays["second_code"]).mask(rng.random(n) < 0.04),
            "n_diagnoses": whole["diagnoses"],
            "n_medications": whole["medications"],
            "n_procedures": whole["procedures"],
            "insulin": text(INSULIN, whole["insulin"]),
            # Blood is drawn less often on planned admissions.
            "haemoglobin": blank(
                np.round(stays["haemoglobin"], 1), rng.random(n) < np.where(whole["type"] == 2, 0.4, 0.08)
            ),
            "creatinine": blank(np.round(stays["creatinine"], 2), rng.random(n) < 0.25),
            "prior_inpatient_365d": whole["prior"],
            "days_since_discharge": stays["since"],
            "readmitted_30d": whole["readmitted"].astype(np.int8),
        }
    )
