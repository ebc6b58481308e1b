"""Every learner by name, the presets, and everything `learners=` accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from stackml.foundation.errors import MissingExtraError, ParameterError, StorageError, near_miss
from stackml.foundation.optional import installed
from stackml.learners.anomaly import (
    FittedHBOS,
    FittedIsolationForest,
    HBOSLearner,
    IsolationForestLearner,
)
from stackml.learners.base import FittedLearner, Learner
from stackml.learners.catboost import CatBoostLearner, FittedCatBoost
from stackml.learners.constant import FittedConstant
from stackml.learners.fitted_net import FittedNet
from stackml.learners.foreign import FittedForeign
from stackml.learners.forest import ExtraTreesLearner, FittedForest, RandomForestLearner
from stackml.learners.lightgbm import FittedLightGBM, LightGBMLearner
from stackml.learners.linear import FittedLinear, LogisticLearner, RidgeLearner
from stackml.learners.neighbors import FittedNeighbors, NeighborsLearner
from stackml.learners.neural import FittedMLP, MLPLearner
from stackml.learners.sklearn import FittedSklearn, SklearnLearner, check_suits
from stackml.learners.tabular_nets import NetLearner
from stackml.learners.xgboost import FittedXGBoost, XGBoostLearner
from stackml.tables.target import Problem


@dataclass(frozen=True)
class Entry:
    """One row of the catalog.

    Attributes
    ----------
    name : str
    learner : Learner
        With the parameters of this row.
    about : str
        One line for people.
    extra : str, optional
        The extra to install, where the learner needs a package beyond the core.
    module : str
        That package.
    """

    name: str
    learner: Learner
    about: str
    extra: str | None = None
    module: str = ""

    @property
    def make(self) -> Callable[..., Learner]:
        """The learner's class."""
        return type(self.learner)

    @property
    def problems(self) -> frozenset[str]:
        """Kinds of problem it can be fitted to."""
        return self.learner.problems

    @property
    def is_installed(self) -> bool:
        """Whether its package is there."""
        return self.extra is None or installed(self.module)

    def suits(self, problem: Problem) -> bool:
        """Return whether it can be fitted to a problem here."""
        return problem.kind in self.problems and self.is_installed


_ENTRIES = (
    Entry("lightgbm", LightGBMLearner(), "Gradient boosting by LightGBM, native categories"),
    Entry(
        "lightgbm_extra",
        LightGBMLearner(extra_trees=True, extra_levels=1, max_cat_to_onehot=4, as_categories=True),
        "LightGBM with random thresholds: less accurate alone, different in company",
    ),
    Entry(
        "lightgbm_large",
        LightGBMLearner(
            extra_levels=1,
            learning_rate=0.03,
            feature_fraction=0.7,
            max_cat_to_onehot=4,
            as_categories=True,
            target_codes=False,
        ),
        "LightGBM with large trees and small steps; many-valued categories read as such",
    ),
    Entry(
        "lightgbm_noisy",
        LightGBMLearner(extra_trees=True, extra_levels=1, learning_rate=0.03, feature_fraction=0.45),
        "LightGBM with random thresholds on half of the columns",
    ),
    Entry("xgboost", XGBoostLearner(), "Gradient boosting by XGBoost, native categories"),
    Entry(
        "xgboost_shallow",
        XGBoostLearner(extra_levels=-1, colsample_bytree=0.5, subsample=0.8),
        "XGBoost with shallow trees, each on half of the columns",
    ),
    Entry(
        "catboost",
        CatBoostLearner(),
        "Gradient boosting by CatBoost, ordered target codes",
        "best",
        "catboost",
    ),
    Entry("random_forest", RandomForestLearner(), "Random forest"),
    Entry("extra_trees", ExtraTreesLearner(), "Extremely randomized trees"),
    Entry("logistic", LogisticLearner(), "Logistic regression with bends, for classes"),
    Entry("ridge", RidgeLearner(), "Ridge regression with bends, for numbers"),
    Entry("neighbors", NeighborsLearner(), "Nearest neighbours, columns weighted by relevance"),
    Entry("mlp", MLPLearner(), "Multilayer perceptron on scaled features"),
    Entry("realmlp", NetLearner(), "Smooth perceptron with averaged weights, after RealMLP"),
    Entry("realmlp_large", NetLearner(hidden=(256, 256)), "The same with twice the units in each layer"),
    Entry(
        "tabm",
        NetLearner(hidden=(64, 64), members=4, hats=True),
        "Four perceptrons that share their hidden layers, after TabM",
    ),
    Entry("isolation_forest", IsolationForestLearner(), "Anomaly score: how few splits isolate a row"),
    Entry("hbos", HBOSLearner(), "Anomaly score: how rare a row's values are, column by column"),
)

