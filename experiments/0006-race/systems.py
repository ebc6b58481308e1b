"""Fit one system on one split in this process; runs in the peer's own environment.

So it imports NumPy and pandas alone, and stackml only where stackml is the system.
"""

import json
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import machine
import numpy as np
import pandas as pd


@dataclass
class Task:
    """What a system is asked; times are seconds."""

    preset: str
    X: pd.DataFrame
    y: pd.Series
    test: pd.DataFrame
    problem: str
    metric: str
    limit: float
    jobs: int
    seed: int
    folder: Path

    @property
    def classes(self):
        """Labels in the order of columns of probabilities."""
        return sorted(self.y.unique().tolist(), key=str)

    @property
    def numeric(self):
        """Whether a number is asked for."""
        return self.problem == "regression"

    def named(self, binary, multiclass="log_loss", regression="rmse"):
        """Return a peer's word for the kind of problem at hand."""
        return {"binary": binary, "multiclass": multiclass, "regression": regression}[self.problem]


@dataclass
class Fitted:
    """What a system left.

    Attributes
    ----------
    predict : callable
        No arguments: values, or probabilities in the order of `Task.classes`.
    save : callable
        Writes the model into the task's folder.
    note : str
    not_fit_s : float
        Seconds of starting a server, which are not of the fit.
    close : callable
    """

    predict: Any
    save: Any = lambda: None
    note: str = ""
    not_fit_s: float = 0.0
    close: Any = lambda: None


def with_categories(frame, like):
    """Return a frame whose columns of text are categories, of the values `like` has."""
    frame = frame.copy()
    for name in frame.columns:
        if not pd.api.types.is_numeric_dtype(like[name]) or pd.api.types.is_bool_dtype(like[name]):
            # Of objects, not of pandas' strings: scikit-learn's encoders do not know the latter's missing value.
            known = like[name].astype("string").astype("category").cat.categories.astype(object)
            frame[name] = pd.Categorical(frame[name].astype("string").astype(object), categories=known)
    return frame


def fit_stackml(task):
    import stackml

    make = stackml.StackRegressor if task.numeric else stackml.StackClassifier
    stack = make(
        task.preset or "balanced", metric=task.metric, time_limit=task.limit, n_jobs=task.jobs,
        random_state=task.seed,
    ).fit(task.X, task.y)  # fmt: skip
    board = stack.leaderboard_
    fitted = board[(board["status"] == "fitted") & (board["name"] != "stack")]
    note = f"{board.loc[board['name'] == 'stack', 'kind'].iloc[0]} of {len(fitted)}"

    def predict():
        if task.numeric:
            return stack.predict(task.test)
        columns = [list(stack.classes_).index(label) for label in task.classes]
        return stack.predict_proba(task.test)[:, columns]

    return Fitted(predict, lambda: stack.save(task.folder / "model.stack"), note)


def fit_autogluon(task):
    from autogluon.tabular import TabularPredictor

    metric = task.named(task.metric, "log_loss", "root_mean_squared_error")
    predictor = TabularPredictor(
        "the target", problem_type=task.problem, eval_metric=metric, path=str(task.folder), verbosity=1
    ).fit(
        task.X.assign(**{"the target": task.y}), presets=task.preset or "best_quality",
        time_limit=task.limit, num_cpus=task.jobs,
    )  # fmt: skip

    def predict():
        if task.numeric:
            return predictor.predict(task.test).to_numpy()
        return predictor.predict_proba(task.test)[task.classes].to_numpy()

    return Fitted(predict, note=f"{predictor.model_best} of {len(predictor.model_names())}")


def fit_h2o(task):
    started = time.perf_counter()
    import h2o
    from h2o.automl import H2OAutoML

    h2o.init(nthreads=task.jobs, max_mem_size="8G", bind_to_localhost=True)
    h2o.no_progress()
    not_fit_s = time.perf_counter() - started
    rows = h2o.H2OFrame(with_categories(task.X, task.X).assign(**{"the target": task.y.to_numpy()}))
    if not task.numeric:
        rows["the target"] = rows["the target"].asfactor()
    search = H2OAutoML(
        max_runtime_secs=task.limit, seed=1 + task.seed, sort_metric=task.named("AUC", "logloss", "RMSE")
    )
    search.train(y="the target", training_frame=rows)

    def predict():
        found = search.leader.predict(h2o.H2OFrame(with_categories(task.test, task.test))).as_data_frame()
        if task.numeric:
            return found["predict"].to_numpy()
        return found[[f"p{c}" if f"p{c}" in found else str(c) for c in task.classes]].to_numpy()

    def save():
        h2o.save_model(search.leader, path=str(task.folder), force=True)

    return Fitted(predict, save, search.leader.model_id, not_fit_s, lambda: h2o.cluster().shutdown())


