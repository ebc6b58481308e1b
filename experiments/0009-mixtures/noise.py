"""How often ``layers="auto"`` takes noise for a gain: nothing to learn, and a permuted target.

python experiments/0009-mixtures/noise.py > noise.csv
"""

import numpy as np
import pandas as pd

import stackml

print("case,seed,kept,asked,gain,standard_error")
for seed in range(8):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(600, 5)), columns=list("abcde"))
    X["many"] = rng.integers(0, 100, 600).astype(str)
    y = (rng.random(600) < 0.3).astype(int)
    wide = pd.DataFrame(rng.normal(size=(700, 12)), columns=[f"x{i}" for i in range(12)])
    z = wide.sum(axis=1) / 12**0.5
    permuted = rng.permutation(z + 2 * np.sin(4 * z) + 0.3 * rng.normal(size=700))
    for case, made, learners, rows, target in (
        ("noise", stackml.StackClassifier, ["lightgbm", "logistic"], X, y),
        ("permuted target", stackml.StackRegressor, ["lightgbm", "ridge"], wide, permuted),
    ):
        stack = made(learners, "simplex", layers="auto", n_jobs=1).fit(rows, target)
        trial = stack.plan_["layers_tried"][0]
        unit = (trial["loss_below"] or np.nan) / 100
        numbers = f"{trial['gain'] / unit:.3f},{trial['standard_error'] / unit:.3f}"
        print(f"{case},{seed},{stack.plan_['layers']},{trial['asked']},{numbers}", flush=True)