LEARNERS: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})

PRESETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "fast": ("xgboost_shallow", "lightgbm", "logistic", "ridge", "extra_trees"),
        "balanced": (
            "xgboost_shallow",
            "lightgbm",
            "logistic",
            "ridge",
            "extra_trees",
            "lightgbm_extra",
            "realmlp",
        ),
        "best": (
            "xgboost_shallow",
            "lightgbm",
            "logistic",
            "ridge",
            "realmlp_large",
            "catboost",
            "extra_trees",
            "lightgbm_extra",
            "tabm",
            "xgboost",
            "lightgbm_large",
            "mlp",
            "lightgbm_noisy",
            "random_forest",
            "neighbors",
            "hbos",
            "isolation_forest",
        ),
    }
)

_FITTED: tuple[type[FittedLearner], ...] = (
    FittedLightGBM,
    FittedXGBoost,
    FittedCatBoost,
    FittedForest,
    FittedLinear,
    FittedNeighbors,
    FittedMLP,
    FittedNet,
    FittedIsolationForest,
    FittedHBOS,
    FittedConstant,
    FittedSklearn,
    FittedForeign,
)

FITTED: Mapping[str, type[FittedLearner]] = MappingProxyType({cls.kind: cls for cls in _FITTED})


def make_learner(name: str, **parameters: Any) -> Learner:
    """Return a learner of the catalog, with some parameters changed.

    Raises
    ------
    ParameterError
        If there is no such learner or parameter; the message names the nearest one.
    MissingExtraError
        If its package is not installed.
    """
    learner = describe_learner(name, **parameters)
    if not LEARNERS[name].is_installed:
        raise _missing(LEARNERS[name])
    return learner


def describe_learner(name: str, **parameters: Any) -> Learner:
    """Return a learner as `make_learner` does, installed or not; fitting it tells what is missing."""
    entry = LEARNERS.get(name)
    if entry is None:
        raise ParameterError(
            f"unknown learner '{name}'{near_miss(name, LEARNERS)}; known: {', '.join(LEARNERS)}"
        )
    known = [f.name for f in fields(entry.learner)]
    for parameter in parameters:
        if parameter not in known:
            raise ParameterError(
                f"learner '{name}' has no parameter '{parameter}'{near_miss(parameter, known)}; "
                f"it has: {', '.join(known)}"
            )
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in parameters.items()}
    return entry.make(**{**entry.learner.parameters, **given})


def _missing(entry: Entry) -> MissingExtraError:
    return MissingExtraError(
        f"learner '{entry.name}' needs '{entry.module}', which is not installed; "
        f"install it with: pip install 'stackml[{entry.extra}]'"
    )


def preset_names(preset: str, problem: Problem) -> tuple[str, ...]:
    """Return the learners of a preset that suit the problem and are installed.

    Raises
    ------
    ParameterError
        If there is no such preset.
    """
    if preset not in PRESETS:
        raise ParameterError(
            f"unknown preset '{preset}'{near_miss(preset, (*PRESETS, *LEARNERS))}; "
            f"known: {', '.join(PRESETS)} (or give a list of learners)"
        )
    return tuple(name for name in PRESETS[preset] if _earns_its_place(LEARNERS[name], problem))


def _earns_its_place(entry: Entry, problem: Problem) -> bool:
    # A score gets a coefficient of its own for each class, and many classes make that dear.
    scores = entry.learner.output_kind(problem) == "score"
    return entry.suits(problem) and not (scores and problem.kind == "multiclass")


