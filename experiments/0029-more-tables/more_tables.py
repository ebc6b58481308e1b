"""Eleven more tables that come with packages of other trades; see experiment 0022."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "0022-other-tables"))
from tables import _econometric, _keel, _r  # noqa: E402


def spambase():
    """Which letters are unwanted, by the shares of their words."""
    return _marked(_keel("balanced/raw/spambase.dat"), "1", "binary")


def page_blocks():
    """Which blocks of a page are no text."""
    return _marked(_keel("imbalanced/raw/page-blocks0.dat"), "positive", "fraud")


def phoneme():
    """Nasal or oral vowels, by five harmonics."""
    return _marked(_keel("balanced/raw/phoneme.dat"), "1", "binary")


def magic():
    """Gamma rays among showers in the atmosphere."""
    return _marked(_keel("balanced/raw/magic.dat"), "g", "binary")


def contraceptive():
    """Which of three methods is used."""
    return _keel("balanced/raw/contraceptive.dat"), "y", "multiclass"


def penbased():
    """Digits by eight points of a pen."""
    return _keel("balanced/raw/penbased.dat"), "y", "multiclass"


def nox():
    """Nitrogen in the air of a road."""
    return _r("robustbase/NOxEmissions"), "LNOx", "regression"


def budget():
    """Share of the budget that goes to food."""
    return _r("Ecdat/BudgetFood"), "wfood", "regression"


def vietnam():
    """Who visits a pharmacy: members of a household share its expenses, of a commune its name."""
    frame = _r("Ecdat/VietNamI")
    frame = frame.assign(commune=frame["commune"].astype(str), any=(frame["pharvis"] > 0).astype(int))
    return frame.drop(columns="pharvis"), "any", "binary"


def rwm():
    """Visits to a doctor; several years of a person."""
    return _r("COUNT/rwm5yr"), "docvis", "regression"


def airfare():
    """Fares of routes; four years of a route."""
    return _econometric("airfare").drop(columns="lfare"), "fare", "regression"


TABLES = (spambase, page_blocks, phoneme, contraceptive, penbased, airfare, nox, budget, vietnam, rwm, magic)
GROUPS = {"airfare": "id", "rwm": "id"}  # a fifth of the groups is held out


def _marked(frame, positive, use):
    return frame.assign(y=(frame["y"] == positive).astype(int)), "y", use
