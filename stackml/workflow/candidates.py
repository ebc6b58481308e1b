"""What is put side by side: models from anywhere, and the single learners they were made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stackml.assembly.alike import alike
from stackml.assembly.base import FittedAssembly, FittedModel, Part, leaves
from stackml.assembly.ensemble import Ensemble
from stackml.assembly.loading import load
from stackml.assembly.parts import fitted_model
from stackml.combiners.mean import FittedMean
from stackml.combiners.single import FittedSingle
from stackml.combiners.weighted import FittedWeights
from stackml.decision.identity import FittedIdentity
from stackml.foundation.errors import ParameterError, StorageError
from stackml.stack.file import to_state
from stackml.stack.fitted import FittedStack, Layer
from stackml.storage.sizing import stored_bytes
from stackml.tracking.resolving import stack_file
from stackml.tracking.store import Store
from stackml.workflow.held_out import MEAN, STACK

LEARNER = "learner"
PART = "part"
_RUN_LENGTH = 8


@dataclass(frozen=True, eq=False)
class Candidate:
    """One of the models side by side.

    Attributes
    ----------
    part : Part
        The fitted model under its name.
    kind : str
        ``"stack"``, the kind of an assembly, ``"learner"``, ``"part"`` or ``"plain mean"``.
    megabytes : float
        Of its file, in units of 10^6 bytes; of what is part of another file, about what it would
        take alone. nan where no file takes it.
    of : str
        The model it is a learner, a part or the mean of; "" for a model that was named.
    """

    part: Part
    kind: str
    megabytes: float
    of: str = ""

    @property
    def name(self) -> str:
        """Name in the comparison."""
        return self.part.name

    @property
    def is_single(self) -> bool:
        """Whether it is one learner and nothing was combined."""
        model = self.part.model
        return isinstance(model, FittedStack) and len(model.layers[-1].members) == 1


def named_candidates(models: Any, trusted: Sequence[str] = (), store: Store | None = None) -> list[Candidate]:
    """Return the models a user named, each under a name of its own.

    Parameters
    ----------
    models : mapping of name to model, or sequence of models or (name, model) pairs
        A model is fitted, or text or a path that leads to one: a ``.stack`` file, a folder,
        ``models:/name@alias``, ``runs:/ID/stack``. Text may begin with a name: ``small=a.stack``.
    trusted : sequence of str
        Full names of types outside the catalog that may be built.
    store : Store, optional
        Where ``models:`` and ``runs:`` are looked up.

    Raises
    ------
    ParameterError
        If two have one name, or something is no fitted model.
    TrackingError
        If there is no such model; the message names the nearest one.
    StorageError
        If a file cannot be read.
    """
    pairs = _pairs(models)
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ParameterError(
                f"two models are named '{name}'; give each a name of its own, as in small={name}.stack"
            )
    return [_candidate(name, model, trusted, store) for name, model in pairs]


def with_singles(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the models and, after each, what it was made of and the plain mean of that.

    Of a stack these are the learners of its last layer that predict the target, each as a stack of
    its own: what is learned below it still counts. Of an assembly they are its parts, as far as
    they predict what it predicts.

    Raises
    ------
    ParameterError
        If two of them would have one name.
    """
    alone = len(candidates) == 1
    taken = {candidate.name for candidate in candidates}
    found = []
    for candidate in candidates:
        found.append(candidate)
        for one in _made_of(candidate):
            bare = alone and one.name not in taken
            name = one.name if bare else f"{candidate.name}/{one.name}"
            found.append(replace(one, part=Part(name, one.part.model), of=candidate.name))
    names = [one.name for one in found]
    for one in found:
        if names.count(one.name) > 1:
            raise ParameterError(
                f"what '{one.of or candidates[0].name}' is made of, and another model, are both named "
                f"'{one.name}' in the comparison; give the model, or its part, another name"
            )
    return found