def resolve_learners(spec: Any, problem: Problem) -> list[tuple[str, Learner]]:
    """Return named learners for everything `learners=` accepts.

    Parameters
    ----------
    spec : str, Learner or sequence
        The name of a preset or of a learner, or a list of names of learners, `Learner` objects,
        and ``(name, learner, name of a learner, or scikit-learn estimator)`` pairs.
    problem : Problem

    Returns
    -------
    list of (str, Learner)
        Names are unique: a second "lightgbm" is called "lightgbm_2".

    Raises
    ------
    ParameterError
        If something in the list is none of these, does not suit the problem, or nothing is left.
    MissingExtraError
        If no learner of the list is installed. One among others is left to fail when it is fitted.
    """
    if isinstance(spec, str) and spec not in LEARNERS:
        spec = preset_names(spec, problem)
    elif isinstance(spec, str | Learner) or _is_pair(spec):
        spec = [spec]
    if not isinstance(spec, Sequence):
        raise ParameterError(
            f"learners={spec!r}: give a preset ({', '.join(PRESETS)}) or a list of names, learners "
            "and (name, estimator) pairs"
        )
    found: list[tuple[str, Learner]] = []
    for item in spec:
        name, learner = _resolve(item)
        _check_problem(name, learner, problem)
        found.append((_unique(name, [known for known, _ in found]), learner))
    if not found:
        raise ParameterError(f"learners={spec!r} is empty; give at least one, for instance 'balanced'")
    absent = [entry for _, learner in found if (entry := _absent(learner)) is not None]
    if len(absent) == len(found):
        raise _missing(absent[0])
    return found


def _absent(learner: Learner) -> Entry | None:
    return next((e for e in _ENTRIES if not e.is_installed and isinstance(learner, type(e.learner))), None)


def restore_learner(kind: str, state: Mapping[str, Any], trusted: Sequence[str] = ()) -> FittedLearner:
    """Rebuild a fitted learner of the closed catalog.

    Parameters
    ----------
    kind : str
        The `kind` of the fitted learner.
    state : mapping
        From its `to_state`.
    trusted : sequence of str
        Types that estimators from outside the catalog may need.

    Raises
    ------
    StorageError
        If the kind is unknown, or the state is damaged or needs types that are not trusted.
    """
    cls = FITTED.get(kind)
    if cls is None:
        raise StorageError(
            f"unknown kind of fitted learner '{kind}'{near_miss(kind, FITTED)}; the file is damaged, or of a "
            "newer stackml"
        )
    try:
        if cls is FittedSklearn or cls is FittedForeign:
            return cls.from_state(state, tuple(trusted))
        return cls.from_state(state)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            f"{kind}: the stored model is incomplete ({error!r}); the file is damaged"
        ) from error


def _is_pair(spec: Any) -> bool:
    # Two texts are two names; a learner under a name of its own is ("mine", learner).
    return isinstance(spec, tuple) and len(spec) == 2 and isinstance(spec[0], str) and not _names(spec[1])


def _names(item: Any) -> bool:
    return isinstance(item, str | tuple | list)


def _resolve(item: Any) -> tuple[str, Learner]:
    if isinstance(item, str):
        return item, describe_learner(item)
    if isinstance(item, Learner):
        return _name_of(item), item
    if isinstance(item, tuple | list) and len(item) == 2 and isinstance(item[0], str):
        name, given = item
        if isinstance(given, str):
            return name, describe_learner(given)
        return name, given if isinstance(given, Learner) else SklearnLearner(name, given)
    if hasattr(item, "fit") and hasattr(item, "get_params") and not isinstance(item, type):
        name = type(item).__name__.lower()
        return name, SklearnLearner(name, item)
    raise ParameterError(
        f"learners: {item!r} is no learner; give a name of the catalog, a Learner, or a "
        "(name, estimator) pair"
    )


def _name_of(learner: Learner) -> str:
    for entry in _ENTRIES:
        if entry.learner == learner:
            return entry.name
    return learner.name if isinstance(learner, SklearnLearner) else learner.kind


def _check_problem(name: str, learner: Learner, problem: Problem) -> None:
    if problem.kind not in learner.problems:
        others = [entry.name for entry in _ENTRIES if entry.suits(problem)]
        raise ParameterError(
            f"learner '{name}' cannot be fitted to a {problem.kind} target; these can: {', '.join(others)}"
        )
    if isinstance(learner, SklearnLearner):
        check_suits(name, learner.estimator, problem)


def _unique(name: str, taken: Sequence[str]) -> str:
    if name not in taken:
        return name
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"