def fit_flaml(task):
    from flaml import AutoML

    search = AutoML()
    search.fit(
        task.X, task.y, task=task.named("classification", "classification", "regression"), ensemble=True,
        time_budget=task.limit, n_jobs=task.jobs, verbose=0, metric=task.named("roc_auc"), seed=task.seed,
    )  # fmt: skip
    return _of_sklearn(search, task, task.test, str(search.best_estimator))


def fit_mljar(task):
    from supervised.automl import AutoML

    search = AutoML(
        mode="Compete", total_time_limit=task.limit, results_path=str(task.folder / "results"), verbose=0,
        n_jobs=task.jobs, stack_models=True, random_state=1 + task.seed,
    )  # fmt: skip
    search.fit(task.X, task.y)
    return Fitted(lambda: search.predict(task.test) if task.numeric else search.predict_proba(task.test))


def fit_lightgbm(task):
    X, y, test = _coded(task)
    return _of_sklearn(_lightgbm(task).fit(X, y), task, test)


def fit_sklearn_stack(task):
    from sklearn import ensemble
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from xgboost import XGBClassifier, XGBRegressor

    X, y, test = _coded(task)
    kind = "Regressor" if task.numeric else "Classifier"
    boosted = (XGBRegressor if task.numeric else XGBClassifier)(
        n_estimators=500, learning_rate=0.05, max_depth=6, tree_method="hist", enable_categorical=True,
        n_jobs=task.jobs,
    )  # fmt: skip
    forests = [
        (name, _after_codes(getattr(ensemble, name + kind)(300, n_jobs=task.jobs, min_samples_leaf=2)))
        for name in ("RandomForest", "ExtraTrees")
    ]
    learners = [("lightgbm", _lightgbm(task)), ("xgboost", boosted), *forests]
    last = RidgeCV() if task.numeric else LogisticRegression(max_iter=1000)
    stack = getattr(ensemble, "Stacking" + kind)(learners, last, cv=5).fit(X, y)
    return _of_sklearn(stack, task, test)


def _lightgbm(task):
    from lightgbm import LGBMClassifier, LGBMRegressor

    make = LGBMRegressor if task.numeric else LGBMClassifier
    return make(n_estimators=500, learning_rate=0.05, n_jobs=task.jobs, verbose=-1)


def _after_codes(estimator):
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    medians = SimpleImputer(strategy="median", keep_empty_features=True)
    return make_pipeline(
        make_column_transformer(
            (codes, make_column_selector(dtype_exclude="number")),
            (medians, make_column_selector(dtype_include="number")),
        ),
        estimator,
    )


def _coded(task):
    codes = {label: code for code, label in enumerate(task.classes)}
    y = task.y.to_numpy() if task.numeric else task.y.map(codes).to_numpy(int)
    return with_categories(task.X, task.X), y, with_categories(task.test, task.X)


def _of_sklearn(model, task, test, note=""):
    def save():
        import joblib  # how such models are kept by most; written to be weighed, never read

        joblib.dump(model, task.folder / "model.joblib")

    return Fitted(lambda: model.predict(test) if task.numeric else model.predict_proba(test), save, note)


FITS = {
    "stackml": fit_stackml,
    "autogluon": fit_autogluon,
    "h2o": fit_h2o,
    "flaml": fit_flaml,
    "mljar": fit_mljar,
    "sklearn-stack": fit_sklearn_stack,
    "lightgbm": fit_lightgbm,
}


def work(spec):
    """Fit, predict the test rows, save; return seconds, bytes and versions, write predictions to a file.

    The clock of the fit starts before the system is imported, that of predicting is of the first call.
    """
    train, test = pd.read_parquet(spec["train"]), pd.read_parquet(spec["test"])
    name, _, preset = spec["system"].partition(":")
    folder = Path(tempfile.mkdtemp(prefix="bench-model-"))
    target = spec["target"]
    task = Task(
        preset, train.drop(columns=target), train[target], test.drop(columns=target), spec["problem"],
        spec["metric"], spec["limit"], spec["jobs"], spec["seed"], folder,
    )  # fmt: skip
    try:
        started = time.perf_counter()
        fitted = FITS[name](task)
        fit_s = time.perf_counter() - started - fitted.not_fit_s
        started = time.perf_counter()
        prediction = np.asarray(fitted.predict(), dtype=np.float64)
        predict_s = time.perf_counter() - started
        fitted.save()
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        fitted.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    np.save(spec["prediction"], prediction)
    return {
        "fit_s": round(fit_s, 2),
        "predict_s": round(predict_s, 4),
        "rows_per_s": round(len(test) / max(predict_s, 1e-9)),
        "disk_mb": round(size / 1e6, 2),
        "peak_rss_mb": round(machine.own_peak_bytes() / 1e6, 1),
        "note": fitted.note,
        "versions": machine.versions(),
    }


if __name__ == "__main__":
    print(json.dumps(sorted(FITS)))