def check_alike(candidates: Sequence[Candidate]) -> None:
    """Check that all predict the same thing.

    Raises
    ------
    ParameterError
        If one predicts numbers and another classes, or their classes differ; both are named.
    """
    alike([candidate.part for candidate in candidates])


def _pairs(models: Any) -> list[tuple[str, Any]]:
    if isinstance(models, Mapping):
        return [(str(name), model) for name, model in models.items()]
    if isinstance(models, str | Path) or not isinstance(models, Sequence):
        models = [models]
    return list(_each(models))


def _each(models: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    for number, item in enumerate(models, start=1):
        if isinstance(item, tuple) and len(item) == 2:
            yield str(item[0]), item[1]
        elif isinstance(item, str | Path):
            yield _name_and_place(str(item))
        else:
            yield f"model_{number}", item


def _name_and_place(text: str) -> tuple[str, str]:
    name, equals, place = text.partition("=")
    if equals and name and place and not set("/\\:") & set(name) and not Path(text).exists():
        return name, place
    scheme, colon, rest = text.partition(":/")
    if scheme == "models" and colon:
        return rest.strip("/"), text
    if scheme == "runs" and colon:
        run_id, _, model = rest.strip("/").partition("/")
        return f"{run_id[:_RUN_LENGTH]}{'' if model in ('', STACK) else f'/{model}'}", text
    return Path(text).stem or text, text


def _candidate(name: str, model: Any, trusted: Sequence[str], store: Store | None) -> Candidate:
    if isinstance(model, str | Path):
        with stack_file(model, store) as file:
            fitted, size = load(file, trusted=trusted).fitted_, file.stat().st_size / 1e6
    else:
        fitted = fitted_model(model, name)
        size = _megabytes(fitted)
    return Candidate(Part(name, fitted), STACK if isinstance(fitted, FittedStack) else fitted.kind, size)


def _megabytes(model: FittedModel) -> float:
    try:
        return sum(stored_bytes(to_state(stack)) for stack in leaves(model)) / 1e6
    except StorageError:  # an estimator of the user's own that no file takes
        return float("nan")


def _made_of(candidate: Candidate) -> list[Candidate]:
    model = candidate.part.model
    return _learners_of(model) if isinstance(model, FittedStack) else _parts_of(model)


def _learners_of(stack: FittedStack) -> list[Candidate]:
    names = tuple(m.name for m in stack.layers[-1].members if m.output_kind != "score")
    found = [
        _under(name, LEARNER, _only(stack, (name,), FittedSingle((name,), (1.0,)))) for name in sorted(names)
    ]
    if len(names) > 1:
        mean = _only(stack, names, FittedMean.of(names, np.ones(len(names))))
        found.append(_under(MEAN, MEAN, mean))
    return found


def _only(stack: FittedStack, names: Sequence[str], combiner: FittedWeights) -> FittedStack:
    """Return a stack of some learners, uncalibrated, as they predict for its combiner."""
    last = Layer(tuple(m for m in stack.layers[-1].members if m.name in names))
    return replace(
        stack,
        layers=(*stack.layers[:-1], last),
        combiner=combiner,
        calibrator=FittedIdentity(),
        passthrough=False,
        card={},
    )


def _parts_of(assembly: FittedAssembly) -> list[Candidate]:
    whole = Part("", assembly)
    parts = [part for part in assembly.parts if _are_alike(whole, part)]
    found = [_under(part.name, PART, part.model) for part in parts]
    if len(parts) > 1:
        found.append(_under(MEAN, MEAN, Ensemble([(part.name, part.model) for part in parts]).fitted_))
    return found


def _are_alike(one: Part, other: Part) -> bool:
    try:
        alike([one, other])
    except ParameterError:
        return False
    return True


def _under(name: str, kind: str, model: FittedModel) -> Candidate:
    return Candidate(Part(name, model), kind, _megabytes(model))
