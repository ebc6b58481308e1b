"""`StackClassifier` and `StackRegressor`: scikit-learn estimators around the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin, RegressorMixin

from stackml.stack.estimator import BaseStack
from stackml.stack.inputs import EncodedTarget, classification_target, regression_target


class StackClassifier(ClassifierMixin, BaseStack):
    """Stacking ensemble for two or more classes.

    Learners are trained under cross-validation; a combiner is fitted on their out-of-fold
    predictions (Wolpert 1992, https://doi.org/10.1016/S0893-6080(05)80023-1), then calibrated.

    Parameters
    ----------
    learners : str or list, default="balanced"
        A preset ("fast", "balanced", "best"), or a list of catalog names, ``("name",
        estimator)`` pairs of any scikit-learn estimator, and learner objects.
    combiner : str or Combiner, default="auto"
        "mean", "median", "geometric", "vote", "rank_mean", "single", "greedy", "simplex", "forgetful"
        (older rows count less, by time), "logistic", "boosted", "gated" (weights that depend on the row),
        or "auto", which chooses by nested cross-validation; a single learner can win. With the
        presets "fast" and "balanced" it chooses among a single learner and "logistic" with only those
        learners without which the loss would rise by a thousandth.
    metric : str, optional
        What "better" means; by default ROC AUC for two classes, log loss for more.
    layers : int or "auto", default=1
        Layers of learners; each further one reads the features and the predictions below. Its
        out-of-fold scores are optimistic: judge it on held-out rows. "auto" does that on rows put
        aside and fits up to three, each only where it helps; ``plan_["layers_tried"]`` tells.
    folds : "auto", int, Folds, or pairs of row numbers (train, held_out), default="auto"
        "auto" is 5; within a limit 8 where fold models predict, all learners can be fitted on as many
        and rows are not in time, and fewer than 5 where a middling learner could not be finished; where
        models of all rows predict (`refit`) and rows come neither in groups nor in time, as many of 5
        as the limit pays for once every learner was fitted on 2. A number is the most there will be
        within a limit, and exactly what there is without one.
    passthrough : bool, default=False
        Whether the combiner reads the features too; "auto" does so by a linear model, "boosted" by trees.
    calibration : {"auto", "none", "temperature", "beta", "isotonic"}, default="auto"
    schema : Overrides or mapping, optional
        What a person knows about columns: ``{"categories": [...], "kinds": {...}, "roles":
        {...}, "ordered": {...}, "protected": [...]}``.
    embargo : float, default=0
        Gap between training and held-out rows under time folds: days for dates, else the
        unit of `time`.
    strict : bool, default=False
        Stop early on rows inside the training fold, and let forests predict by folds, so that an
        out-of-fold prediction does not depend on its own target in any way. Holds for one layer.
    time_limit : float, optional
        Seconds for the whole of `fit`. Learners are fitted in their order; one that needs more than
        is left takes larger steps, fewer trees or rows, or is left out; what is left at the end goes
        to further models of all rows, or, without `refit`, to further rounds of cross-validation.
        `plan_` tells.
    work_limit : float, optional
        Nominal core-seconds for all fits, by what learners are described to cost and no clock:
        the same rows and parameters then give the same stack on every machine. Not together with
        `time_limit`.
    refit : bool, int or "auto", default="auto"
        Whether each learner that the combiner needs is fitted once more on all rows and then
        predicts instead of its fold models: a fifth of the size and of the time to call. A number is
        how often at most, each time with another seed; their mean predicts. Within a limit all but
        the first are what is left over pays for. "auto" is 1 for the presets "fast" and "balanced", 4
        for "best", and 0 else. Where folds follow time it is always done; learners with out-of-bag
        predictions need it not.
    cache_dir : path, optional
        Where finished fits are kept; an interrupted `fit` with the same rows and parameters
        resumes from there.
    trusted : sequence of str, default=()
        Types of your own scikit-learn learners that may be read back from `cache_dir`; without
        them such a learner is fitted again, with a warning that names them.
    plan : mapping, optional
        A recorded ``plan_`` to repeat exactly, without its clock; refused where it was recorded with
        another combiner, or with learners of other kinds or parameters.
    n_jobs : int, optional
        Fits that run at once, one thread each; all cores by default. Changes no result.
    random_state : int, default=0
    verbose : int or callable, default=0
        1 draws a progress bar; a callable hears progress events.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    oof_ : DataFrame of shape (n_rows, n_meta_features + stack columns)
        Out-of-fold predictions aligned to `X`; the stack's are nested. NaN where a row was
        never held out (the first block under time folds, folds that a limit had no time for).
    leaderboard_ : DataFrame
        One row a learner and one for the stack.
    learners_ : dict of str to Member
    plan_ : dict
        What ran, replayable.
    fitted_ : FittedStack
    """

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """Class labels, in the order of the columns of `predict_proba`."""
        if not hasattr(self, "_classes"):
            raise AttributeError(f"'{type(self).__name__}' is not fitted yet and has no 'classes_'")
        return self._classes

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return class probabilities, float64 of shape (n_rows, n_classes); rows sum to 1.

        Raises
        ------
        SchemaError
            If a column the stack reads is missing.
        DataError
            If a value cannot be read; the message names column, row and value.
        """
        outputs = self._predict_outputs(X)
        return np.hstack([1.0 - outputs, outputs]) if outputs.shape[1] == 1 else outputs

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the most probable class of each row, shape (n_rows,)."""
        codes = self.predict_proba(X).argmax(axis=1)
        return self._classes[codes]

    def _encode_target(self, y: Any, n_rows: int) -> EncodedTarget:
        return classification_target(y, n_rows)


class StackRegressor(RegressorMixin, BaseStack):
    """Stacking ensemble for a number; parameters and attributes as in `StackClassifier`.

    `metric` is the root mean squared error by default; `calibration` has no effect.
    """

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """Return predicted values, float64 of shape (n_rows,)."""
        return self._predict_outputs(X)[:, 0]

    def _encode_target(self, y: Any, n_rows: int) -> EncodedTarget:
        return regression_target(y, n_rows)
