"""The tables of the race, and the one split that every system gets."""

import os
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from stackml.datasets.catalog import dataset_card, dataset_cards
from stackml.datasets.files import find_file, read_table_file
from stackml.datasets.loading import simulate

TEST_SHARE = 0.2
TIME_STEP = 0.04  # of the rows, by which each further seed ends earlier


@dataclass(frozen=True)
class Split:
    """Train and test rows of one table as a system gets them.

    Attributes
    ----------
    name, target : str
    problem : {"binary", "multiclass", "regression"}
    metric : str
        What the race is about: average precision for fraud, else ROC AUC, log loss, RMSE.
    train, test : DataFrame
        Without dropped columns; the target is among them.
    groups : ndarray or None
        Of the test rows.
    """

    name: str
    target: str
    problem: str
    metric: str
    train: pd.DataFrame
    test: pd.DataFrame
    groups: np.ndarray | None = None

    @property
    def classes(self):
        """Labels in the order of columns of probabilities."""
        return sorted(self.train[self.target].unique().tolist(), key=str)

    def codes(self):
        """Return the target of the test rows as numbers: class codes, or the values."""
        values = self.test[self.target]
        if self.problem == "regression":
            return values.to_numpy(float)
        return values.map({label: code for code, label in enumerate(self.classes)}).to_numpy(int)


def known_names():
    """Return the real tables that are there, or the simulated ones."""
    cards = dataset_cards().values()
    if os.environ.get("STACKML_DATA"):
        real = [card.name for card in cards if card.kind == "real" and _is_there(card)]
        if real:
            return real
    return [card.name for card in cards if card.kind == "simulated"]


def load_split(name, seed=0, max_rows=None):
    """Return one table divided once.

    Real tables are read as published (no cleaning, no rows left out), because every system is to cope with
    the same thing. The last fifth is held out where a column of time is named, whole groups where a group
    is, else rows at random, in shares of the classes. Another seed is another split; where time decides, it
    leaves out the table's last rows, so that the held-out fifth lies earlier.
    """
    card = dataset_card(name)
    frame = _rows(card, seed, max_rows)
    dropped = list(card.drop)
    groups = None
    if card.time:
        frame = frame.sort_values(card.time, kind="stable").reset_index(drop=True)
        frame = frame.iloc[: int(len(frame) * (1 - min(0.5, TIME_STEP * seed)))]
        cut = int(len(frame) * (1 - TEST_SHARE))
        train, test = frame.iloc[:cut], frame.iloc[cut:]
    elif card.group:
        rows = GroupShuffleSplit(1, test_size=TEST_SHARE, random_state=seed).split(
            frame, groups=frame[card.group]
        )
        learned, held = next(rows)
        train, test = frame.iloc[learned], frame.iloc[held]
        groups = test[card.group].to_numpy()
        dropped.append(card.group)
    else:
        strata = None if card.task == "regression" else frame[card.target]
        train, test = train_test_split(frame, test_size=TEST_SHARE, random_state=seed, stratify=strata)
    train, test = (
        part.drop(columns=dropped, errors="ignore").reset_index(drop=True) for part in (train, test)
    )
    return Split(name, card.target, card.task, _metric(card), train, test, groups)


def _is_there(card):
    try:
        return find_file(card).is_file()
    except Exception:
        return False


def _rows(card, seed, max_rows):
    if card.kind == "simulated":
        frame = simulate(card.name, max_rows, seed)
    else:
        frame = read_table_file(find_file(card))
        frame = frame[frame[card.target].notna()].reset_index(drop=True)
    if card.positive is not None:
        frame[card.target] = (frame[card.target] == card.positive).astype(int)
    if max_rows and len(frame) > max_rows:
        frame = frame.sample(max_rows, random_state=seed).sort_index()
        if card.task == "multiclass":  # a class must be on both sides
            frame = frame[frame.groupby(card.target)[card.target].transform("size") > 1]
        frame = frame.reset_index(drop=True)
    return frame


def _metric(card):
    if card.task == "binary":
        return "average_precision" if card.use == "fraud" else "roc_auc"
    return "log_loss" if card.task == "multiclass" else "rmse"
