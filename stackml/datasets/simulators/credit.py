"""Loan applicants with a default process that is written down.

Each applicant has a latent stability that no column shows; it raises income and job length,
lowers past delinquencies and, by itself, the chance of default. The log-odds of default are

    linear     debt-to-income, utilisation, past delinquencies, recent inquiries, stability, term
    non-linear a U over age (young and old above the middle), a step above a debt-to-income of 0.45
    together   utilisation x delinquencies; unemployed x loan over income; short job x small-business
    groups     purpose and region have an effect of their own (the same for every seed)

About 10 % default. Someone who knew the log-odds would reach an area under the curve of about
0.85; stability is hidden, so a model cannot. `sex` has no effect of its own: it is tied to income
by a pay gap, which is how a model that never sees it can still treat the groups differently.

Values are missing for reasons: income for the self-employed and for low earners, job length
without a job, utilisation without a credit line.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stackml.datasets.simulators.columns import blank, require_rows, sigmoid, text
from stackml.foundation.errors import ParameterError
from stackml.foundation.randomness import stream

EMPLOYMENT: Final = ("employed", "self_employed", "unemployed", "retired", "student")
PURPOSES: Final = (
    "car", "home_improvement", "debt_consolidation", "education", "medical", "small_business", "other",
)  # fmt: skip
PURPOSE_EFFECT: Final = np.array([-0.25, -0.35, 0.25, 0.0, 0.3, 0.55, 0.1])
HOMES: Final = ("rent", "mortgage", "own")
REGIONS: Final = tuple(f"region_{i:02d}" for i in range(24))
TERMS: Final = np.array([12, 24, 36, 48, 60])
INTERCEPT: Final = -4.0

Columns = dict[str, NDArray[np.float64]]


def simulate_credit(
    n_rows: int = 30_000, seed: int = 0, *, truth: bool = False, change_at: int | None = None
) -> pd.DataFrame:
    """Return loan applicants, independent of each other, in the order in which they apply.

    Parameters
    ----------
    n_rows : int
        Applicants, 50 or more.
    seed : int
        Equal arguments give an equal table.
    truth : bool
        Add the column ``default_probability``, which no lender would have.
    change_at : int, optional
        Row from which on defaults follow another rule, as after a crisis: more of them, large loans
        hurt more, and a high utilisation speaks for an applicant and no longer against. No column
        shows it, and the applicants themselves do not change. By default nothing changes.

    Returns
    -------
    pandas.DataFrame
        One row an applicant: ``application_id`` (int64), ``age`` (years), ``sex``, ``region``,
        ``employment``, ``employment_years``, ``home``, ``purpose``, ``annual_income`` and
        ``loan_amount`` (currency units), ``term_months``, ``debt_to_income`` (monthly debt over
        monthly income), ``open_lines``, ``utilisation`` (share of the credit lines used),
        ``past_delinquencies``, ``inquiries_6m`` and ``default`` (int8, 1 is a default).

    Raises
    ------
    ParameterError
        If `n_rows` is below 50, or `change_at` is not within the rows.

    Examples
    --------
    >>> bool(0.05 < simulate_credit(4_000, seed=1)["default"].mean() < 0.15)
    True
    """
    require_rows(n_rows)
    applicants = _applicants(n_rows, stream(seed, "credit", "applicants"))
    log_odds = _log_odds(applicants)
    if change_at is not None:
        if not 0 <= change_at <= n_rows:
            raise ParameterError(f"change_at={change_at!r}: give a row within the {n_rows} rows, or None")
        log_odds[change_at:] += _change(applicants)[change_at:]
    probability = sigmoid(log_odds)
    default = stream(seed, "credit", "outcome").random(n_rows) < probability
    frame = _frame(applicants, stream(seed, "credit", "missing"))
    frame["default"] = default.astype(np.int8)
    if truth:
        frame["default_probability"] = probability
    return frame


def _applicants(n: int, rng: np.random.Generator) -> Columns:
    stability = rng.standard_normal(n)
    age = np.clip(np.round(18 + rng.gamma(3.2, 8.0, n)), 18, 85)
    female = rng.random(n) < 0.48
    draw = rng.random(n)
    job = np.select([age < 25, age >= 66], [np.where(draw < 0.35, 4, 0), np.where(draw < 0.75, 3, 0)], 0)
    odd = np.where(rng.random(n) < sigmoid(-2.6 - 0.7 * stability), 2, np.where(rng.random(n) < 0.13, 1, 0))
    job = np.where(job == 0, odd, job)
    years = np.minimum(rng.exponential(np.exp(1.4 + 0.35 * stability)), age - 17)
    level = 10.35 + 0.28 * stability + 0.12 * np.log(years + 1) - 0.16 * female
    level = level + np.array([0.0, 0.1, -0.75, -0.35, -0.9])[job]
    income = np.exp(level + 0.38 * rng.standard_normal(n))
    loan = np.clip(np.exp(8.9 + 0.45 * (np.log(income) - 10.4) + 0.6 * rng.standard_normal(n)), 500, 60_000)
    term = TERMS[np.clip(np.round(1.2 + np.log(loan / 6000) + rng.standard_normal(n)), 0, 4).astype(int)]
    popularity = np.linspace(3, 0.4, len(REGIONS))
    lines = rng.poisson(np.exp(1.2 + 0.25 * np.minimum((age - 18) / 20, 2)))
    pressure = rng.standard_normal(n) - 0.4 * stability
    used = sigmoid(-0.5 + 1.1 * pressure + 0.7 * rng.standard_normal(n))
    return {
        "stability": stability,
        "age": age,
        "female": female.astype(np.float64),
        "employment": job.astype(np.float64),
        "employment_years": years,
        "home": rng.choice(3, size=n, p=[0.42, 0.4, 0.18]).astype(np.float64),
        "purpose": rng.choice(7, size=n, p=[0.22, 0.15, 0.3, 0.07, 0.08, 0.08, 0.1]).astype(np.float64),
        "region": rng.choice(24, size=n, p=popularity / popularity.sum()).astype(np.float64),
        "income": income,
        "loan": loan,
        "term": term.astype(np.float64),
        "dti": np.clip(0.24 * np.exp(0.45 * pressure + 0.2 * rng.standard_normal(n)), 0.01, 1.5),
        "lines": lines.astype(np.float64),
        "utilisation": np.where(lines > 0, used, 0.0),
        "delinquencies": rng.poisson(np.exp(-1.5 - 0.6 * stability + 0.35 * pressure)).astype(np.float64),
        "inquiries": rng.poisson(np.exp(-0.4 + 0.35 * pressure)).astype(np.float64),
    }


def _log_odds(a: Columns) -> NDArray[np.float64]:
    """Return the log-odds of default, shape (n_rows,)."""
    region_effect = 0.3 * stream(0, "credit", "regions").standard_normal(len(REGIONS))
    burden = np.minimum(a["loan"] / a["income"], 2.0)
    late = np.minimum(a["delinquencies"], 4)
    linear = (
        1.1 * (a["dti"] - 0.25)
        + 1.0 * (a["utilisation"] - 0.4)
        + 0.35 * late
        + 0.18 * np.minimum(a["inquiries"], 5)
        - 0.4 * a["stability"]
        + 0.012 * (a["term"] - 36)
    )
    shape = 0.55 * ((a["age"] - 46) / 18) ** 2 * (a["age"] < 75) + 0.9 * (a["dti"] > 0.45)
    together = (
        0.9 * a["utilisation"] * late
        + 2.0 * (a["employment"] == 2) * burden
        + 0.9 * ((a["employment_years"] < 2) & (a["purpose"] == 5))
        + 1.2 * np.maximum(burden - 0.3, 0)
    )
    groups = PURPOSE_EFFECT[a["purpose"].astype(int)] + region_effect[a["region"].astype(int)]
    return np.asarray(INTERCEPT + linear + shape + together + groups)


def _change(a: Columns) -> NDArray[np.float64]:
    """Return what the change adds to the log-odds, shape (n_rows,)."""
    burden = np.minimum(a["loan"] / a["income"], 2.0)
    late = np.minimum(a["delinquencies"], 4)
    turned = -3.0 * (a["utilisation"] - 0.4) - 0.9 * a["utilisation"] * late
    return np.asarray(0.7 + turned + 2.0 * np.maximum(burden - 0.2, 0))


def _frame(a: Columns, rng: np.random.Generator) -> pd.DataFrame:
    n = len(a["age"])
    codes = {name: a[name].astype(np.int64) for name in ("employment", "home", "purpose", "region", "female")}
    hides_income = sigmoid(-3.0 + 1.6 * (codes["employment"] == 1) - 1.2 * (np.log(a["income"]) - 10.3))
    no_job = np.isin(codes["employment"], (2, 3, 4))
    return pd.DataFrame(
        {
            "application_id": np.arange(1, n + 1, dtype=np.int64),
            "age": a["age"].astype(np.int64),
            "sex": text(("male", "female"), codes["female"]),
            "region": text(REGIONS, codes["region"]),
            "employment": text(EMPLOYMENT, np.where(rng.random(n) < 0.02, -1, codes["employment"])),
            "employment_years": blank(np.round(a["employment_years"], 1), no_job | (rng.random(n) < 0.03)),
            "home": text(HOMES, codes["home"]),
            "purpose": text(PURPOSES, codes["purpose"]),
            "annual_income": blank(np.round(a["income"], -2), rng.random(n) < hides_income),
            "loan_amount": np.round(a["loan"], -2).astype(np.int64),
            "term_months": a["term"].astype(np.int64),
            "debt_to_income": np.round(a["dti"], 3),
            "open_lines": a["lines"].astype(np.int64),
            "utilisation": blank(np.round(a["utilisation"], 3), a["lines"] == 0),
            "past_delinquencies": a["delinquencies"].astype(np.int64),
            "inquiries_6m": a["inquiries"].astype(np.int64),
        }
    )
