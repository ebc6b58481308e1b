"""What ran, as a plan of JSON values, and how a plan is repeated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from stackml.combiners.auto import AutoCombiner
from stackml.combiners.base import Combiner
from stackml.combiners.catalog import default_candidates, known_candidates
from stackml.foundation.digest import digest
from stackml.foundation.errors import ParameterError, near_miss
from stackml.learners.base import Learner
from stackml.oof.plan import ALL_ROWS, OUT_OF_BAG
from stackml.oof.result import LearnerRun
from stackml.stack.arguments import checked_refits
from stackml.stack.building import Built
from stackml.stack.recipe import AUTO, MOST_ROWS, LayerTrial, Recipe

PLAN_VERSION = 1
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_LONGEST = 200  # letters of a parameter; of longer ones a digest is kept


def plan_record(built: Built) -> dict[str, Any]:
    """Return what ran, as JSON values: enough to repeat the fit exactly without its clock."""
    fits = []
    asked = dict(built.recipe.learners)
    paced = []
    for number, result in enumerate(built.layers, start=1):
        for run in result.runs:
            shown = {"layer": number, "learner": run.name, "kind": run.learner.kind, "status": run.status}
            if not run.fitted:
                fits.append({**shown, "fold": None, "rounds": None, "seconds": None, "message": run.message})
                continue
            changed = _changes(asked.get(run.name, run.learner), run)
            if changed:
                paced.append({"layer": number, "learner": run.name, "parameters": changed})
            first = OUT_OF_BAG if run.out_of_bag else 0
            rounds = list(enumerate(run.fold_rounds, start=first))
            rounds.extend((ALL_ROWS, used) for used in run.refit_rounds)
            for (fold, used), seconds in zip(rounds, run.seconds, strict=True):
                fits.append({**shown, "fold": fold, "rounds": used, "seconds": round(seconds, 4)})
    return {
        "version": PLAN_VERSION,
        "folds": built.layers[0].folds.kind,
        "n_folds": built.layers[0].folds.n_folds,
        "folds_asked": built.recipe.folds if isinstance(built.recipe.folds, int) else None,
        "folds_fitted": built.recipe.fitted_folds,
        "notes": list(built.layers[0].folds.notes),
        "seed": built.recipe.seed,
        "strict": built.recipe.strict,
        "refit": built.recipe.refits,
        "lean": built.recipe.lean,
        "combiner": built.combined.combiner.kind,
        "asked": {
            "learners": {name: _described(learner) for name, learner in built.recipe.learners},
            "combiner": _described(_combiner(built.recipe)),
        },
        "paced": paced,
        "repeats": {r.name: list(r.repeats) for r in built.layers[-1].fitted if len(r.repeats) > 1},
        "tried": built.combined.choice.tried,
        "layers": len(built.layers),
        "layers_tried": [{**asdict(t), "learners": list(t.learners)} for t in built.recipe.grown],
        "fits": fits,
    }


def _changes(asked: Learner, run: LearnerRun) -> dict[str, Any]:
    """Return what was changed of a learner so that it kept the limit."""
    used = run.learner.parameters
    if type(asked) is not type(run.learner):  # a layer below keeps what the last one has replaced
        asked = run.learner
    found = {name: used[name] for name, value in asked.parameters.items() if used.get(name) != value}
    changed = {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
    return changed | ({} if run.most_rows is None else {MOST_ROWS: run.most_rows})


def replayed(recipe: Recipe, plan: Mapping[str, Any]) -> Recipe:
    """Return the recipe that repeats a recorded plan: its learners, rounds, seed and way of stopping.

    Raises
    ------
    ParameterError
        If the plan fitted a learner, or a combiner, that the recipe does not describe, or describes
        with other parameters.
    """
    recipe = replace(recipe, lean=bool(plan.get("lean", False)))
    _check_asked(recipe, plan)
    rounds: dict[tuple[int, str, int], int] = {}
    only: dict[int, set[str]] = {}
    refitted: dict[str, tuple[int | None, ...]] = {}
    known = [name for name, _ in recipe.learners]
    last = max((fit["layer"] for fit in plan["fits"] if fit["status"] == "fitted"), default=1)
    for fit in plan["fits"]:
        if fit["status"] != "fitted":
            continue
        layer, name = fit["layer"], fit["learner"]
        if name not in known:
            raise ParameterError(
                f"plan: learners= lacks '{name}', which the plan fitted{near_miss(name, known)}; "
                "repeat a plan with the learners it was recorded with"
            )
        only.setdefault(layer, set()).add(name)
        if fit["fold"] == ALL_ROWS and layer == last:
            refitted[name] = (*refitted.get(name, ()), fit["rounds"])
        if fit["rounds"] is not None:
            rounds.setdefault((layer, name, fit["fold"]), int(fit["rounds"]))
    unasked = set(plan.get("tried", ())) - known_candidates(lean=recipe.lean).keys()
    if recipe.combiner is None and unasked:
        raise ParameterError(
            f"plan: it was recorded with combiner='{min(unasked)}', which 'auto' does not choose from; "
            "repeat a plan with the combiner it was recorded with"
        )
    return replace(
        recipe,
        seed=int(plan["seed"]),
        strict=bool(plan["strict"]),
        folds=recipe.folds if plan.get("folds_asked") is None else int(plan["folds_asked"]),
        fitted_folds=_fitted_folds(plan),
        rounds=rounds,
        only=only,
        refits=checked_refits(plan.get("refit") or 0),
        repeats={name: tuple(done) for name, done in plan.get("repeats", {}).items()},
        tried=tuple(plan.get("tried", ())),
        refit_only=frozenset(refitted),
        refit_rounds=refitted,
        layers=max(only, default=1) if recipe.layers == AUTO else recipe.layers,
        grown=_trials_of(plan),
        paced={(p["layer"], p["learner"]): p["parameters"] for p in plan.get("paced", [])},
    )


def _combiner(recipe: Recipe) -> Combiner:
    return recipe.combiner or AutoCombiner(default_candidates(lean=recipe.lean))


def _fitted_folds(plan: Mapping[str, Any]) -> int | None:
    found = plan.get("folds_fitted")
    if found is None or (type(found) is int and found > 0):
        return found
    raise ParameterError(
        f"plan: its 'folds_fitted' is {found!r:.40}, not a number of folds; "
        "give the `plan_` of a fitted stack as it was"
    )


def _described(asked: Learner | Combiner) -> dict[str, Any]:
    """Return kind and parameters as text; parameters of an estimator one by one."""
    found: dict[str, str] = {}
    for name, value in asked.parameters.items():
        if _is_estimator(value):
            found[name] = _name(type(value))
            found |= {f"{name}__{k}": _text(v) for k, v in value.get_params(deep=True).items()}
        else:
            found[name] = _text(value)
    return {"kind": asked.kind, "parameters": found}


def _is_estimator(value: Any) -> bool:
    return hasattr(value, "get_params") and not isinstance(value, type)


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _text(value: Any) -> str:
    """Return text that is equal for equal values, in every process."""
    if _is_estimator(value):
        return _name(type(value))  # its own parameters follow
    if isinstance(value, type):
        return _name(value)
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return digest(value)
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        text = repr(int(value))
    elif isinstance(value, float | np.floating):
        text = repr(int(value)) if float(value).is_integer() else repr(float(value))
    elif isinstance(value, list | tuple):
        text = f"[{', '.join(_text(part) for part in value)}]"
    elif isinstance(value, set | frozenset):
        text = f"{{{', '.join(sorted(_text(part) for part in value))}}}"
    else:
        text = _ADDRESS.sub("", repr(value))  # a function has another address in every process
    return text if len(text) <= _LONGEST else digest(text)


def _check_asked(recipe: Recipe, plan: Mapping[str, Any]) -> None:
    recorded = plan.get("asked")
    if recorded is None:  # of a version that did not say
        return
    fitted = {fit["learner"] for fit in plan["fits"] if fit["status"] == "fitted"}
    try:
        for name, learner in recipe.learners:
            if name in fitted and name in recorded["learners"]:
                _check_same(f"learner '{name}'", recorded["learners"][name], _described(learner), "learners")
        then = recorded["combiner"]
        chosen = [_described(candidate) for candidate in known_candidates(lean=recipe.lean).values()]
        # A stack made smaller has one of those that "auto" chooses from, which the plan tells apart.
        if recipe.combiner is not None or not any(_difference(then, one) is None for one in chosen):
            _check_same("the combiner", then, _described(_combiner(recipe)), "combiner")
    except (TypeError, KeyError, AttributeError) as error:
        raise ParameterError(
            f"plan: its 'asked' cannot be read ({error!r}); give the `plan_` of a fitted stack as it was"
        ) from error


def _check_same(what: str, then: Mapping[str, Any], now: Mapping[str, Any], asked: str) -> None:
    other = _difference(then, now)
    if other:
        raise ParameterError(
            f"plan: {what} was recorded with {other[0]}, and has {other[1]} here; "
            f"repeat a plan with the {asked} it was recorded with"
        )


def _difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the first thing that differs, as it was and as it is; parameters only one knows are let be."""
    if then["kind"] != now["kind"]:
        return f"kind='{then['kind']}'", f"kind='{now['kind']}'"
    for name, value in then["parameters"].items():
        if now["parameters"].get(name, value) != value:
            return f"{name}={value}", f"{name}={now['parameters'][name]}"
    return None


def _trials_of(plan: Mapping[str, Any]) -> tuple[LayerTrial, ...]:
    try:
        return tuple(
            LayerTrial(**{**tried, "learners": tuple(tried["learners"])})
            for tried in plan.get("layers_tried", ())
        )
    except (TypeError, KeyError) as error:
        raise ParameterError(
            f"plan: its 'layers_tried' cannot be read ({error}); give the `plan_` of a fitted stack as it was"
        ) from error
