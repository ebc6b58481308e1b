"""The whole stack, the same one compacted, and what it taught one booster: score, size and speed.

    STACKML_DATA=... python experiments/0005-smaller-stacks/run.py gmsc adult california_housing letter > result.csv
"""

import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

import stackml
from stackml.datasets import load_dataset
from stackml.metrics import get_metric
from stackml.splitting import holdout_split
from stackml.stack.shrinking.compacting import compact

warnings.simplefilter("ignore")
ROWS, SECONDS, TIMED = 10_000, 20, 2_000
SMALLER = {
    "same learners fitted once": {"smallest": False},
    "compact": {},
    "compact with fold models": {"refit": False},
}
TAUGHT = {"distilled": {"invented": 4}, "distilled without inventing": {"invented": 0}}


def megabytes(stack):
    """Bytes of the file, in units of 10^6."""
    with TemporaryDirectory() as folder:
        return stack.save(Path(folder) / "a.stack").stat().st_size / 1e6


def rows_per_second(stacks, X):
    """The best of three, the stacks asked in turn on one core."""
    seconds = dict.fromkeys(stacks, np.inf)
    for _ in range(4):
        for name, stack in stacks.items():
            began = perf_counter()
            stack.predict(X)
            seconds[name] = min(seconds[name], perf_counter() - began)
    return {name: len(X) / s for name, s in seconds.items()}


print("table,rows,metric,stack,learners,models,oof,held_out,megabytes,rows_per_second,seconds", flush=True)
for table in sys.argv[1:]:
    data = load_dataset(table, n_rows=ROWS)
    y, X = data.frame[data.target], data.frame.drop(columns=[data.target, *data.drop])
    regression = data.card.task == "regression"
    make = stackml.StackRegressor if regression else stackml.StackClassifier
    codes = y.to_numpy(float) if regression else np.unique(y, return_inverse=True)[1]
    fold = holdout_split(n_rows=len(X), y_codes=codes, share=0.25).folds[0]
    train, unseen = X.iloc[fold.train], X.iloc[fold.held_out]
    began = perf_counter()
    whole = make("balanced", time_limit=SECONDS, n_jobs=1).fit(train, y.iloc[fold.train])
    made = {"whole": (whole, perf_counter() - began)}
    built, classes = whole._built, whole._classes.tolist()
    whole.time_limit = 2 * SECONDS  # for a student to find its rounds; then they are repeated
    for name, ways in SMALLER.items():
        began = perf_counter()
        smaller, _ = compact(built, classes, whole._engine(lambda event: None), **ways)
        other = make(n_jobs=1)
        other._classes, other._index = whole._classes, whole._index
        other._take(smaller)
        made[name] = other, perf_counter() - began
    best = whole.leaderboard_.query("name != 'stack' and score == score")["name"].iloc[0]
    began = perf_counter()
    alone = make([best], time_limit=SECONDS, n_jobs=1).fit(train, y.iloc[fold.train]).compact(smallest=False)
    made["best learner fitted once"] = alone, perf_counter() - began
    for name, ways in TAUGHT.items():
        began = perf_counter()
        student = whole.distill(train, **ways)
        made[name] = student, perf_counter() - began
    metric = get_metric(built.recipe.metric)
    speeds = rows_per_second({name: stack for name, (stack, _) in made.items()}, unseen[:TIMED])
    for name, (stack, seconds) in made.items():
        predicted = stack.predict(unseen) if regression else stack.predict_proba(unseen)
        shown = predicted[:, 1] if predicted.ndim == 2 and predicted.shape[1] == 2 else predicted
        oof = stack.leaderboard_.set_index("name").loc["stack", "score"]
        needed = stack.fitted_.combiner.learners
        members = [m for m in stack.fitted_.layers[-1].members if m.name in needed]
        print(
            f"{table},{len(train)},{metric.name},{name},{'+'.join(m.name for m in members)},"
            f"{sum(len(m.models) for m in members)},{'' if oof is None else f'{oof:.5g}'},"
            f"{metric.value(codes[fold.held_out], shown):.5f},{megabytes(stack):.3f},{speeds[name]:.0f},{seconds:.1f}",
            flush=True,
        )
