"""Rows a second, one row and megabytes: native scoring model by model against trees scored together.

    git worktree add BASE 624ba37
    STACKML_DATA=... python experiments/0004-scoring-speed/run.py BASE gmsc adult ... > result.csv

Each stack is fitted once, by BASE. Two processes, one of each version, load it and take turns; the
fastest of several turns counts. The new version reads the file as it would write it: margins averaged,
leaf values rounded.
"""

import os
import subprocess
import sys
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from time import perf_counter

warnings.simplefilter("ignore")
ROWS, TURNS, LIMIT = 20_000, 5, 20


def rows_of(name, n_rows=None):
    """Return features and target of a table."""
    import pandas as pd

    from stackml.datasets import load_dataset

    data = load_dataset(name)
    frame = data.frame.dropna(subset=[data.target])
    if n_rows is not None and len(frame) > n_rows:
        frame = frame.sample(n_rows, random_state=0)
    y, X = frame[data.target], frame.drop(columns=[data.target, *data.drop])
    categories = [c for c in data.category_codes if c in X]
    return X.reset_index(drop=True), pd.Series(y.to_numpy()), data.card.task, categories


def fit(name, path):
    """Fit the preset and store it."""
    import stackml

    X, y, task, categories = rows_of(name, 120_000)
    make = stackml.StackRegressor if task == "regression" else stackml.StackClassifier
    make("balanced", time_limit=LIMIT, n_jobs=2, schema={"categories": categories}).fit(X, y).save(path)


def as_new(stack):
    """Return a stack of format 1 as the present version would have fitted it."""
    from stackml.learners.trees.additive import FittedTrees
    from stackml.learners.trees.arrays import SIGNIFICANT_BITS, rounded

    def layer_of(layer):
        for member in layer.members:
            for model in member.models:
                if isinstance(model, FittedTrees):
                    leaves = rounded(model._trees.leaf_value, SIGNIFICANT_BITS)
                    model._trees = replace(model._trees, leaf_value=leaves)
        return replace(layer, members=tuple(replace(member, mean="margin") for member in layer.members))

    fitted = stack.fitted_
    stack.fitted_ = replace(fitted, layers=tuple(layer_of(layer) for layer in fitted.layers))


def serve(name, path):
    """Load a stack, then answer each line of input with seconds."""
    import numpy as np

    import stackml

    X = rows_of(name, ROWS)[0]
    start = perf_counter()
    stack = stackml.load(path).set_params(n_jobs=2)
    loaded = perf_counter() - start
    if hasattr(stack.fitted_.layers[0].members[0], "mean"):
        as_new(stack)
    call = getattr(stack, "predict_proba", stack.predict)
    size = os.path.getsize(stack.save(f"{path}.{os.getpid()}")) / 1e6
    one = [X.iloc[[i]] for i in range(20)]
    call(X), call(one[0])
    print(f"{loaded} {size} {len(X)}", flush=True)
    np.save(f"{path}.{sys.argv[4]}.npy", call(X.iloc[:2000]))
    for line in sys.stdin:
        times = []
        for given in [X] if line == "batch\n" else one:
            start = perf_counter()
            call(given)
            times.append(perf_counter() - start)
        print(np.median(times), flush=True)


def compare(base, name, folder):
    """Print one line of the result."""
    import numpy as np

    path = f"{folder}/{name}.stack"
    here = str(Path(__file__).resolve().parents[2])
    run = [sys.executable, __file__]
    if not Path(path).exists():
        subprocess.run([*run, "fit", name, path], env=os.environ | {"PYTHONPATH": base}, check=True)
    servers = {
        side: subprocess.Popen(
            [*run, "serve", name, path, side],
            env=os.environ | {"PYTHONPATH": root},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for side, root in (("old", base), ("new", here))
    }
    load, size, n_rows = zip(
        *(map(float, s.stdout.readline().split()) for s in servers.values()), strict=True
    )
    best = {}
    for _ in range(TURNS):
        for side, server in servers.items():
            for what in ("batch", "one"):
                server.stdin.write(f"{what}\n")
                server.stdin.flush()
                seconds = float(server.stdout.readline())
                best[side, what] = min(best.get((side, what), seconds), seconds)
    for server in servers.values():
        server.stdin.close()
        server.wait()
    old, new = (np.load(f"{path}.{side}.npy") for side in servers)
    apart = np.abs(old - new).max() / (old.std() if old.ndim == 1 else 1.0)
    n = n_rows[0]
    print(
        f"{name},{n / best['old', 'batch']:.0f},{n / best['new', 'batch']:.0f},"
        f"{best['old', 'batch'] / best['new', 'batch']:.2f},"
        f"{1e3 * best['old', 'one']:.2f},{1e3 * best['new', 'one']:.2f},"
        f"{best['old', 'one'] / best['new', 'one']:.2f},"
        f"{size[0]:.2f},{size[1]:.2f},{size[0] / size[1]:.2f},{load[0]:.2f},{load[1]:.2f},{apart:.5f}",
        flush=True,
    )


if __name__ == "__main__":
    if sys.argv[1] == "fit":
        fit(*sys.argv[2:4])
    elif sys.argv[1] == "serve":
        serve(*sys.argv[2:4])
    else:
        print(
            "table,rows_s_old,rows_s_new,ratio,one_row_ms_old,one_row_ms_new,ratio,"
            "mb_old,mb_new,ratio,load_s_old,load_s_new,furthest_apart"
        )
        folder = os.environ.get("STACKS") or tempfile.mkdtemp()
        for table in sys.argv[2:]:
            compare(sys.argv[1], table, folder)
